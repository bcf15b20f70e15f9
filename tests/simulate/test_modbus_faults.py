"""How misbehaviour is named and drawn, and what wrong registers look like."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.modbus.map_file import parse_register_map
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Framing
from wattscope.core.quantities import find_quantity
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.simulate.modbus_faults import FAULTS, FaultMix, Layer, parse_faults, poison_values

UNTOLD = {"stale", "swapped", "unavailable", "zeros"}


def test_every_fault_but_those_of_the_registers_can_be_told() -> None:
    assert {name for name, kind in FAULTS.items() if not kind.told_on} == UNTOLD
    assert {name for name, kind in FAULTS.items() if kind.layer is Layer.REGISTERS} == UNTOLD


def test_rates_are_met_and_the_rest_is_right() -> None:
    mix = FaultMix({"silent": 0.2, "bad_crc": 0.05}, seed=7)
    drawn = Counter(mix.draw(Framing.RTU) for _ in range(20_000))
    assert drawn["silent"] / 20_000 == pytest.approx(0.2, abs=0.02)
    assert drawn["bad_crc"] / 20_000 == pytest.approx(0.05, abs=0.01)
    assert drawn[None] / 20_000 == pytest.approx(0.75, abs=0.02)


@given(st.integers(0, 2**32), st.sampled_from(sorted(FAULTS)))
def test_the_same_seed_draws_the_same_faults(seed: int, name: str) -> None:
    mixes = [FaultMix({name: 0.5}, seed) for _ in range(2)]
    drawn = [[mix.draw(Framing.TCP) for _ in range(30)] for mix in mixes]
    assert drawn[0] == drawn[1]


def test_a_fault_that_a_framing_cannot_have_is_not_drawn() -> None:
    always = {"bad_crc": Framing.TCP, "wrong_transaction": Framing.RTU, "half_open": Framing.RTU}
    for name, framing in always.items():
        assert FaultMix({name: 1.0}).draw(framing) is None


def test_mixtures_share_their_rate() -> None:
    every, told = parse_faults(["any:0.5"]), parse_faults(["told:0.5"])
    assert every is not None
    assert told is not None
    assert set(every.rates) == set(FAULTS) - {"bad_crc"}
    assert set(told.rates) == set(FAULTS) - {"bad_crc"} - UNTOLD
    assert every.total == pytest.approx(0.5)
    assert told.total == pytest.approx(0.5)
    assert parse_faults([]) is None


def test_a_mixture_holds_what_the_framing_can_tell() -> None:
    mixes = [parse_faults(["told"], framing) for framing in (Framing.RTU_OVER_TCP, Framing.RTU)]
    over_tcp, serial = (set() if mix is None else set(mix.rates) for mix in mixes)
    assert "bad_crc" in over_tcp & serial
    assert not {"late", "previous", "slow", "zero_transaction"} & (over_tcp | serial)
    assert over_tcp - serial == {"half_open", "reset", "accept_close", "refused"}


def test_the_page_of_virtual_meters_lists_every_fault_and_what_it_does() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulating.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (.+?) \| (?:yes|no|TCP only)", page, re.MULTILINE))
    assert told == {name: kind.words for name, kind in FAULTS.items()}


@pytest.mark.parametrize("words", [["silnet"], ["silent:often"], ["silent:0"], ["silent", "late"]])
def test_what_cannot_be_drawn_is_refused(words: list[str]) -> None:
    with pytest.raises(SettingsError):
        parse_faults(words)


@pytest.mark.parametrize("name", ["sdm630", "wago-879-30xx", "dtsu666", "abb-ab-series"])
def test_wrong_registers_are_like_nothing_that_a_meter_tells(name: str) -> None:
    register_map = parse_register_map(name, ProfileLibrary().read(name))
    for quantity, value in poison_values(register_map).items():
        known = find_quantity(quantity)
        assert known is not None
        usual = {"V": 400.0, "A": 100.0, "W": 1e5, "Hz": 60.0, "": 1.0, "Wh": 1e9}
        assert abs(value) > 1.3 * usual.get(known.unit, 1e5), (quantity, value)
