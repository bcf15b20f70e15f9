from __future__ import annotations

import os
import pickle  # noqa: TID251 - what a file of a stranger may hold
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compute.isolation_forest.model_cases import make_model
from tests.sklearn_forest import make_rows
from wattscope.compute.isolation_forest import model_file
from wattscope.compute.isolation_forest.forest import LEAF, Forest
from wattscope.compute.isolation_forest.model import AnomalyModel, is_model_due
from wattscope.compute.isolation_forest.model_file import MAX_BYTES, decode_model, encode_model
from wattscope.core.errors import StorageError

MODEL = make_model()
CONTENT = encode_model(MODEL)
ROWS = make_rows(100, np.random.default_rng(9))
N_FLIPS = 1000
HEADER_START = 14


def seal(content: bytes) -> bytes:
    """The bytes of a forger: with a checksum that fits."""
    return content + struct.pack("<I", zlib.crc32(content))


def forge(**changes: object) -> bytes:
    """A file of a forest that is no forest."""
    return encode_model(replace(MODEL, forest=replace(MODEL.forest, **changes)))  # type: ignore[arg-type]  # the table below names the fields


def put(column: np.ndarray[Any, Any], place: int, value: float) -> np.ndarray[Any, Any]:
    changed = column.copy()
    changed[place] = value
    return changed


def is_refused(content: bytes) -> bool:
    try:
        decode_model(content)
    except StorageError:
        return True
    return False


def test_model_comes_back_as_it_was() -> None:
    back = decode_model(CONTENT)
    assert encode_model(back) == CONTENT
    np.testing.assert_array_equal(back.scorer.score(ROWS), MODEL.scorer.score(ROWS))
    np.testing.assert_array_equal(back.find_limits(ROWS), MODEL.find_limits(ROWS))
    assert (back.device_class, back.forest.features) == (MODEL.device_class, MODEL.forest.features)


def test_file_cut_off_anywhere_is_refused() -> None:
    accepted = [size for size in range(len(CONTENT)) if not is_refused(CONTENT[:size])]
    assert accepted == []


def flip(bit: int) -> bytes:
    changed = bytearray(CONTENT)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_flipped_bit_is_refused() -> None:
    bits = np.random.default_rng(4).choice(8 * len(CONTENT), N_FLIPS, replace=False)
    assert [bit for bit in bits.tolist() if not is_refused(flip(bit))] == []


