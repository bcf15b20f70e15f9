from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.modbus.image import Block, read_image, write_image

some_blocks = st.lists(
    st.builds(
        Block,
        st.sampled_from([3, 4]),
        st.integers(0, 0xFFFF),
        st.binary(max_size=20).map(lambda raw: raw + raw),
    ),
    max_size=5,
)


def test_image_of_two_blocks_is_laid_out_as_drawn() -> None:
    blocks = [Block(4, 0x0034, bytes.fromhex("43660000")), Block(3, 0xFFFF, b"\x01\x02")]
    image = write_image(blocks)
    assert image.hex(" ") == "4d 31 04 00 34 00 02 43 66 00 00 03 ff ff 00 01 01 02"
    assert [block.n_registers for block in read_image(image)] == [2, 1]


@given(some_blocks)
def test_what_is_written_is_read_again(some: list[Block]) -> None:
    assert read_image(write_image(some)) == tuple(some)


@given(some_blocks, st.data())
def test_cut_image_is_fewer_blocks_or_refused(some: list[Block], data: st.DataObject) -> None:
    image = write_image(some)
    cut = image[: data.draw(st.integers(0, len(image)))]
    ends = {len(write_image(some[:n])): n for n in range(len(some) + 1)}
    if len(cut) in ends:
        assert read_image(cut) == tuple(some[: ends[len(cut)]])
    else:
        with pytest.raises(ValueError, match=r"cut short|fewer than|does not begin"):
            read_image(cut)


@given(raw=st.binary(max_size=60), has_head=st.booleans())
def test_any_bytes_are_an_image_or_a_value_error(raw: bytes, *, has_head: bool) -> None:
    image = b"M1" + raw if has_head else raw
    try:
        found = read_image(image)
    except ValueError:
        return
    assert write_image(found) == image


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (b"", "does not begin as a register image"),
        (b"M2", "does not begin as a register image"),
        (b"M1\x03\x00", "block at byte 2 is cut short"),
        (b"M1\x03\x00\x00\x00\x02\x01\x02\x03", "block at byte 7 holds fewer than its 2 registers"),
    ],
)
def test_fault_says_where_it_is(image: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_image(image)
