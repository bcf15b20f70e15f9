"""Readings as a farm would give them to Kafka: with gaps, repeats, disorder and bad values."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from wattscope.compute.rollups import roll_up
from wattscope.compute.segments import SeriesRule
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Quality, build_batch, empty_batch
from wattscope.core.time_grid import US_PER_MINUTE, US_PER_S
from wattscope.core.topology import Sampling
from wattscope.ports import Rollup

START_US = 1_767_225_600 * US_PER_S
"""A whole hour: 2026-01-01T00:00:00Z."""
STEP_US = 5 * US_PER_S
QUANTITY_NAMES = ("active_power_w", "energy_import_wh", "temperature_c")
SeriesName = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """One reading as the program writes it to Kafka."""

    device: str
    measured_at_us: int
    values: dict[str, float | None]
    quality: dict[str, int] = field(default_factory=dict)
    delay_us: int = US_PER_S
    """From the meter to us [µs]; negative for a clock that is ahead."""

    @property
    def received_at_us(self) -> int:
        return self.measured_at_us + self.delay_us

    def encode(self) -> bytes:
        return json.dumps(
            {
                "v": 1,
                "site": "farm",
                "device": self.device,
                "measured_at_us": self.measured_at_us,
                "received_at_us": self.received_at_us,
                "values": self.values,
                "quality": self.quality,
            }
        ).encode()


def build_stretch(device: str, start_us: int, end_us: int, seed: int) -> list[Message]:
    """What a device tells in ``[start, end)``, by arrival: up to 9 s late, so out of order."""
    chance = random.Random(f"{device} {seed}")
    count = chance.uniform(0, 1e6)
    told: list[Message] = []
    for t in range(start_us, end_us, STEP_US):
        # At whole steps, so that edges of buckets are met, and beside them.
        t_us = t + chance.choice([0, chance.randrange(STEP_US)])
        power = 3000 * math.sin(t / (7 * US_PER_MINUTE)) + chance.gauss(0, 20)
        count = 0.0 if chance.random() < 0.01 else count + abs(power) / 720
        message = Message(
            device, t_us, *_spoil(chance, power, count), chance.randrange(8 * US_PER_S)
        )
        told.append(message)
        again_us = message.delay_us + chance.randrange(US_PER_S)
        if chance.random() < 0.1:
            told.append(replace(message, delay_us=again_us))
        if chance.random() < 0.05:
            told.append(Message(device, t_us, {"active_power_w": power + 1000}, {}, again_us))
    return weave([told])


def weave(streams: Iterable[Iterable[Message]]) -> list[Message]:
    """All messages by arrival at us."""
    return sorted(chain.from_iterable(streams), key=lambda one: one.received_at_us)


def _spoil(
    chance: random.Random, power: float, count: float
) -> tuple[dict[str, float | None], dict[str, int]]:
    """Values and their quality: some missing, implausible, late or estimated."""
    values: dict[str, float | None] = {
        "active_power_w": power,
        "energy_import_wh": count,
        "temperature_c": round(chance.gauss(20, 5), 1),
    }
    quality: dict[str, int] = {}
    for name in QUANTITY_NAMES:
        match chance.randrange(20):
            case 0:
                values[name] = None
                quality[name] = int(Quality.MISSING)
            case 1:
                values[name] = 1e9
                quality[name] = int(Quality.IMPLAUSIBLE | chance.choice([0, Quality.LATE]))
            case 2:
                quality[name] = int(Quality.ESTIMATED | chance.choice([0, Quality.LATE]))
            case 3 if chance.random() < 0.5:
                del values[name]
    return values, quality


def list_first(messages: Iterable[Message]) -> dict[tuple[str, str, int], tuple[float, int]]:
    """Value and quality under each key of a store: of several the first stays."""
    kept: dict[tuple[str, str, int], tuple[float, int]] = {}
    for message in messages:
        for name, value in message.values.items():
            flags = message.quality.get(name, 0)
            number = math.nan if value is None else value
            kept.setdefault((message.device, name, message.measured_at_us), (number, flags))
    return kept


def roll_up_messages(messages: Iterable[Message], size_us: int) -> tuple[list[SeriesName], Rollup]:
    """The buckets of these readings as the program's own rollups make them."""
    kept = list_first(messages)
    names = sorted({key[:2] for key in kept})
    ids = {name: number for number, name in enumerate(names, 1)}
    rows = [(ids[key[:2]], key[2], *value) for key, value in kept.items()]
    rules = {number: _rule(name[1]) for name, number in ids.items()}
    return names, roll_up(build_batch(rows), empty_batch(), rules, size_us)


def _rule(quantity: str) -> SeriesRule:
    known = QUANTITIES[quantity]
    return SeriesRule(
        kind=known.kind,
        sampling=Sampling.INSTANT,
        interval_us=STEP_US,
        is_power=known.is_power,
        is_energy=known.is_energy,
    )


def list_buckets(
    messages: Iterable[Message], size_us: int, closed_us: int
) -> dict[tuple[str, str, int], dict[str, float]]:
    """Buckets with values that ended by an instant: (device, quantity, start) to columns."""
    names, rollup = roll_up_messages(messages, size_us)
    is_told = (rollup.count > 0) & (rollup.bucket_start_us + size_us <= closed_us)
    columns = ("count", "sum", "min", "max", "first", "last")
    return {
        (*names[rollup.series_id[row] - 1], int(rollup.bucket_start_us[row])): {
            name: float(getattr(rollup, name)[row]) for name in columns
        }
        for row in np.flatnonzero(is_told)
    }
