"""Decodes lines of the InfluxDB line protocol, fast where they are alike.

::

    cpu,host=a usage=5i,idle=95i 1465839830100400200
    └────┬───┘ └──────┬────────┘ └───────┬─────────┘
       head     names of fields: a plan     time
       known    known for this head, too

Senders repeat themselves. Of lines whose head and names were met before, only numbers and times are
read, by a parser of JSON: ``usage=5,idle=95`` is ``{"usage":5,"idle":95}`` in other signs, and each
of its numbers is one of the line protocol. Whatever is not of this form is read by the grammar
(``files/line_protocol.py``); both ways say the same of every line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, NamedTuple, cast

import msgspec

from wattscope.compute.decode.route import Decoded
from wattscope.compute.files.line_map import LineMap
from wattscope.compute.files.line_meaning import (
    EARLIEST_NS,
    LATEST_NS,
    MAX_INTEGER,
    PointPlan,
    plan_point,
    read_point,
    read_values,
)
from wattscope.compute.files.line_protocol import BadLine, Point, Precision, parse_lines
from wattscope.core.findings import Ignored, Rejection
from wattscope.core.reading import Reading
from wattscope.ports import RawMessage

MAX_PLANS: Final = 100_000
"""Plans that are remembered; beyond, all are forgotten and learnt again."""
_Fields = dict[str, float]
_FLOATS: Final = msgspec.json.Decoder(list[_Fields])
# An integer is a float to whoever reads it; its type here is the part of JSON that is taken.
_INTEGERS: Final = cast(
    "msgspec.json.Decoder[list[_Fields]]",
    msgspec.json.Decoder(
        list[dict[str, Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]]]
    ),
)
_FOREIGN: Final = b'"\\\t\r'
"""Signs that no plain field has, and that JSON takes around numbers or in names."""
_BROKEN_INTEGER: Final = re.compile(rb"\.[0-9]*i[,\n]")
_EXPONENT: Final = re.compile(rb"[0-9.][eE][0-9+-]")
_MAX_DIGITS: Final = 19
"""Of a time [characters]."""
_NOTHING: Final = Ignored("a comment or an empty line")

_Plans = dict[tuple[str, ...], PointPlan]


class PlainLine(NamedTuple):
    """A line of which nothing is to be found out but what its numbers are."""

    plans: _Plans
    """What its head may mean, by the names of its fields."""
    fields: bytes
    time_ns: int


class LineDecoder:
    """Decodes the lines of one profile in one precision; remembers nothing but plans."""

    def __init__(self, line_map: LineMap, precision: Precision) -> None:
        self._map = line_map
        self._precision = precision
        self._unit_ns = precision.value
        self._heads: dict[bytes, _Plans] = {}
        self._n_plans = 0

    def decode(self, message: RawMessage) -> Decoded:
        """The reading of a line, or why it cannot be trusted; never raises."""
        plain = self.find_plain(message.payload)
        if plain is not None:
            for fields in read_fields([plain.fields]) or ():
                plan = plain.plans.get(tuple(fields))
                values = None if plan is None else plain_values(fields, plan)
                if plan is not None and values is not None:
                    t_us = plain.time_ns // 1000
                    return (
                        Reading(plan.device, t_us, plan.quantities, tuple(values), None, plan.site),
                    )
        return self._read_slowly(message.payload)

    def find_plain(self, line: bytes) -> PlainLine | None:
        """The parts of a line whose head was met before; None where it needs the grammar."""
        parts = line.split(b" ")
        if len(parts) != 3:
            return None
        head, fields, stamp = parts
        plans = self._heads.get(head)
        if plans is None or not stamp.isdigit() or len(stamp) > _MAX_DIGITS or b"\n" in fields:
            return None
        time_ns = int(stamp) * self._unit_ns
        if not EARLIEST_NS <= time_ns < LATEST_NS:
            return None
        return PlainLine(plans, fields, time_ns)

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


def read_fields(texts: Sequence[bytes]) -> list[_Fields] | None:
    """Names and numbers of the fields of some lines, all at once.

    Args:
        texts: The fields of each line, without line feeds.

    Returns:
        None when a field of any of them is no plain number, or stands twice in its line.
    """
    text = b"\n".join(texts) + b"\n"
    if len(text.translate(None, _FOREIGN)) != len(text):
        return None
    # Behind a name stands "=": what ends in "i," or at an "i" is an integer.
    n_fields, n_integers = text.count(b"="), text.count(b"i,") + text.count(b"i\n")
    is_mixed = 0 < n_integers < n_fields
    if is_mixed and (_BROKEN_INTEGER.search(text) or _EXPONENT.search(text)):
        return None
    if n_integers:
        text = text.replace(b"i,", b",").replace(b"i\n", b"\n")
    body = text[:-1].replace(b",", b',"').replace(b"=", b'":').replace(b"\n", b'},{"')
    try:
        lines = (_INTEGERS if n_integers == n_fields else _FLOATS).decode(b'[{"' + body + b"}]")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if is_mixed and not all(_are_exact(line) for line in lines):
        return None
    return lines if sum(map(len, lines)) == n_fields else None


def _are_exact(fields: _Fields) -> bool:
    """Whether all would be themselves as integers, too; what lies beyond may be rounded to it."""
    return min(fields.values()) > -MAX_INTEGER and max(fields.values()) < MAX_INTEGER


def plain_values(fields: _Fields, plan: PointPlan) -> Iterable[float] | None:
    """The values of a plan's quantities; None where the grammar has to say what is wrong."""
    if plan.is_plain:
        return fields.values()
    values = read_values(list(fields.items()), plan)
    return None if isinstance(values, Rejection) else values
