r"""The lines of a P1 telegram: what was sent under which code, once the checksum is right.

::

    /ISk5\2MT382-1000          header: maker, speed, identification
                               (blank)
    1-3:0.2.8(50)              code and one or more values, each in parentheses
    1-0:1.8.1(000004.426*kWh)  number and unit
    0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3)
    (00001.001)                a line that begins with a value goes on with the one before
    !6EEE                      checksum, since DSMR 4

Sources: DSMR P1 Companion Standard 5.0.2, sections 5 and 6 (2.2 and 3.0 for telegrams without a
checksum); IEC 62056-21, section 6. Easymeter's readouts are of the same form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wattscope.compute.telegrams.checksums import crc16_arc
from wattscope.compute.telegrams.framers import CUT_BYTES, P1_START
from wattscope.core.findings import Ignored, ReasonCode, Rejection

CLOCK: Final = "0-0:1.0.0"
"""Code of the telegram's own instant; only telegrams with a checksum have it (DSMR 4 and newer)."""

_END: Final = re.compile(rb"!([0-9A-F]{0,4})(\r\n|\n|)\Z")
_LINE: Final = re.compile(
    r"(?P<code>(?:\d{1,3}-\d{1,3}:)?\d{1,3}\.\d{1,3}\.\d{1,3})(?P<period>\*\d{1,3})?"
    r"(?P<values>(?:\([^()]*\))+)",
    re.ASCII,
)
_VALUES: Final = re.compile(r"(?:\([^()]*\))+")
_VALUE: Final = re.compile(r"\(([^()]*)\)")
_NOW: Final = frozenset({None, "*255"})
# Idle lines, and the stop bits that some optical heads read as bytes.
_PADDING: Final = b"\0\x7f\xff\r\n\t "


@dataclass(frozen=True, slots=True)
class P1Telegram:
    """A telegram that can be trusted."""

    identification: str
    """What stands after the ``/``: the maker's own name of the meter."""
    values: Mapping[str, tuple[str, ...]]
    """Code without its billing period to the texts in its parentheses; what is of now."""


def read_telegram(piece: bytes) -> P1Telegram | Rejection | Ignored:
    """The telegram of a piece of a stream, or why it is none."""
    if not piece.startswith(P1_START):
        if not piece.strip(_PADDING):
            return Ignored("a pause between telegrams")
        return Rejection(ReasonCode.SYNTAX, f"{len(piece)} bytes outside of any telegram")
    end = _END.search(piece)
    if end is None:
        code = ReasonCode.TOO_BIG if len(piece) >= CUT_BYTES else ReasonCode.SYNTAX
        return Rejection(code, "the telegram is cut: it has no line of ! at its end")
    body = piece[: end.start()]
    return _check_sum(body, end) or _read_body(body, is_checked=bool(end[1]))


def _read_body(body: bytes, *, is_checked: bool) -> P1Telegram | Rejection:
    """The telegram before its end."""
    lines = body.decode("latin-1").replace("\r\n", "\n").split("\n")
    values = _read_lines(lines[1:], is_checked=is_checked)
    if isinstance(values, Rejection):
        return values
    if not is_checked and CLOCK in values:
        detail = f"a telegram with its instant ({CLOCK}) must have a checksum after !"
        return Rejection(ReasonCode.CHECKSUM, detail)
    return P1Telegram(lines[0][1:].strip(), values)


def _check_sum(body: bytes, end: re.Match[bytes]) -> Rejection | None:
    """Why the checksum is not right; None where it is, or where there is none."""
    digits = end[1].decode("ascii")
    if not digits:
        return None
    found = crc16_arc(body + b"!")
    # Some meters leave the zeros before it out.
    if int(digits, 16) != found:
        return Rejection(ReasonCode.CHECKSUM, f"checksum {digits}, of its bytes {found:04X}")
    if end[2] == b"\n":
        return Rejection(ReasonCode.SYNTAX, "the line of the checksum does not end as the others")
    return None


def _read_lines(lines: list[str], *, is_checked: bool) -> dict[str, tuple[str, ...]] | Rejection:
    """Values by code; without a checksum, one damaged line spoils them all."""
    values: dict[str, tuple[str, ...]] = {}
    code: str | None = None
    for text in lines:
        line = text.strip()
        found = _LINE.fullmatch(line)
        if found is not None:
            code = found["code"] if found["period"] in _NOW else None
            told = tuple(_VALUE.findall(found["values"]))
            if code is not None and values.setdefault(code, told) != told:
                return Rejection(ReasonCode.DUPLICATE_KEY, f"{code} stands twice")
        elif code is not None and _VALUES.fullmatch(line):
            values[code] += tuple(_VALUE.findall(line))
        elif line and not is_checked:
            shown = "".join(c if c.isprintable() else "·" for c in line[:40])
            return Rejection(ReasonCode.SYNTAX, f"{shown!r} is no line of a telegram")
    return values
