from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.modbus.blocks import DEFAULT_GAP, LineCost, Refusals, Span, plan_blocks
from wattscope.compute.modbus.frames import ReadRequest
from wattscope.compute.modbus.map_file import parse_register_map
from wattscope.core.registers import Register, RegisterMap, RegisterType
from wattscope.registry.profile_library import ProfileLibrary

SEED_WAGO = (0x5008, 0x5012, 0x5014, 0x5016, 0x5018, 0x502A, 0x6000, 0x6006, 0x6008, 0x600A)
"""What the heat pump's exporter reads."""


def _load(name: str) -> RegisterMap:
    return parse_register_map(name, ProfileLibrary().read(name))


def _float(address: int, function: int = 3) -> Register:
    return Register(f"q{address}__V", function, address, RegisterType.FLOAT32)


def _spans(requests: tuple[ReadRequest, ...]) -> list[tuple[int, int, int]]:
    return [(one.function, one.address, one.count) for one in requests]


def test_sdm630_is_read_in_three_requests_and_its_usual_values_in_one() -> None:
    sdm630 = _load("sdm630").registers
    # 0x24 to 0x33 belong to nobody, 0x50 to 0xE9 and 0xFA to 0x155 to nothing that is read.
    assert _spans(plan_blocks(sdm630, 1)) == [
        (4, 0x00, 0x24),
        (4, 0x34, 0x1C),
        (4, 0xEA, 0x10),
        (4, 0x156, 0x28),
    ]
    usual = [one for one in sdm630 if one.address < 0x50]
    assert _spans(plan_blocks(usual, 1, max_gap=16)) == [(4, 0x00, 0x50)]
    assert _spans(plan_blocks(usual, 1, max_gap=15)) == [(4, 0x00, 0x24), (4, 0x34, 0x1C)]


def test_wago_is_read_in_two_requests() -> None:
    assert _spans(plan_blocks(_load("wago-879-30xx").registers, 2)) == [
        (3, 0x5000, 50),
        (3, 0x6000, 36),
    ]
    ten = [_float(address) for address in SEED_WAGO]
    assert _spans(plan_blocks(ten, 2, max_gap=16)) == [(3, 0x5008, 36), (3, 0x6000, 12)]
    assert len(plan_blocks(ten, 2, max_gap=15)) == 3


def test_block_ends_where_the_device_gives_no_more() -> None:
    many = [_float(2 * n) for n in range(100)]
    assert _spans(plan_blocks(many, 1)) == [(3, 0, 124), (3, 124, 76)]
    assert [one.count for one in plan_blocks(many, 1, max_block=80)] == [80, 80, 40]
    assert plan_blocks([], 1) == ()


def test_functions_are_read_apart() -> None:
    assert _spans(plan_blocks([_float(0, 4), _float(2, 3), _float(2, 4)], 1)) == [
        (3, 2, 2),
        (4, 0, 4),
    ]


@pytest.mark.parametrize(
    ("baud", "bits", "turn_around_ms", "gap"),
    [
        (9600, 10, 0, 10),
        (9600, 10, 20, 19),
        (19_200, 11, 30, 36),
        (19_200, 11, 100, 97),
    ],
)
def test_gap_is_worth_reading_up_to_the_cost_of_a_request(
    baud: int, bits: int, turn_around_ms: float, gap: int
) -> None:
    cost = LineCost(char_s=bits / baud, turn_around_s=turn_around_ms / 1000)
    assert cost.worthwhile_gap == gap
    another = 20 * cost.char_s + cost.turn_around_s
    assert 2 * gap * cost.char_s <= another < 2 * (gap + 1) * cost.char_s


def test_line_that_costs_nothing_is_worth_any_gap() -> None:
    assert LineCost(0.0, 0.02).worthwhile_gap == 125
    assert LineCost(10 / 9600, 0.0).worthwhile_gap == DEFAULT_GAP


def test_refused_value_is_found_in_few_requests_and_then_left_out() -> None:
    """One of 52 values is gone after a change of firmware."""
    sdm630 = _load("sdm630").registers
    gone = next(one for one in sdm630 if one.quantity == "power_factor_l2")
    refusals = Refusals()
    n_refused, requests = _settle(sdm630, [gone], refusals)
    # 18 values are in its block: halved at most five times, and then refused alone.
    assert n_refused <= 6
    assert refusals.absent == [Span(4, 0x20, 0x22)]
    assert refusals.is_absent(gone)
    assert _spans(requests) == [
        (4, 0x00, 0x20),
        (4, 0x22, 0x02),
        (4, 0x34, 0x1C),
        (4, 0xEA, 0x10),
        (4, 0x156, 0x28),
    ]


