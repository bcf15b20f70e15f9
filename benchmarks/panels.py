"""The load: readings of 1,000 solar panels, four values each, the same for every subject."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

N_PANELS = 1000
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
"""A panel's readings follow each other second by second from here on; the publisher is told it."""
FIELDS = ("temperature_celsius", "voltage_volts", "current_amperes", "power_output_watts")
QUANTITIES = ("temperature_c", "dc_voltage_v", "dc_current_a", "production_power_w")
"""Wattscope's names of the fields, in the same order."""


def read_tenths(number: int) -> tuple[int, int, int, int]:
    """The four values of a reading, in tenths, so that sums are exact."""
    return 200 + number % 97, 470 + number % 31, 70 + number % 53, number * 7919 % 5000


def find_instant(number: int, start: datetime) -> datetime:
    """When a reading was made: one a second for each panel."""
    return start + timedelta(seconds=number // N_PANELS)


def build_reading(number: int, written: str) -> tuple[str, bytes]:
    """Topic and payload of a reading, with its instant as text."""
    panel = f"panel-{number % N_PANELS:04d}"
    values = ",".join(
        f'"{name}":{tenths / 10:.1f}'
        for name, tenths in zip(FIELDS, read_tenths(number), strict=True)
    )
    payload = f'{{"panel_id":"{panel}","timestamp":"{written}",{values}}}'
    return f"sensors/{panel}/readings", payload.encode()


def sum_tenths(numbers: Iterable[int]) -> tuple[int, ...]:
    """Sums of the four values over some readings, in tenths."""
    sums = [0, 0, 0, 0]
    for number in numbers:
        for at, tenths in enumerate(read_tenths(number)):
            sums[at] += tenths
    return tuple(sums)
