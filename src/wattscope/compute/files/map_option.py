"""Reads a column map from one line of words, as ``--map`` gives it; see ``column_map``."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from wattscope.compute.files.column_map import ColumnMap, parse_column_map
from wattscope.core.errors import SettingsError

_QUOTED_OR_PLAIN = r'(?:"[^"]*"|[^",])*'
_TERM = re.compile(rf"({_QUOTED_OR_PLAIN})(?:,|$)")
_COLUMN = re.compile(
    r'(?P<name>"[^"]*"|[^":@]*)(?::(?P<unit>"[^"]*"|[^"@]*))?(?:@(?P<device>"[^"]*"|[^"]*))?'
)
_OPTIONS = {
    "delimiter",
    "decimal",
    "has_header",
    "skip_lines",
    "missing",
    "time_format",
    "time_zone",
    "stamp",
    "interval_s",
    "midnight_is_day_end",
    "sampling",
    "device",
    "device_column",
}
_NUMBERS = {"interval_s": float, "skip_lines": int}
_SWITCH_KEYS = {"has_header", "midnight_is_day_end"}
_SWITCHES = {"true": True, "false": False}


def parse_map_option(text: str, base: ColumnMap | None = None) -> ColumnMap:
    """The map that a line of terms describes.

    >>> line = 'time=Timestamp,active_power_w=Power:kW@meter1'
    >>> parse_map_option(line).columns[0].factor
    1000.0

    Args:
        text: The terms.
        base: What holds where the line says nothing; its columns are replaced.

    Raises:
        SettingsError: Every term that cannot be understood.
    """
    faults: list[str] = []
    table: dict[str, Any] = _as_table(base)
    columns: list[dict[str, str]] = []
    for term in _split_terms(text, faults):
        key, is_pair, value = term.partition("=")
        key, value = key.strip(), value.strip()
        if not is_pair or not value:
            faults.append(f"{term!r}: write KEY=VALUE")
        elif key == "time":
            table["time_columns"] = _split_time_columns(value)
        elif key in _OPTIONS:
            _set_option(table, key, _unquote(value), faults)
        else:
            _add_column(columns, key, value, faults)
    if columns:
        table |= {"columns": columns, "columns_from_header": False}
    try:
        column_map = parse_column_map(table, where="--map")
    except SettingsError as error:
        raise SettingsError([*faults, *error.faults], where="--map") from error
    if faults:
        raise SettingsError(faults, where="--map")
    return column_map


def _as_table(base: ColumnMap | None) -> dict[str, Any]:
    """A map as TOML would give it, without what a line always says itself."""
    if base is None:
        return {}
    table: dict[str, Any] = msgspec.to_builtins(base)
    return {key: value for key, value in table.items() if value is not None}


def _split_terms(text: str, faults: list[str]) -> list[str]:
    """The terms between commas that stand outside of quotes."""
    terms: list[str] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None:
            faults.append(f"{text[position:][:40]!r}: a double quote is not closed")
            break
        if found[1].strip():
            terms.append(found[1].strip())
        position = found.end()
    return terms


def _split_time_columns(value: str) -> list[str]:
    """Names joined by plus signs that stand outside of quotes."""
    return [_unquote(part) for part in re.findall(r'"[^"]*"|[^"+]+', value)]


def _set_option(table: dict[str, Any], key: str, value: str, faults: list[str]) -> None:
    """One key of the profile, in the type that TOML would give it."""
    if key == "missing":
        table[key] = value.split("|")
    elif key in _SWITCH_KEYS:
        if value not in _SWITCHES:
            faults.append(f"{key}: write true or false")
        table[key] = _SWITCHES.get(value, True)
    elif key == "delimiter":
        table[key] = {"tab": "\t", "comma": ",", "space": " "}.get(value, value)
    elif key in _NUMBERS:
        try:
            table[key] = _NUMBERS[key](value)
        except ValueError:
            faults.append(f"{key}: {value!r} is not a number")
    else:
        table[key] = value


def _add_column(columns: list[dict[str, str]], key: str, value: str, faults: list[str]) -> None:
    """A quantity with its column, unit and device."""
    found = _COLUMN.fullmatch(value)
    if found is None:
        faults.append(f"{key}={value}: write QUANTITY=COLUMN:UNIT@DEVICE, odd names in quotes")
        return
    column = {"column": _unquote(found["name"]), "quantity": key}
    column |= {part: _unquote(found[part]) for part in ("unit", "device") if found[part]}
    columns.append(column)


def _unquote(text: str) -> str:
    """The text between double quotes, or the text itself without blanks around it."""
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text
