"""Decodes one line of the InfluxDB line protocol, fast where lines are alike.

::

    cpu,host=a usage=5i,idle=95i 1465839830100400200
    └────┬───┘ └──────┬────────┘ └───────┬─────────┘
       head     names of fields: a plan     time
       known    known for this head, too

Senders repeat themselves. Of a line whose head and names were met before, only numbers and time are
read, by a parser of JSON: ``usage=5,idle=95`` is ``{"usage":5,"idle":95}`` in other signs, and each
of its numbers is one of the line protocol. Whatever is not of this form is read by the grammar
(``files/line_protocol.py``); both ways say the same of every line.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, cast

import msgspec

from wattscope.compute.decode.route import Decoded
from wattscope.compute.files.line_map import LineMap
from wattscope.compute.files.line_meaning import (
    MAX_INTEGER,
    PointPlan,
    check_time,
    plan_point,
    read_point,
)
from wattscope.compute.files.line_meaning import read_values as convert_values
from wattscope.compute.files.line_protocol import BadLine, Point, Precision, parse_lines
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.reading import Reading
from wattscope.ports import RawMessage

MAX_PLANS: Final = 100_000
"""Plans that are remembered; beyond, all are forgotten and learnt again."""
_FLOATS: Final = msgspec.json.Decoder(dict[str, float])
# An integer is a float to whoever reads it; its type here is the part of JSON that is taken.
_INTEGERS: Final = cast(
    "msgspec.json.Decoder[dict[str, float]]",
    msgspec.json.Decoder(dict[str, Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]]),
)
_FOREIGN: Final = b'"\\\t\r\n'
_SUFFIX: Final = re.compile(rb"=(-?[0-9]{1,15})i(?=,|\Z)")
_MAX_DIGITS: Final = 19
"""Of a time [characters]."""
_NOTHING: Final = Ignored("a comment or an empty line")

_Plans = dict[tuple[str, ...], PointPlan]


class LineDecoder:
    """Decodes the lines of one profile in one precision; remembers nothing but plans."""

    def __init__(self, line_map: LineMap, precision: Precision) -> None:
        self._map = line_map
        self._precision = precision
        self._heads: dict[bytes, _Plans] = {}
        self._n_plans = 0

    def decode(self, message: RawMessage) -> Decoded:
        """The reading of a line, or why it cannot be trusted; never raises."""
        line = message.payload
        head, _, rest = line.partition(b" ")
        plans = self._heads.get(head)
        if plans is not None:
            fields, _, stamp = rest.partition(b" ")
            numbers = _read_numbers(fields)
            if numbers is not None and stamp.isdigit() and len(stamp) <= _MAX_DIGITS:
                plan = plans.get(tuple(numbers))
                if plan is not None:
                    time_ns = int(stamp) * self._precision.value
                    return _build_reading(tuple(numbers.values()), time_ns, plan)
        return self._read_slowly(line)

    def _read_slowly(self, payload: bytes) -> Decoded:
        """By the grammar; what the line has in common with others of its kind is remembered."""
        found = next(parse_lines(payload, self._precision), None)
        if found is None:
            return _NOTHING
        if isinstance(found, BadLine):
            return Rejection(found.code, f"column {found.column}: {found.detail}")
        reading = read_point(found, self._map)
        if not isinstance(reading, Reading):
            return reading
        self._learn(payload.partition(b" ")[0], found)
        return (reading,)

    def _learn(self, head: bytes, point: Point) -> None:
        if not head or b"\\" in head:
            # A blank may stand before the line, and one of its names may hold one.
            return
        keys = tuple(key for key, _ in point.fields)
        plan = plan_point(point.measurement, point.tags, keys, self._map)
        if isinstance(plan, Rejection):
            return
        if self._n_plans >= MAX_PLANS:
            self._heads.clear()
            self._n_plans = 0
        plans = self._heads.setdefault(head, {})
        self._n_plans += keys not in plans
        plans[keys] = plan


def _read_numbers(fields: bytes) -> dict[str, float] | None:
    """The fields of a line when all are plain numbers and no name comes twice.

    JSON would take more than the protocol around its numbers and in its texts, but for signs that
    no plain field has.
    """
    if len(fields.translate(None, _FOREIGN)) != len(fields):
        return None
    decoder = _FLOATS
    if fields[-1:] == b"i" and fields.count(b"i,") == fields.count(b","):
        decoder, fields = _INTEGERS, fields[:-1].replace(b"i,", b",")
    elif b"i," in fields or fields[-1:] == b"i":
        fields = _SUFFIX.sub(rb"=\1", fields)
    try:
        numbers = decoder.decode(b'{"' + fields.replace(b",", b',"').replace(b"=", b'":') + b"}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return numbers if len(numbers) == fields.count(b"=") else None


def _build_reading(values: tuple[float, ...], time_ns: int, plan: PointPlan) -> Decoded:
    """The reading of a line of which all was known but numbers and time."""
    refusal = check_time(time_ns)
    if refusal is not None:
        return refusal
    if not plan.is_plain:
        converted = convert_values(values, plan)
        if isinstance(converted, Rejection):
            return converted
        values = converted
    return (Reading(plan.device, time_ns // 1000, plan.quantities, values, None, plan.site),)
