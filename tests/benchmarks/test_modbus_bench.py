"""The physical limit that the Modbus benchmark compares with, and the rows that it prints."""

from __future__ import annotations

import pytest

from benchmarks.modbus import ONE_BY_ONE, judge, list_line_rows
from benchmarks.modbus_lines import LineFigures, find_limit_s, pick
from benchmarks.modbus_servers import read_map, value_of
from benchmarks.rows import OURS
from wattscope.core.fleet import Line
from wattscope.simulate.modbus_line import LineTiming


@pytest.mark.parametrize(
    ("baud", "turn_around_s", "milliseconds"),
    [(9600, 0.02, 208), (19_200, 0.02, 114), (38_400, 0.02, 69)],
)
def test_the_limit_of_an_sdm630_is_one_block_of_80_registers(
    baud: int, turn_around_s: float, milliseconds: float
) -> None:
    """8 + 5 + 2 × 80 characters of 10 bits, two gaps of 3.5, and the turn-around."""
    registers = pick(read_map("sdm630"))
    assert len(registers) == 28
    found = find_limit_s(registers, LineTiming(Line(baud), turn_around_s))
    assert 1000 * found == pytest.approx(milliseconds, abs=1.0)


def test_without_turn_around_two_blocks_are_faster_than_one() -> None:
    """A gap of 16 registers costs 32 characters, a second request 20."""
    registers = pick(read_map("sdm630"))
    timing = LineTiming(Line(9600), 0.0)
    in_one = timing.exchange_s(8, 5 + 2 * 80)
    assert find_limit_s(registers, timing) == pytest.approx(in_one - 12 * timing.char_s)


def test_the_values_that_the_exporter_reads_of_a_wago_lie_in_two_spans() -> None:
    registers = pick(read_map("wago-879-30xx"))
    assert len(registers) == 10
    slow = LineTiming(Line(19_200), 0.1)
    in_two = slow.exchange_s(8, 5 + 2 * 36) + slow.exchange_s(8, 5 + 2 * 12)
    assert find_limit_s(registers, slow) == pytest.approx(in_two)


def test_every_value_of_a_virtual_meter_is_another() -> None:
    register_map = read_map("sdm630")
    values = [value_of(register_map, one.quantity) for one in register_map.registers]
    assert len(set(values)) == len(values)
    assert 0 not in values


def test_rows_hold_values_share_and_ratio() -> None:
    found = LineFigures(ours=95.0, one_by_one=19.0, limit=100.0, n_requests=1)
    rows = list_line_rows("line", found, has_ratio_target=True)
    assert [(row.subject, row.unit, row.value) for row in rows] == [
        (OURS, "values/s", 95.0),
        (OURS, "share", 0.95),
        (ONE_BY_ONE, "values/s", 19.0),
        (OURS, "x", 5.0),
    ]
    assert rows[1].metric.endswith("share of limit")
    assert all(row.target.endswith("met") for row in rows if row.target)


def test_a_missed_target_says_by_how_much() -> None:
    assert judge(0.6, 0.9) == "≥ 0.9 MISSED by 1.50 x"
