"""``/api/insights/counter-steps``: what befell the counters, and what people say it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Protocol, cast

import numpy as np
import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wattscope.compute.counter_walk import LOOK_AHEAD
from wattscope.compute.segments import LEAD_ROWS, SeriesRule, list_counter_steps
from wattscope.core.counter_steps import CounterDecision, CounterStep, StepKind
from wattscope.core.errors import QueryError, UnknownNameError
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import Batch, concat_batches
from wattscope.core.time_grid import US_PER_DAY, format_utc, load_zone
from wattscope.core.topology import Device, Series
from wattscope.web.numbers import number
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services
from wattscope.web.spans import check_span, read_instant

MAX_STEPS = 1000
"""More steps than this are not listed; the newest are."""
MAX_SPAN_US = 366 * US_PER_DAY
"""Every reading of a longer span is not looked through at once."""
_DEFAULT_SPAN_US = 30 * US_PER_DAY
_PIECE_US = 30 * US_PER_DAY
_log = structlog.get_logger()


class Decisions(Protocol):
    """People's decisions, as the registry keeps them."""

    def put(self, decision: CounterDecision) -> None: ...

    def drop(self, series: int, at_us: int) -> CounterDecision | None: ...


class DecidingBook(Protocol):
    """A registry that keeps decisions, and gives them with its series."""

    @property
    def decisions(self) -> Decisions: ...


class StepDecision(BaseModel):
    """What a person says that a step was; the reading itself stays as it is."""

    model_config = ConfigDict(extra="forbid")

    device: str = Field(max_length=128, examples=["grid"])
    quantity: str = Field(max_length=64, examples=["energy_import_wh"])
    at: str = Field(
        max_length=40,
        description="Instant of the reading that the step ends at (RFC 3339)",
        examples=["2026-03-09T10:00:00Z"],
    )
    kind: StepKind
    growth: float | None = Field(
        default=None,
        ge=0,
        le=1e15,
        strict=True,
        description="What the counter grew by, in the quantity's unit; left out, as the kind says",
    )


def build_counter_step_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/insights", tags=["insights"], responses=PROBLEM_RESPONSES)

    @router.get("/counter-steps")
    def read_counter_steps(
        device: str,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
    ) -> dict[str, Any]:
        """Steps of a device's counters that are not plain growth: resets, swaps, glitches."""
        found = services.find_device(device)
        zone = load_zone(services.find_site(found.site).time_zone)
        end_us = read_instant(end, zone) if end else services.now_us()
        start_us = read_instant(start, zone) if start else max(0, end_us - _DEFAULT_SPAN_US)
        check_span(start_us, end_us)
        if end_us - start_us > MAX_SPAN_US:
            raise QueryError("the span is longer than a year; ask for less")
        steps = [
            (series, step)
            for series in _list_counters(services, found)
            for step in _list_steps(services, series, found, start_us, end_us)
        ]
        steps.sort(key=lambda pair: (pair[1].at_us, pair[0].id))
        return {
            "device": found.id,
            "start": format_utc(start_us),
            "end": format_utc(end_us),
            "steps": [_describe(*pair) for pair in steps[-MAX_STEPS:]],
            "is_cut": len(steps) > MAX_STEPS,
        }

    @router.put("/counter-steps")
    def put_decision(wanted: StepDecision) -> dict[str, Any]:
        """Say what a step was; energies are computed anew. Saying it twice changes nothing."""
        device, series, at_us = _find_counter(services, wanted.device, wanted.quantity, wanted.at)
        if wanted.kind is StepKind.ROLLOVER and wanted.growth is None and not device.rollover_wh:
            raise QueryError(
                f"device {device.id!r} has no rollover_wh; set it, or tell the growth of this step"
            )
        from_us = _find_first_touched(services, series, at_us)
        decision = CounterDecision(series.id, at_us, wanted.kind, wanted.growth, services.now_us())
        _decisions(services).put(decision)
        services.store.reopen(series.id, from_us)
        _log.info(
            "counter step decided",
            device=device.id,
            quantity=series.quantity.name,
            at=format_utc(at_us),
            kind=wanted.kind.value,
            growth=wanted.growth,
        )
        return _describe_decision(device, series, decision)

    @router.delete("/counter-steps")
    def drop_decision(
        device: str,
        quantity: str,
        at: Annotated[str, Query(description="Instant of the reading (RFC 3339)")],
    ) -> dict[str, Any]:
        """Take a decision back: the step is again what the readings say."""
        found, series, at_us = _find_counter(services, device, quantity, at)
        dropped = _decisions(services).drop(series.id, at_us)
        if dropped is None:
            raise UnknownNameError(f"there is no decision about {quantity} of {device!r} at {at}")
        services.store.reopen(series.id, _find_first_touched(services, series, at_us))
        _log.info(
            "counter decision taken back",
            device=found.id,
            quantity=series.quantity.name,
            at=format_utc(at_us),
        )
        return _describe_decision(found, series, dropped)

    return router


