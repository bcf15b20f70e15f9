"""What of a table of a TOML file fits a type; everything else becomes a fault in words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, get_args

import msgspec


def keep_sound(
    table: dict[str, Any], kind: type[msgspec.Struct], at: str, faults: list[str]
) -> dict[str, Any]:
    """The keys of a table that are known and of the right type; the others become faults.

    Args:
        table: As it was read.
        kind: What it is to become.
        at: Where it stands in the file, such as ``storage.``.
        faults: Is added to; each names its key, and the nearest valid one.
    """
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    sound: dict[str, Any] = {}
    for key, value in table.items():
        where = f"{at}{key}"
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"valid are {', '.join(fields)}"
            faults.append(f"{where}: unknown key; {hint}")
            continue
        inner = _struct_of(fields[key])
        if inner is not None and inner is fields[key] and isinstance(value, dict):
            sound[key] = keep_sound(value, inner, f"{where}.", faults)
        elif inner is not None and inner is not fields[key] and _is_list_of_tables(value):
            parts = [keep_sound(part, inner, f"{where}.", faults) for part in value]
            sound[key] = [part for part in parts if not _miss_keys(part, inner, where, faults)]
        elif inner is not None and inner is not fields[key] and _is_table_of_tables(value):
            named = {
                name: keep_sound(part, inner, f"{where}.{name}.", faults)
                for name, part in value.items()
            }
            sound[key] = {
                name: part
                for name, part in named.items()
                if not _miss_keys(part, inner, f"{where}.{name}", faults)
            }
        else:
            try:
                msgspec.convert(value, fields[key])
                sound[key] = value
            except msgspec.ValidationError as fault:
                faults.append(f"{where}: {fault}")
    return sound


def convert_flat(
    table: Mapping[str, Any], types: Mapping[str, Any], word: str, faults: list[str]
) -> dict[str, Any]:
    """The values of a table without tables in it, each as the type of its key.

    Args:
        table: As it was read.
        types: The keys that may be there, with their types.
        word: What a key is called, such as ``setting``.
        faults: Is added to, by unknown keys and values of a wrong type.
    """
    values: dict[str, Any] = {}
    for key, raw in table.items():
        if key not in types:
            near = difflib.get_close_matches(key, types, n=1)
            faults.append(f"{key}: no such {word}" + (f"; is it {near[0]}?" if near else ""))
            continue
        try:
            values[key] = msgspec.convert(raw, types[key])
        except msgspec.ValidationError as error:
            faults.append(f"{key}: {error}")
    return values


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _is_table_of_tables(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(part, dict) for part in value.values())


def _miss_keys(
    part: dict[str, Any], kind: type[msgspec.Struct], where: str, faults: list[str]
) -> list[str]:
    """Keys without which an item of a list or table is not told; they become faults."""
    missing = [
        field.encode_name
        for field in msgspec.structs.fields(kind)
        if field.required and field.encode_name not in part
    ]
    faults += [f"{where}.{name}: is missing" for name in missing]
    return missing


def _struct_of(kind: object) -> type[msgspec.Struct] | None:
    """The struct in a field's type, be it the type itself or the item of a list or table."""
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None
