r"""A sample as one line of text: what a message holds, and what quarantine shows of it.

::

    wago_power_total_kw{instance="10.0.0.5:9100",job="wago"} 1.846 1760000000000
    └──────────────────────────┬───────────────────────────┘ └─┬─┘ └─────┬─────┘
                             head                            value   instant [ms]

It is a line of Prometheus' text format 0.0.4 with a time. A name beyond the letters of old stands
in quotes, as version 1.0 of that format writes it: ``{"http.status",code="200"} 1 1760000000000``.
Labels are in the order of their names, so that one series has one head.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from wattscope.core.findings import ReasonCode, Rejection

NAME_LABEL: Final = "__name__"
"""The label that holds the name of the metric."""
HISTOGRAM: Final = "histogram"
"""Stands for the value of a native histogram, which is none."""
MAX_HEAD: Final = 16_384
"""Longest head [bytes]."""
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_QUOTED: Final = r'"((?:[^"\\]++|\\.)*+)"'
_PAIR: Final = re.compile(
    rf"\s*(?:({_LABEL.pattern})|{_QUOTED})\s*(?:=\s*{_QUOTED})?\s*(,|\Z)", re.DOTALL
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_PLAIN: Final = {"n": "\n", "\\": "\\", '"': '"'}


class EmptyValue(Enum):
    """What a label without a value is."""

    REFUSED = "refused"
    """Senders of remote write must not send one."""
    ABSENT = "absent"
    """On a page it says the same as no label."""


Labels = dict[str, str]
"""Values by name; ``__name__`` holds the name of the metric."""


def write_head(labels: Iterable[tuple[str, str]]) -> str:
    """The head of a series; whatever the labels are, reading it gives them back.

    >>> write_head([("__name__", "up"), ("job", "a"), ("instance", "b:1")])
    'up{instance="b:1",job="a"}'
    """
    pairs = sorted(labels)
    names = [value for name, value in pairs if name == NAME_LABEL]
    is_plain = len(names) == 1 and _NAME.fullmatch(names[0]) is not None
    quoted = [] if is_plain else [_quote(name) for name in names]
    parts = quoted + [
        f"{name if _LABEL.fullmatch(name) else _quote(name)}={_quote(value)}"
        for name, value in pairs
        if name != NAME_LABEL
    ]
    shown = names[0] if is_plain else ""
    return f"{shown}{{{','.join(parts)}}}" if parts or not is_plain else shown


def write_line(head: str, value: str, time_ms: int) -> bytes:
    """The line of a sample; bytes that are no text come through as they were."""
    return f"{head} {value} {time_ms}".encode("utf-8", "surrogateescape")


def write_value(value: float) -> str:
    """A value as the format writes it.

    >>> write_value(1.5), write_value(float("nan")), write_value(-float("inf"))
    ('1.5', 'NaN', '-Inf')
    """
    if value - value == 0.0:
        return repr(value)
    return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"


def read_head(  # noqa: PLR0911  # one for each refusal
    head: bytes, *, empty: EmptyValue = EmptyValue.REFUSED
) -> Labels | Rejection:
    """The labels of a series, or why they cannot be meant.

    Args:
        head: Name and labels; blanks between them do not matter.
        empty: What a label without a value is.
    """
    if len(head) > MAX_HEAD:
        return Rejection(ReasonCode.TOO_BIG, f"the labels have more than {MAX_HEAD} bytes")
    try:
        text = head.decode()
    except UnicodeDecodeError as fault:
        return Rejection(ReasonCode.ENCODING, f"the labels are no UTF-8 ({fault.reason})")
    name, opened, rest = text.partition("{")
    name = name.rstrip(" \t")
    if name and not _NAME.fullmatch(name):
        return Rejection(ReasonCode.SYNTAX, f"{name[:40]!r} is no name of a metric")
    labels: Labels = {NAME_LABEL: name} if name else {}
    if opened:
        if not rest.endswith("}"):
            return Rejection(ReasonCode.SYNTAX, "the labels have no end")
        refusal = _read_pairs(rest[:-1], labels, empty)
        if refusal is not None:
            return refusal
    if not labels.get(NAME_LABEL):
        return Rejection(ReasonCode.MISSING_FIELD, "the series has no name (__name__)")
    return labels


def _read_pairs(text: str, labels: Labels, empty: EmptyValue) -> Rejection | None:
    """Add the labels between the braces."""
    seen = set(labels)
    text = text.rstrip(" \t")
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            return Rejection(ReasonCode.SYNTAX, f"labels cannot be read at {text[at : at + 20]!r}")
        plain, quoted, value, _ = match.groups()
        name = plain if plain is not None else _unquote(quoted)
        if value is None:
            # A name alone, in quotes, is that of the metric.
            if plain is not None:
                return Rejection(ReasonCode.SYNTAX, f"label {name[:40]!r} has no value")
            name, value = NAME_LABEL, quoted
        if name in seen:
            return Rejection(ReasonCode.DUPLICATE_KEY, f"label {name[:40]!r} stands twice")
        seen.add(name)
        shown = _unquote(value)
        if not name or (not shown and empty is EmptyValue.REFUSED):
            return Rejection(ReasonCode.BAD_NAME, f"label {name[:40]!r} has no value or no name")
        if shown:
            labels[name] = shown
        at = match.end()
    return None


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _unquote(text: str) -> str:
    return _ESCAPE.sub(lambda found: _PLAIN.get(found[1], found[0]), text) if "\\" in text else text
