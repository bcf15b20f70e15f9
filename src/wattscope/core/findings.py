"""What is said about data that cannot be taken as it is: values, never exceptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class ReasonCode(Enum):
    """Why a message or value was set aside; each code is a counter on ``/metrics``."""

    JSON_SYNTAX = "json_syntax"
    NOT_FINITE = "not_finite"
    DUPLICATE_KEY = "duplicate_key"
    NOT_NUMBER = "not_number"
    WRONG_TYPE = "wrong_type"
    TOO_BIG = "too_big"
    RANGE = "range"
    BAD_NAME = "bad_name"
    IDENTITY_MISMATCH = "identity_mismatch"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_FORMAT = "unknown_format"
    SERIES_LIMIT = "series_limit"
    CONFLICT = "conflict"
    FUTURE = "future"
    BAD_TIME = "bad_time"
    NO_VALUE = "no_value"
    MISSING_FIELD = "missing_field"
    SYNTAX = "syntax"
    ENCODING = "encoding"
    CHECKSUM = "checksum"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A decoder's or validator's statement that it cannot trust its input."""

    code: ReasonCode
    detail: str
    """One line for a person: what was seen and where, without the whole payload."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that by its documented format carries no measurement (status, discovery)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A detector's statement about data: which device, when, what, and how sure."""

    kind: str
    """What it is, as one of ``FINDING_KINDS``."""
    device: str
    """Id of the device."""
    start_us: int
    """First instant concerned [µs since 1970, UTC]."""
    end_us: int
    """First instant no longer concerned [µs since 1970, UTC]."""
    detail: str
    """One line for a person: what was seen, with numbers and units."""
    evidence: dict[str, float] = field(default_factory=dict)
    """Numbers by name, each name ending in its unit."""
    quantity: str = ""
    """Of which quantity; empty for the device as a whole."""
    detector: str = ""
    """Name of the detector in ``plugins.py``."""
    confidence: float = 1.0
    """How sure the detector is, 0 to 1."""
    lost_wh: float = 0.0
    """Energy that was not produced because of it [Wh]; 0 where that cannot be told."""


class Severity(Enum):
    """How soon a person should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


FINDING_KINDS = {
    "outage": "no power while its neighbours produce",
    "underperformance": "less power than expected",
    "string_out": "a fixed part of the power is missing",
    "shade": "less power at the same hours of each clear day",
    "soiling": "slowly less power than expected",
    "degradation": "less power from year to year",
    "clipping": "power is cut off at a limit",
    "curtailment": "power is held down from outside",
    "snow": "covered by snow",
    "sensor_drift": "a value moves away from what the others say",
    "stale": "the same value again and again",
    "flatline": "a value that does not move any more",
    "spike": "a value far from its neighbours in time",
    "level_shift": "a lasting step of the level",
    "missing_data": "no readings",
    "incomplete_day": "a day with too few readings to be counted",
    "copied_day": "a day that repeats the day before",
    "unit_slip": "values ten or a thousand times too large or small",
    "counter_unusable": "a counter that falls again and again",
    "clock_shift": "a clock that is wrong by a fixed time",
    "anomaly": "values that do not fit together as they use to",
    "forecast": "a limit that will be crossed",
}
"""What detectors say, in words."""


def name_kind(kind: str) -> str:
    """A kind of finding in words; one of a newer program by its name."""
    return FINDING_KINDS.get(kind, kind)
