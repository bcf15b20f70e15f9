from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.modbus.sunspec_device import (
    NO_ADDRESS,
    Device,
    build_common,
    build_model,
    drive,
)
from wattscope.compute.modbus.frames import Fault, ReadRequest, Refusal
from wattscope.compute.modbus.sunspec import (
    MAX_MODELS,
    Identity,
    ModelChain,
    ModelPlace,
    plan_models,
)
from wattscope.compute.modbus.sunspec_models import MODELS
from wattscope.compute.modbus.sunspec_points import find_layout

SILENT = Refusal(Fault.TIMEOUT, "no answer within 1 s")
VENDOR = struct.pack(">HH", 64_001, 9) + bytes(18)


@pytest.mark.parametrize("base", [40_000, 0, 50_000])
def test_walk_finds_the_models_wherever_the_chain_begins(base: int) -> None:
    device = Device(build_common(), VENDOR, build_model(103), build_model(160), base=base)
    chain = device.walk(unit=7)
    assert (chain.base, chain.fault) == (base, "")
    assert chain.models == (
        ModelPlace(1, base + 2, 66),
        ModelPlace(64_001, base + 70, 9),
        ModelPlace(103, base + 81, 50),
        ModelPlace(160, base + 133, 8),
    )
    assert chain.identity == Identity("Sun Works", "Model X", "1.2", "SN 7")
    assert {(one.unit, one.function) for one in device.asked} == {(7, 3)}
    assert all(one.count in {2, 68} for one in device.asked)


def test_device_without_marker_is_told_apart_from_one_that_cannot_be_reached() -> None:
    assert drive(lambda _: b"\0\0\0\0") == ModelChain(
        None, fault="is no SunSpec device: no marker SunS at 40000, 0, 50000"
    )
    assert drive(lambda _: NO_ADDRESS).fault.startswith("is no SunSpec device")
    assert drive(lambda _: SILENT).fault.startswith("is no SunSpec device")
    for refusal in (
        Refusal(Fault.UNREACHABLE, "connection refused"),
        Refusal(Fault.EXCEPTION, "exception 11, gateway target does not answer", 11),
    ):
        asked: list[ReadRequest] = []

        def answer(request: ReadRequest, refusal: Refusal = refusal) -> Refusal:
            asked.append(request)  # noqa: B023 - the walk is over within this round
            return refusal

        assert drive(answer).fault == f"no answer at 40000: {refusal.detail}"
        assert len(asked) == 1


def test_chain_that_breaks_keeps_what_was_found() -> None:
    chain = Device(build_common(), build_model(103), end=b"").walk()
    assert [one.id for one in chain.models] == [1, 103]
    assert chain.fault == "the chain breaks at 40122: exception 2, illegal address"


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ((103, 0), "model 103 at 40002 cannot have the length 0"),
        ((0, 50), "model 0 at 40002 cannot have the length 50"),
        ((103, 60_000), "model 103 at 40002 cannot have the length 60000"),
    ],
)
def test_length_that_cannot_be_ends_the_walk(header: tuple[int, int], fault: str) -> None:
    chain = Device(struct.pack(">HH", *header)).walk()
    assert (chain.base, chain.models, chain.fault) == (40_000, (), fault)


def test_chain_without_end_ends() -> None:
    asked = []

    def answer(request: ReadRequest) -> bytes:
        asked.append(request)
        return b"SunS" if len(asked) == 1 else struct.pack(">HH", 103, 1)

    chain = drive(answer)
    assert len(chain.models) == MAX_MODELS
    assert chain.fault.startswith("the chain has more than 100 models")


def test_device_that_refuses_its_identity_is_read_all_the_same() -> None:
    device = Device(build_common(), build_model(103))
    chain = drive(lambda r: NO_ADDRESS if r.count == 68 else device.answer(r))
    assert chain.identity is None
    assert [one.id for one in chain.models] == [1, 103]
    assert chain.fault == ""


