"""Reads what the Flink job writes to the topic ``aggregates``: one bucket of one series a message.

::

    {"v": 1, "level": "1m", "site": "roof", "device": "panel-7", "quantity": "dc_power_w",
     "bucket_start_us": 1767225600000000, "count": 60, "sum": 14400.0, "min": 239.0, "max": 241.0,
     "mean": 240.0, "first": 239.5, "last": 240.5}

It promises an ``Aggregate`` or a ``Rejection`` for every byte string, and never raises. Unknown
fields are passed over, so that a newer job may tell more. A bucket may come more than once: the
later message of the same key stands.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

import msgspec

from wattscope.compute.decode.strict_json import check_size
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.time_grid import US_PER_MINUTE

SCHEMA_VERSION: Final = 1
"""The version of the messages; a change that a reader of this one would misread raises it."""
LEVEL_US: Final = {"1m": US_PER_MINUTE, "15m": 15 * US_PER_MINUTE}
"""Levels that are told, and the lengths of their buckets [µs]."""
_FARTHEST_US: Final = 2**62


class AggregateKey(NamedTuple):
    """What names a bucket."""

    device: str
    quantity: str
    level: str
    bucket_start_us: int


class Aggregate(msgspec.Struct, frozen=True):
    """One bucket of one series, closed: its values in base units, as ``ports.Rollup`` says."""

    level: Literal["1m", "15m"]
    site: str
    device: str
    quantity: str
    bucket_start_us: int
    """A multiple of the level's length [µs since 1970, UTC]."""
    count: int
    """Values that took part; at least 1, at most one a microsecond."""
    sum: float
    min: float
    max: float
    mean: float
    first: float
    last: float
    v: int = SCHEMA_VERSION

    @property
    def key(self) -> AggregateKey:
        """A later message of the same key replaces an earlier one."""
        return AggregateKey(self.device, self.quantity, self.level, self.bucket_start_us)

    @property
    def bucket_end_us(self) -> int:
        """The first instant after the bucket [µs since 1970, UTC]."""
        return self.bucket_start_us + LEVEL_US[self.level]


class _Versioned(msgspec.Struct):
    v: int


def decode_aggregate(payload: bytes) -> Aggregate | Rejection:
    """The bucket that a message holds."""
    refusal = check_size(payload)
    if refusal is not None:
        return refusal
    try:
        version = _VERSION.decode(payload).v
        if version != SCHEMA_VERSION:
            return Rejection(ReasonCode.UNKNOWN_FORMAT, f"version {version} of aggregates")
        found = _AGGREGATE.decode(payload)
    except msgspec.ValidationError as error:
        return Rejection(ReasonCode.WRONG_TYPE, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Rejection(ReasonCode.JSON_SYNTAX, str(error))
    fault = _find_fault(found)
    return found if fault is None else Rejection(ReasonCode.RANGE, fault)


def _find_fault(found: Aggregate) -> str | None:
    """What no bucket can be."""
    if not 1 <= found.count <= LEVEL_US[found.level]:
        # An instant counts once, so there cannot be more than microseconds.
        return f"a count of {found.count}"
    if abs(found.bucket_start_us) > _FARTHEST_US:
        return f"a bucket that begins at {found.bucket_start_us} µs"
    if found.bucket_start_us % LEVEL_US[found.level]:
        return f"a bucket of {found.level} that begins at {found.bucket_start_us} µs"
    values = (found.min, found.max, found.first, found.last)
    if not all(map(math.isfinite, values)):
        return "a value that is not finite"
    if not all(found.min <= value <= found.max for value in values):
        return "a value beyond the extremes"
    return None


_VERSION: Final = msgspec.json.Decoder(_Versioned)
_AGGREGATE: Final = msgspec.json.Decoder(Aggregate)
