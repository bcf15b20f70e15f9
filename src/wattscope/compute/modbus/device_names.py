"""Which device id each row of ``energy_meters`` has, always one and never twice.

A row whose column ``device`` is empty gets an id from its description, or from its type and where
it is. Of several rows that would get the same one, the first keeps it and the others have the
number of their row added, so that adding a meter renames no other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final

from wattscope.compute.modbus.row_reader import Row
from wattscope.core.topology import is_safe_name

_LONGEST: Final = 64
_LEFT_OUT: Final = re.compile(r"[^a-z0-9_.]+")


def is_device_id(text: str) -> bool:
    """Whether a text may be a meter's id: a safe name without what topics give a meaning to.

    >>> is_device_id("main meter"), is_device_id("a/b"), is_device_id("")
    (True, False, False)
    """
    return is_safe_name(text) and not {"/", "+"} & set(text)


def derive_id(row: Row) -> str:
    """The id that a row without ``device`` would like to have.

    >>> derive_id({"description": "Wärmepumpe (Keller)"})
    'warmepumpe-keller'
    >>> derive_id({"type": "sdm630", "host": "10.0.0.7", "port": 502, "slave_address": 3})
    'sdm630-10.0.0.7-502-3'
    """
    described = _slug(row.get("description"))
    if described:
        return described
    parts = [_slug(row.get(one)) for one in ("type", "host", "port", "slave_address")]
    return _slug("-".join(part for part in parts if part)) or "meter"


def name_devices(rows: Sequence[Row], taken: Iterable[str] = ()) -> list[str]:
    """The id of each row.

    Args:
        rows: In the order in which they count.
        taken: Ids that meters of the settings have.

    Returns:
        For a row with a usable ``device`` that no row before it has, this; otherwise one of its
        own, under which it can be spoken of.
    """
    used = set(taken)
    names: list[str | None] = []
    for row in rows:
        own = row.get("device")
        is_good = isinstance(own, str) and is_device_id(own.strip()) and own.strip() not in used
        names.append(str(own).strip() if is_good else None)
        used |= {names[-1]} - {None}  # type: ignore[arg-type]  # None was taken out
    for place, row in enumerate(rows):
        if names[place] is None:
            names[place] = _find_free(derive_id(row), row.get("id", place), used)
            used.add(str(names[place]))
    return [str(name) for name in names]


def _find_free(wanted: str, number: Any, used: set[str]) -> str:  # noqa: ANN401  # a cell
    if wanted not in used:
        return wanted
    numbered = f"{wanted}-{_slug(number) or 'x'}"
    while numbered in used:
        numbered += "x"
    return numbered


def _slug(cell: object) -> str:
    """Lower-case letters, digits, ``_``, ``.`` and ``-`` of a cell; accents are taken off."""
    if cell is None or isinstance(cell, bytes):
        return ""
    plain = unicodedata.normalize("NFKD", str(cell)).encode("ascii", "ignore").decode().lower()
    return _LEFT_OUT.sub("-", re.sub(r"\.{2,}", ".", plain))[:_LONGEST].strip("-._")