@given(st.data())
def test_walk_ends_whatever_is_sent(data: st.DataObject) -> None:
    replies = st.one_of(
        st.just(b"SunS"),
        st.sampled_from([NO_ADDRESS, SILENT]),
        st.binary(max_size=6),
        st.builds(lambda i, n: struct.pack(">HH", i, n), st.integers(0, 800), st.integers(0, 90)),
    )
    chain = drive(lambda _: data.draw(replies))
    assert len(chain.models) <= MAX_MODELS
    assert all(a.end == b.address for a, b in zip(chain.models, chain.models[1:], strict=False))


def test_plan_reads_from_the_id_to_the_last_point_that_is_used() -> None:
    device = Device(build_common(), build_model(103), VENDOR, build_model(203))
    # 103 lies at 40070: its last point is Evt1 with 2 registers at 40; its rest, the vendor's
    # model and its own header are more than a request costs. 203 ends with TotWh_SF at 54.
    assert plan_models(device.walk(), 5) == (
        ReadRequest(5, 3, 40_070, 42),
        ReadRequest(5, 3, 40_133, 55),
    )


def test_plan_reads_small_models_that_are_neighbours_together() -> None:
    device = Device(build_model(713), build_model(103, more=-2))
    assert plan_models(device.walk(), 1) == (ReadRequest(1, 3, 40_002, 9 + 42),)
    assert len(plan_models(device.walk(), 1, 50)) == 2


def test_plan_leaves_out_what_is_not_read_or_comes_twice() -> None:
    odd = struct.pack(">HH", 103, 7) + bytes(14)
    device = Device(build_common(), VENDOR, build_model(103), odd, build_model(103))
    assert plan_models(device.walk(), 1) == (ReadRequest(1, 3, 40_081, 42),)
    assert plan_models(ModelChain(None), 1) == ()


def test_plan_reads_the_maker_where_its_counters_may_be_negative() -> None:
    device = Device(build_common("KOSTAL Solar Electric"), build_model(103))
    assert plan_models(device.walk(), 1) == (
        ReadRequest(1, 3, 40_002, 18),
        ReadRequest(1, 3, 40_070, 42),
    )


def test_plan_of_a_long_model_reads_scale_factors_with_the_values() -> None:
    device = Device(build_model(701))
    assert plan_models(device.walk(), 1) == (ReadRequest(1, 3, 40_002, 123),)
    # 60 registers end before VL1 at 60, within nothing that is read; 701's values of four
    # registers at 19 to 34 are not torn by blocks of 22.
    pieces = plan_models(device.walk(), 1, 22)
    assert [one.address - 40_002 for one in pieces][:3] == [0, 19, 41]
    assert pieces[-1].address + pieces[-1].count == 40_002 + 123


@given(
    st.lists(st.sampled_from(sorted(MODELS)), min_size=1, max_size=6),
    st.integers(0, 5),
    st.integers(4, 125),
    st.integers(0, 60),
)
def test_plan_holds_every_point_whole_in_one_block(
    ids: list[int], n_modules: int, max_block: int, max_gap: int
) -> None:
    models = [
        build_model(one, modules=[{}] * n_modules if MODELS[one].module_length else ())
        for one in ids
    ]
    chain = Device(*models).walk()
    requests = plan_models(chain, 1, max_block, max_gap=max_gap)
    assert all(1 <= one.count <= max_block for one in requests)
    first = {place.id: place for place in reversed(chain.models)}
    for place in first.values():
        layout = find_layout(place.id, place.length)
        if layout is None:
            continue
        for placed in layout.points:
            start = place.address + placed.offset
            end = start + placed.point.type.n_registers
            holding = [r for r in requests if r.address <= start and end <= r.address + r.count]
            assert len(holding) == 1
    assert all(a.address + a.count <= b.address for a, b in itertools.pairwise(requests))