def _decisions(services: Services) -> Decisions:
    return cast("DecidingBook", services.book).decisions


def _list_counters(services: Services, device: Device) -> list[Series]:
    return [
        one
        for one in services.book.list_series()
        if one.device == device.id and one.quantity.kind is QuantityKind.COUNTER
    ]


def _find_counter(
    services: Services, device: str, quantity: str, at: str
) -> tuple[Device, Series, int]:
    """The device, its counter and the instant that a request names.

    Raises:
        UnknownNameError: There is no such device, or no such counter of it.
        QueryError: The instant is none.
    """
    found = services.find_device(device)
    zone = load_zone(services.find_site(found.site).time_zone)
    counters = {one.quantity.name: one for one in _list_counters(services, found)}
    if quantity not in counters:
        raise UnknownNameError(f"device {device!r} has no counter {quantity!r}")
    return found, counters[quantity], read_instant(at, zone)


def _find_first_touched(services: Services, series: Series, at_us: int) -> int:
    """The oldest instant whose reading another word on the one at ``at_us`` may change.

    Raises:
        UnknownNameError: There is no reading that a step could end at.
    """
    at = _read(services, series, at_us, at_us + 1)
    before = _read_before(services, series, at_us, LOOK_AHEAD)
    if not len(at) or not len(before):
        raise UnknownNameError(
            f"no step of {series.quantity.name} of {series.device!r} ends at {format_utc(at_us)}; "
            "see /api/insights/counter-steps"
        )
    return int(before.measured_at_us[0])


def _list_steps(
    services: Services, series: Series, device: Device, start_us: int, end_us: int
) -> Iterator[CounterStep]:
    """The steps that end in ``[start, end)``, judged with the readings around them."""
    rules = {series.id: SeriesRule.build(series, device)}
    for piece_us in range(start_us, end_us, _PIECE_US):
        piece_end_us = min(piece_us + _PIECE_US, end_us)
        rows = _read(services, series, piece_us, piece_end_us)
        if len(rows):
            lead = _read_before(services, series, piece_us, LEAD_ROWS)
            behind = _read_behind(services, series, piece_end_us)
            steps = list_counter_steps(concat_batches([rows, behind]), lead, rules)
            yield from (step for step in steps if step.at_us < piece_end_us)


def _read(services: Services, series: Series, start_us: int, end_us: int) -> Batch:
    """Usable readings in ``[start, end)``."""
    batch = services.store.read_raw([series.id], start_us, end_us)
    return batch.take(batch.is_usable)


def _read_before(services: Services, series: Series, instant_us: int, n_rows: int) -> Batch:
    """The last usable readings before an instant."""
    length_us = US_PER_DAY
    while True:
        start_us = max(0, instant_us - length_us)
        found = _read(services, series, start_us, instant_us)
        if len(found) >= n_rows or not start_us:
            return found.take(np.arange(max(0, len(found) - n_rows), len(found)))
        length_us *= 8


def _read_behind(services: Services, series: Series, instant_us: int) -> Batch:
    """The readings from an instant on that may decide about one before it."""
    length_us, newest = US_PER_DAY, services.live.latest(series.id)
    while True:
        found = _read(services, series, instant_us, instant_us + length_us)
        is_end = newest is None or instant_us + length_us > newest[0]
        if len(found) >= LOOK_AHEAD or is_end:
            return found.take(np.arange(min(LOOK_AHEAD, len(found))))
        length_us *= 8


def _describe(series: Series, step: CounterStep) -> dict[str, Any]:
    return {
        "quantity": series.quantity.name,
        "unit": series.quantity.unit,
        "before_at": format_utc(step.before_at_us),
        "at": format_utc(step.at_us),
        "before": number(step.before),
        "after": number(step.after),
        "kind": step.kind.value,
        "growth": number(step.growth),
        "is_held": step.is_held,
        "is_decided": step.is_decided,
    }


def _describe_decision(device: Device, series: Series, decision: CounterDecision) -> dict[str, Any]:
    return {
        "device": device.id,
        "quantity": series.quantity.name,
        "at": format_utc(decision.at_us),
        "kind": decision.kind.value,
        "growth": number(decision.growth),
        "decided_at": format_utc(decision.decided_at_us),
    }
