"""Every byte of a stream is in one piece, whatever its blocks, and no telegram hides the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.telegrams.spoken import W, cut_up, entry, say_p1, say_sml, value_list
from wattscope.compute.telegrams.forms import TELEGRAM_FORMS, TelegramForm
from wattscope.compute.telegrams.framers import MAX_PIECE_BYTES

P1 = say_p1("0-0:1.0.0(170102192002W)", "1-0:1.7.0(00.244*kW)")
SML = say_sml(value_list(entry("1.8.0", 12345), entry("16.7.0", -299, W, 0)))
WHOLE = {"p1": P1, "sml": SML}
FORMS = [pytest.param(form, WHOLE[name], id=name) for name, form in TELEGRAM_FORMS.items()]

scraps = st.sampled_from(
    [
        *(P1, SML, P1[:-3], P1[5:], SML[:-3], SML[5:], SML[:8], b"/", b"!", b"!6EEE\r\n", b"\r\n"),
        *(b"\x1b" * 4, b"\x1b", b"\x01" * 4, b"\x1a\x00", b"\xff" * 9, b"\0", b"x" * 40),
    ]
) | st.binary(max_size=12)
streams = st.lists(scraps, max_size=12).map(b"".join)


def cut(form: TelegramForm, blocks: list[bytes]) -> list[bytes]:
    framer = form.make_framer()
    return [piece for block in blocks for piece in framer.feed(block)] + framer.end()


@pytest.mark.parametrize(("form", "whole"), FORMS)
@given(stream=streams, sizes=st.lists(st.integers(0, 40), max_size=30))
def test_pieces_are_the_stream_however_it_came(
    form: TelegramForm, whole: bytes, stream: bytes, sizes: list[int]
) -> None:
    del whole
    pieces = cut(form, [stream])
    assert b"".join(pieces) == stream
    assert cut(form, cut_up(stream, sizes)) == pieces
    assert all(pieces)


@pytest.mark.parametrize(("form", "whole"), FORMS)
def test_whole_telegrams_are_given_at_their_last_byte(form: TelegramForm, whole: bytes) -> None:
    framer = form.make_framer()
    assert framer.feed(whole[:-1]) == []
    assert framer.feed(whole[-1:] + whole) == [whole, whole]
    assert framer.end() == []


@pytest.mark.parametrize(("form", "whole"), FORMS)
def test_telegram_is_found_behind_one_that_was_cut_anywhere(
    form: TelegramForm, whole: bytes
) -> None:
    for end in range(len(whole)):
        pieces = cut(form, [whole[:end] + whole + whole])
        assert pieces[-2:] == [whole, whole], end


@pytest.mark.parametrize(("form", "whole"), FORMS)
def test_telegram_is_found_behind_the_end_of_another(form: TelegramForm, whole: bytes) -> None:
    for begin in range(1, len(whole)):
        assert cut(form, [whole[begin:] + whole])[-1] == whole, begin


@pytest.mark.parametrize(("form", "whole"), FORMS)
@pytest.mark.parametrize("n_bytes", [MAX_PIECE_BYTES - 4, MAX_PIECE_BYTES + 3, 5 * MAX_PIECE_BYTES])
def test_endless_telegram_and_endless_noise_are_bounded(
    form: TelegramForm, whole: bytes, n_bytes: int
) -> None:
    for head in (b"", form.start):
        framer = form.make_framer()
        pieces = []
        stream = head + b"x" * n_bytes + whole
        for at in range(0, len(stream), 1000):
            pieces += framer.feed(stream[at : at + 1000])
        pieces += framer.end()
        assert max(map(len, pieces)) <= MAX_PIECE_BYTES + 1
        assert b"".join(pieces) == stream
        assert pieces[-1] == whole


def test_escape_within_a_file_stands_twice() -> None:
    form = TELEGRAM_FORMS["sml"]
    inside = say_sml(value_list(entry("1.8.0", int.from_bytes(b"\x1b" * 4, "big"))))
    assert b"\x1b" * 8 in inside
    assert cut(form, [inside + SML]) == [inside, SML]
