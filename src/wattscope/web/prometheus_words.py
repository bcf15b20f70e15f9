"""What is sent to Prometheus' API, read as Prometheus reads it: instants, steps, bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

import numpy as np
from fastapi import Request

from wattscope.compute.promql.evaluate import Grid
from wattscope.compute.promql.faults import PromqlTextError
from wattscope.compute.promql.query_reader import read_duration_us
from wattscope.core.errors import QueryError
from wattscope.core.time_grid import parse_instant

MAX_STEPS: Final = 11_000
"""Points of a series in one answer (Prometheus, ``web/api/v1/api.go``, ``queryRange``)."""
_US_PER_MS: Final = 1000
_LATEST_S: Final = 1e11
_FORM: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Words:
    """The fields of a request, of its form before those of its address."""

    fields: Mapping[str, Sequence[str]]

    def find(self, name: str) -> str:
        """The first of a name; empty where there is none."""
        return next(iter(self.fields.get(name, ())), "")

    def read_instant_us(self, name: str, default_us: int | None = None) -> int:
        """An instant in seconds or RFC 3339, to the millisecond [µs].

        Raises:
            PromqlTextError: It is none, or is missing and has no default.
        """
        text = self.find(name)
        if not text and default_us is not None:
            return default_us // _US_PER_MS * _US_PER_MS
        seconds = _read_number(text)
        if seconds is not None and abs(seconds) < _LATEST_S:
            return round(seconds * 1000) * _US_PER_MS
        try:
            if seconds is None and "T" in text:
                return parse_instant(text) // _US_PER_MS * _US_PER_MS
        except (QueryError, ValueError) as fault:
            raise _refuse(name, text, "a valid timestamp") from fault
        raise _refuse(name, text, "a valid timestamp")

    def read_length_us(self, name: str) -> int:
        """A length in seconds or as ``1h30m``, to the millisecond [µs].

        Raises:
            PromqlTextError: It is none.
        """
        text = self.find(name)
        seconds = _read_number(text)
        if seconds is not None and abs(seconds) < _LATEST_S:
            return int(seconds * 1000) * _US_PER_MS
        length_us = None if seconds is not None else read_duration_us(text)
        if length_us is None:
            raise _refuse(name, text, "a valid duration")
        return length_us // _US_PER_MS * _US_PER_MS

    def read_limit(self) -> int | None:
        """How many entries are wanted; None for all.

        Raises:
            PromqlTextError: It is no number.
        """
        text = self.find("limit")
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise PromqlTextError('invalid parameter "limit": limit must be a number from 0 on')
        return int(text) or None

    def read_lookback_us(self, default_us: int) -> int:
        """How old the newest value of a series may be [µs].

        Raises:
            PromqlTextError: It is no length.
        """
        if not self.find("lookback_delta"):
            return default_us
        lookback_us = self.read_length_us("lookback_delta")
        if lookback_us <= 0:
            raise _refuse("lookback_delta", self.find("lookback_delta"), "a duration above 0")
        return lookback_us


async def read_words(request: Request) -> Words:
    """The fields of a request.

    Raises:
        PromqlTextError: Its body is no form.
    """
    pairs: list[tuple[str, str]] = []
    if request.method == "POST":
        body = await request.body()
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and media != _FORM:
            raise PromqlTextError(f"send a form, with Content-Type: {_FORM}")
        pairs += _read_form(body)
    pairs += request.query_params.multi_items()
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return Words(fields)


def _read_form(body: bytes) -> list[tuple[str, str]]:
    try:
        text = body.decode()
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as fault:
        raise PromqlTextError("the form cannot be read; is it UTF-8?") from fault


def read_range(words: Words, lookback_us: int) -> Grid:
    """The steps of ``query_range``.

    Raises:
        PromqlTextError: They are not told, upside down, or too many.
    """
    start_us, end_us = words.read_instant_us("start"), words.read_instant_us("end")
    if end_us < start_us:
        raise PromqlTextError(
            'invalid parameter "end": end timestamp must not be before start time'
        )
    step_us = words.read_length_us("step")
    if step_us <= 0:
        raise PromqlTextError(
            'invalid parameter "step": zero or negative query resolution step widths are not '
            "accepted. Try a positive integer"
        )
    if (end_us - start_us) // step_us > MAX_STEPS:
        raise PromqlTextError(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
            "query resolution (?step=XX)"
        )
    steps_us = np.arange(start_us, end_us + 1, step_us, dtype=np.int64)
    return Grid(steps_us, words.read_lookback_us(lookback_us))


def _read_number(text: str) -> float | None:
    """A finite number; None for any other text."""
    if not text or not text.isascii() or len(text) > 40 or "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _refuse(name: str, text: str, what: str) -> PromqlTextError:
    return PromqlTextError(f'invalid parameter "{name}": cannot parse {text[:60]!r} to {what}')