def test_flipped_bits_would_be_believed_without_the_checksum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check above can fail: it is the checksum that finds changes of numbers."""
    monkeypatch.setattr("wattscope.compute.isolation_forest.model_file.zlib.crc32", lambda _: 0)
    monkeypatch.setattr(
        model_file, "_CRC", type("Blind", (), {"size": 4, "unpack_from": lambda *_: (0,)})()
    )
    bits = np.random.default_rng(4).choice(8 * len(CONTENT), N_FLIPS, replace=False)
    accepted = [bit for bit in bits.tolist() if not is_refused(flip(bit))]
    assert len(accepted) > N_FLIPS / 10


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch '{self.mark}'",)


def test_pickle_is_refused_and_its_code_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    content = pickle.dumps(Bomb(mark))
    with pytest.raises(StorageError, match="is no model file"):
        decode_model(content)
    # The same behind our own head, and in the place of the header.
    head = struct.pack("<8sHI", b"WATTSIFO", 1, len(content))
    with pytest.raises(StorageError, match="header that cannot be read"):
        decode_model(seal(head + content))
    assert not mark.exists()
    # It is a bomb: elsewhere it goes off.
    bomb = tmp_path / "bomb.pkl"
    bomb.write_bytes(content)
    subprocess.run(
        [sys.executable, "-c", f"import pickle; pickle.load(open({str(bomb)!r}, 'rb'))"], check=True
    )
    assert mark.exists()


INNER = int(np.flatnonzero(MODEL.forest.feature != LEAF)[-1])
FOREST: Forest = MODEL.forest


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no model file"),
        (b"PK\x03\x04" + bytes(1000), "is no model file"),
        (bytes(MAX_BYTES + 1), "is larger than 32 MB"),
        (seal(b"WATTSIFO\x02\x00" + CONTENT[10:-4]), "has version 2; this program reads version 1"),
        (CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), "its checksum does not fit"),
        (seal(struct.pack("<8sHI", b"WATTSIFO", 1, 2**32 - 1)), "a header that is too long"),
        (seal(struct.pack("<8sHI", b"WATTSIFO", 1, 0)), "a header that cannot be read"),
        (seal(CONTENT[:-4] + b"\0"), "bytes of numbers where"),
        (seal(CONTENT[:-5]), "bytes of numbers where"),
        (forge(feature=put(FOREST.feature, INNER, 5)), "a feature that is not there"),
        (forge(feature=put(FOREST.feature, INNER, -2)), "a feature that is not there"),
        (forge(feature=put(FOREST.feature, INNER, LEAF)), "do not match in number"),
        (forge(feature=FOREST.feature[::-1].copy()), "a node has no parent"),
        (forge(threshold=put(FOREST.threshold, INNER, np.nan)), "a threshold is not a number"),
        (forge(threshold=put(FOREST.threshold, INNER, np.inf)), "a threshold is not a number"),
        (forge(path=put(FOREST.path, 1, np.nan)), "a path length is not a number"),
        (forge(path=put(FOREST.path, 1, -1.0)), "a path length is not a number"),
        (forge(n_trees=FOREST.n_trees + 2), "do not match in number"),
        (forge(n_trees=1001), "header that cannot be read"),
        (forge(sample=1), "sample is 1"),
        (forge(features=("a", "b", "c", "d", "e")), "not those of this program"),
        (encode_model(replace(MODEL, limits=MODEL.limits + 1)), "limit of scores"),
        (encode_model(replace(MODEL, limits=MODEL.limits * np.nan)), "limit of scores"),
        (encode_model(replace(MODEL, usual=MODEL.usual - 1)), "limit of scores"),
        (encode_model(replace(MODEL, light_w=MODEL.light_w[::-1].copy())), "do not rise"),
        (encode_model(replace(MODEL, limit_share=2.0)), "share of strange rows"),
        (encode_model(replace(MODEL, full_power_w=0.0)), "full power"),
        (encode_model(replace(MODEL, device_class="toaster")), "no class of devices 'toaster'"),
        (encode_model(replace(MODEL, medians=MODEL.medians * np.nan)), "medians"),
    ],
)
def test_what_is_no_sound_model_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(StorageError, match=reason):
        decode_model(content)


def make_chain(n_levels: int) -> AnomalyModel:
    """A tree that goes on and on."""
    feature = np.full(1 + 2 * n_levels, LEAF, np.int16)
    feature[0] = 0
    feature[1 : 2 * n_levels - 1 : 2] = 0
    forest = replace(
        FOREST,
        feature=feature,
        threshold=np.zeros(len(feature), np.float32),
        path=np.ones(len(feature)),
        n_trees=1,
    )
    return replace(MODEL, forest=forest)


def test_tree_that_is_too_deep_is_refused() -> None:
    assert not is_refused(encode_model(make_chain(12)))
    with pytest.raises(StorageError, match="deeper than 12"):
        decode_model(encode_model(make_chain(13)))


def test_feature_out_of_range_would_be_believed_without_the_look_at_the_forest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The refusals above can fail: without the look, the file passes."""
    content = forge(feature=put(FOREST.feature, INNER, 5))
    monkeypatch.setattr(model_file, "list_model_faults", lambda _: [])
    assert not is_refused(content)


@pytest.mark.parametrize(
    ("trained_at_us", "days", "is_due"),
    [
        (None, 7.0, True),
        (None, 0.0, False),
        (0, 10.0, True),
        (0, 11.0, False),
        (864_000_000_001, 7.0, True),
    ],
    ids=["never trained", "never to be", "as old as told", "younger", "from the future"],
)
def test_model_is_due_by_its_age(trained_at_us: int | None, days: float, is_due: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_model_due(trained_at_us, 864_000_000_000, days) is is_due
