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
    device: str
    start_us: int
    """First instant concerned [µs since 1970, UTC]."""
    end_us: int
    """First instant no longer concerned [µs since 1970, UTC]."""
    detail: str
    evidence: dict[str, float] = field(default_factory=dict)
