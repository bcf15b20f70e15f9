r"""Values as lines of the InfluxDB line protocol.

::

    FIELDS   wattscope,device=attic,site=home active_power_w=12.5,voltage_v=230 1760000000000000000
             └───┬───┘ └─────────┬──────────┘ └─────────────┬────────────────┘ └────────┬────────┘
            measurement    never changes         all of one device and instant         [ns]

    VALUES   active_power_w,device=attic,site=home value=12.5 1760000000000000000
             voltage_v,device=attic,site=home value=230 1760000000000000000

It promises that a value is written with the fewest digits that give the same float64, so that a
decimal is what it was when it was measured, and that equal values of equal names give equal bytes:
InfluxDB knows a point by measurement, tags and time, and one that comes again changes nothing. It
refuses to write what the protocol has no form for: values that are missing or not finite.

Grammar: influxdata/line-protocol, ``grammar.ebnf``; see ``compute/files/line_protocol.py``, which
reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from wattscope.core.reading import Batch

_NS_PER_US = 1000
_ONLY_FIELD = "value"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TRAILING = re.compile(r"\\+\Z")
_NAME_SIGNS = re.compile(r"([, ])")
_KEY_SIGNS = re.compile(r"([,= ])")


class Layout(Enum):
    """What is a measurement and what a field."""

    FIELDS = "fields"
    """One measurement for all; each quantity is a field."""
    VALUES = "values"
    """A measurement for each quantity, with the one field ``value``."""


@dataclass(frozen=True, slots=True)
class LineSeries:
    """How a series is named in lines, escaped already."""

    head: str
    """Measurement and tags."""
    field: str
    """Key of the field with its equals sign."""


def name_series(
    tags: Sequence[tuple[str, str]], quantity: str, *, layout: Layout, measurement: str
) -> LineSeries:
    r"""The names of a series.

    >>> tags = [("site", "my home"), ("device", "kitchen")]
    >>> print(name_series(tags, "voltage_v", layout=Layout.FIELDS, measurement="wattscope").head)
    wattscope,device=kitchen,site=my\ home
    >>> name_series(tags[1:], "active_power_w", layout=Layout.VALUES, measurement="")
    LineSeries(head='active_power_w,device=kitchen', field='value=')

    Args:
        tags: Keys and values, none empty; they are put in order by key, as InfluxDB asks for.
        quantity: Name from the catalogue.
        layout: What is a measurement and what a field.
        measurement: Name of the one measurement of ``Layout.FIELDS``.
    """
    is_field = layout is Layout.FIELDS
    name = _NAME_SIGNS.sub(r"\\\1", _make_sound(measurement if is_field else quantity))
    told = "".join(f",{_escape_key(key)}={_escape_key(value)}" for key, value in sorted(tags))
    return LineSeries(name + told, f"{_escape_key(quantity if is_field else _ONLY_FIELD)}=")


def encode_points(batch: Batch, series: Mapping[int, LineSeries]) -> list[bytes]:
    """The lines of the values, one for each head and instant, in the order of their first value.

    >>> from wattscope.core.reading import build_batch
    >>> names = {7: LineSeries("plug,device=a", "active_power_w=")}
    >>> encode_points(build_batch([(7, 1_760_000_000_000_000, 12.5, 0)]), names)
    [b'plug,device=a active_power_w=12.5 1760000000000000000']

    Args:
        batch: Finite values only. Of two values for one series and instant the later one counts,
            as in InfluxDB.
        series: The names of every series of the batch.
    """
    points: dict[tuple[str, int], dict[str, float]] = {}
    columns = (batch.series_id.tolist(), batch.measured_at_us.tolist(), batch.value.tolist())
    for number, at_us, value in zip(*columns, strict=True):
        named = series[number]
        points.setdefault((named.head, at_us), {})[named.field] = value
    return [
        f"{head} {','.join(key + format_number(value) for key, value in fields.items())} "
        f"{at_us * _NS_PER_US}".encode()
        for (head, at_us), fields in points.items()
    ]


def format_number(value: float) -> str:
    """The fewest digits that are read as the same float64.

    >>> format_number(230.0), format_number(0.1), format_number(1e22), format_number(-0.0)
    ('230', '0.1', '1e+22', '-0')
    """
    return repr(value).removesuffix(".0")


def _escape_key(text: str) -> str:
    return _KEY_SIGNS.sub(r"\\\1", _make_sound(text))


def _make_sound(text: str) -> str:
    """A name without what the protocol has no form for: control signs, a backslash at its end."""
    if text.isprintable() and not text.endswith("\\"):
        return text
    text = _CONTROL.sub("_", text)
    return _TRAILING.sub(lambda found: "_" * len(found[0]), text)
