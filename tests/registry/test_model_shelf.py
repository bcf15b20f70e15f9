from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from tests.compute.isolation_forest.model_cases import make_model
from wattscope.compute.isolation_forest.model_file import MAX_BYTES, encode_model
from wattscope.core.errors import StorageError
from wattscope.registry.model_shelf import ModelShelf


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    return ModelShelf(tmp_path)


def test_models_come_back(shelf: ModelShelf) -> None:
    for name in ("panel", "inverter"):
        shelf.write(make_model(device_class=name))
    models, refused = shelf.read_all()
    assert (sorted(models), refused) == (["inverter", "panel"], ())
    assert encode_model(models["panel"]) == encode_model(make_model())
    assert [path.name for path in sorted(shelf.folder.iterdir())] == [
        "inverter.forest",
        "panel.forest",
    ]


def test_folder_that_is_not_there_holds_no_models(shelf: ModelShelf) -> None:
    assert shelf.read_all() == ({}, ())
    assert shelf.stamp() == ()
    with pytest.raises(StorageError, match=r"panel\.forest cannot be read \(No such file"):
        shelf.read("panel")


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def grow_huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)


def put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (spoil, "is damaged: its checksum does not fit"),
        (lambda path: path.write_bytes(b""), "is no model file"),
        (grow_huge, "is larger than 32 MB"),
        (put_pipe, "is no file"),
        (put_folder, "cannot be read (Is a directory)"),
        (
            lambda path: path.write_bytes(encode_model(make_model(device_class="panel"))),
            "is a model of panel",
        ),
    ],
    ids=["damaged", "empty", "huge", "pipe", "folder", "of another class"],
)
def test_file_that_cannot_be_believed_is_refused_and_the_others_are_used(
    shelf: ModelShelf, harm: object, reason: str
) -> None:
    assert callable(harm)
    shelf.write(make_model())
    harm(shelf.write(make_model(device_class="inverter")))
    models, refused = shelf.read_all()
    assert list(models) == ["panel"]
    assert [str(one) for one in refused] == [
        (
            f"model models/inverter.forest {reason}; it is not used; run "
            "'wattscope train --class inverter', or remove the file"
        ),
    ]


def test_model_before_stays_where_the_disk_refuses_the_new_one(
    shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.write(make_model(n_trees=2))
    before = shelf.stamp()

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(StorageError, match="the disk refused"):
        shelf.write(make_model(n_trees=3))
    assert shelf.stamp() == before
    assert shelf.read("panel").forest.n_trees == 2


def test_write_cut_short_leaves_the_model_before(shelf: ModelShelf) -> None:
    path = shelf.write(make_model())
    path.with_name(path.name + ".new").write_bytes(encode_model(make_model())[:100])
    models, refused = shelf.read_all()
    assert (list(models), refused) == (["panel"], ())
    shelf.write(make_model(n_trees=4))
    assert shelf.read("panel").forest.n_trees == 4


def test_new_model_changes_the_stamp(shelf: ModelShelf) -> None:
    shelf.write(make_model(n_trees=2))
    before = shelf.stamp()
    shelf.write(make_model(n_trees=3))
    assert shelf.stamp() != before


def test_model_that_was_read_scores_as_before(shelf: ModelShelf) -> None:
    model = make_model(n_trees=50, sample=256)
    shelf.write(model)
    rows = np.random.default_rng(2).uniform(0, 100, (300, 5))
    np.testing.assert_array_equal(shelf.read("panel").scorer.score(rows), model.scorer.score(rows))
