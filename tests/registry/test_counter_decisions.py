from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry.registries import KINDS, METER, Place, run_place
from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.topology import Site
from wattscope.registry.sql_registry import SqlRegistry

SWAP = CounterDecision(1, 1_000_000, StepKind.SWAP, 12.5, 5)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with run_place(request, tmp_path) as made:
        yield made


@pytest.fixture
def registry(place: Place) -> SqlRegistry:
    made = SqlRegistry(place.open())
    made.put_site(Site("home", "Home", "UTC"))
    made.put_device(METER)
    made.ensure_series("meter", "energy_import_wh")
    made.ensure_series("meter", "energy_export_wh")
    return made


def test_decision_comes_with_its_series_and_survives(registry: SqlRegistry, place: Place) -> None:
    late = CounterDecision(1, 2_000_000, StepKind.GLITCH)
    registry.decisions.put(late)
    registry.decisions.put(SWAP)
    again = SqlRegistry(place.open())
    for one in (registry, again):
        assert [series.decisions for series in one.list_series()] == [(SWAP, late), ()]


def test_newer_decision_about_a_reading_replaces_the_older(registry: SqlRegistry) -> None:
    registry.decisions.put(SWAP)
    newer = replace(SWAP, kind=StepKind.RESET, growth=None)
    registry.decisions.put(newer)
    assert registry.decisions.list_of(1) == (newer,)


def test_dropped_decision_is_gone_for_good(registry: SqlRegistry, place: Place) -> None:
    registry.decisions.put(SWAP)
    assert registry.decisions.drop(1, SWAP.at_us) == SWAP
    assert registry.decisions.drop(1, SWAP.at_us) is None
    assert registry.decisions.list_of(1) == ()
    assert SqlRegistry(place.open()).decisions.by_series() == {}
