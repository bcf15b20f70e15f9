"""``./run bench modbus``: meters on RS-485 lines beside one register a request, and a fleet."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.modbus_fleet import FleetFigures, measure_fleet
from benchmarks.modbus_lines import LineFigures, measure_line
from benchmarks.modbus_neighbours import NeighbourFigures, measure_neighbours
from benchmarks.rows import OURS, Row

CASE = "modbus"
ONE_BY_ONE = "one register a request"
_TITLES = {"sdm630": "SDM630, 28 values", "wago-879-30xx": "WAGO 879-30xx, 10 values"}
_BAUDS = (9600, 19_200)
_TURN_AROUNDS_MS = (0, 20, 50)
_LEAST_SHARE = 0.9
_LEAST_RATIO = 5.0
_LEAST_ON_TIME = 0.99
_TARGET_TURN_AROUND_MS = 20


def run(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """The rows, and what must be known to read them."""
    rows: list[Row] = []
    length_s = 2.0 if quick else 8.0
    for profile, title in _TITLES.items():
        for baud in _BAUDS[:1] if quick else _BAUDS:
            for turn_around_ms in _TURN_AROUNDS_MS:
                where = f"{title}, {baud} baud, {turn_around_ms} ms"
                say(where)
                found = measure_line(profile, baud, turn_around_ms, length_s)
                is_target = profile == "sdm630" and turn_around_ms == _TARGET_TURN_AROUND_MS
                rows += list_line_rows(where, found, has_ratio_target=is_target)
    n_meters, length_s = (50, 5.0) if quick else (500, 30.0)
    say(f"{n_meters} meters, once a second")
    fleet = measure_fleet(n_meters, length_s)
    rows += list_fleet_rows(fleet)
    say("neighbours of meters that misbehave")
    rows += list_neighbour_rows(measure_neighbours(10.0 if quick else 240.0))
    notes = [
        "limit: characters, gaps and turn-around of the fastest plan of requests that there is",
        f"{ONE_BY_ONE}: pymodbus, as the projects before this one read their meters",
        (
            "the fleet's program ran on one core, its meters on the others; "
            f"{fleet.foreign_share:.0%} of all CPU time went to processes that take no part, "
            "among them the virtual meters"
        ),
    ]
    return rows, notes


def list_line_rows(where: str, found: LineFigures, *, has_ratio_target: bool) -> list[Row]:
    """Figures of one line, with what they should be."""
    share, ratio = found.ours / found.limit, found.ours / found.one_by_one
    ratio_target = judge(ratio, _LEAST_RATIO) if has_ratio_target else ""
    return [
        Row(CASE, OURS, where, found.ours, "values/s"),
        Row(CASE, OURS, f"{where}: share of limit", share, "share", judge(share, _LEAST_SHARE)),
        Row(CASE, ONE_BY_ONE, where, found.one_by_one, "values/s"),
        Row(CASE, OURS, f"{where}, beside {ONE_BY_ONE}", ratio, "x", ratio_target),
    ]


def list_fleet_rows(fleet: FleetFigures) -> list[Row]:
    """Figures of the fleet."""
    where = f"{fleet.n_meters} meters, once a second"
    judge(fleet.on_time, _LEAST_ON_TIME)
    return [
        Row(CASE, OURS, f"{where}: polls", fleet.polls_per_s, "polls/s"),
        Row(CASE, OURS, f"{where}: stored and found by SQL", fleet.values_per_s, "values/s"),
        Row(
            CASE,
            OURS,
            f"{where}: polls on time",
            fleet.on_time,
            "share",
            judge(fleet.on_time, 0.99),
        ),
        Row(CASE, OURS, f"{where}: CPU", fleet.cpu_s_per_million, "CPU-s/M"),
        Row(CASE, OURS, f"{where}: CPU, of one core", fleet.core_share, "share"),
        Row(CASE, OURS, f"{where}: oldest newest value", 1000 * fleet.worst_age_s, "ms"),
    ]


def list_neighbour_rows(found: NeighbourFigures) -> list[Row]:
    """What faults cost others; and that none of what they told was stored."""
    rows = []
    for where, before, beside in (
        ("meter at another gateway", found.other_before, found.other_beside),
        ("meter behind the same gateway", found.same_before, found.same_beside),
    ):
        rows += [
            Row(CASE, OURS, f"{where}, due to answered, p99", before, "ms"),
            Row(CASE, OURS, f"{where}, beside faults, p99", beside, "ms"),
            Row(CASE, OURS, f"{where}, beside faults, to before", beside / before, "x"),
        ]
    rows.append(Row(CASE, OURS, "requests that went wrong", found.n_faults, "requests"))
    target = "0 met" if found.n_lies == 0 else f"0 MISSED, {found.n_lies} stored"
    rows.append(Row(CASE, OURS, "wrong values stored", found.n_lies, "values", target))
    return rows


def judge(found: float, least: float) -> str:
    """A target in words, and whether it is met or by how much it is missed."""
    words = f"≥ {least:g}"
    return f"{words} met" if found >= least else f"{words} MISSED by {least / found:.2f} x"