def test_registers_that_nobody_asked_for_may_be_refused_too() -> None:
    """A block across a gap that the device does not have: the gap goes, no value does."""
    registers = [_float(0), _float(2), _float(12), _float(14)]
    hole = Register("hole__1", 3, 6, RegisterType.INT32)
    refusals = Refusals()
    n_refused, requests = _settle(registers, [hole], refusals)
    assert (n_refused, refusals.absent) == (1, [])
    assert _spans(requests) == [(3, 0, 4), (3, 12, 4)]


def _settle(
    registers: tuple[Register, ...] | list[Register],
    gone: list[Register],
    refusals: Refusals,
    max_block: int = 125,
) -> tuple[int, tuple[ReadRequest, ...]]:
    """Poll a device without some registers until it refuses nothing more."""
    n_refused = 0
    for _ in range(200):
        requests = plan_blocks(registers, 1, max_block=max_block, refusals=refusals)
        refused = [one for one in requests if _touches(one, gone)]
        if not refused:
            return n_refused, requests
        for one in refused:
            refusals.learn(one, registers)
        n_refused += len(refused)
    raise AssertionError("it refuses for ever")


def _touches(request: ReadRequest, gone: list[Register]) -> bool:
    span = Span(request.function, request.address, request.address + request.count)
    return any(span.overlaps(Span(one.function, one.address, one.end)) for one in gone)


def _holds(request: ReadRequest, register: Register) -> bool:
    is_within = request.address <= register.address and register.end <= (
        request.address + request.count
    )
    return is_within and request.function == register.function


wanted = st.lists(
    st.builds(
        Register,
        st.just("x__1"),
        st.sampled_from([3, 4]),
        st.integers(0, 400),
        st.sampled_from(RegisterType),
    ),
    max_size=40,
)


@given(wanted, st.integers(4, 125), st.integers(0, 130))
def test_plan_keeps_its_promises(registers: list[Register], max_block: int, max_gap: int) -> None:
    requests = plan_blocks(registers, 9, max_block=max_block, max_gap=max_gap)
    assert list(requests) == sorted(requests, key=lambda one: (one.function, one.address))
    assert all(one.unit == 9 and 1 <= one.count <= max_block for one in requests)
    assert all(any(_holds(one, register) for one in requests) for register in registers)
    for one in requests:
        inside = sorted((r for r in registers if _holds(one, r)), key=lambda r: r.address)
        assert (inside[0].address, max(r.end for r in inside)) == (
            one.address,
            one.address + one.count,
        )
        reached = inside[0].end
        for register in inside[1:]:
            assert register.address - reached <= max_gap
            reached = max(reached, register.end)


def _keep_apart(registers: list[Register]) -> list[Register]:
    """As many as do not overlap."""
    kept: list[Register] = []
    for one in sorted(registers, key=lambda r: (r.function, r.address)):
        if not kept or kept[-1].function != one.function or kept[-1].end <= one.address:
            kept.append(one)
    return kept


@given(wanted, st.integers(4, 125))
def test_every_register_is_in_exactly_one_request(
    registers: list[Register], max_block: int
) -> None:
    apart = _keep_apart(registers)
    requests = plan_blocks(apart, 1, max_block=max_block)
    assert all(sum(_holds(one, register) for one in requests) == 1 for register in apart)
    for one, after in pairwise(requests):
        assert one.function != after.function or one.address + one.count <= after.address


@given(wanted, st.data(), st.integers(4, 125))
def test_what_a_device_lacks_is_found_by_halving_and_costs_nothing_else(
    registers: list[Register], data: st.DataObject, max_block: int
) -> None:
    apart = [replace(one, quantity=f"q{n}__1") for n, one in enumerate(_keep_apart(registers))]
    gone = data.draw(st.lists(st.sampled_from(apart), max_size=3, unique=True)) if apart else []
    refusals = Refusals()
    n_refused, requests = _settle(apart, gone, refusals, max_block)
    there = [one for one in apart if one not in gone]
    assert all(any(_holds(one, register) for one in requests) for register in there)
    assert all(refusals.is_absent(one) for one in gone)
    assert not any(refusals.is_absent(one) for one in there)
    largest = max(2, len(apart))
    assert n_refused <= len(gone) * (math.ceil(math.log2(largest)) + 2)


@given(wanted, wanted)
def test_device_that_refuses_anything_comes_to_rest(
    registers: list[Register], gone: list[Register]
) -> None:
    """Values may overlap, as one that is told in two ways."""
    refusals = Refusals()
    _, requests = _settle(registers, gone, refusals)
    assert not any(_touches(one, gone) for one in requests)
