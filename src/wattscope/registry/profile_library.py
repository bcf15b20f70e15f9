"""The profiles on disk: those that come with the program, and the user's own beside them.

Own files are TOML, or tables of registers as CSV, which may hold several types each.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from wattscope.compute.modbus.map_table import read_map_tables
from wattscope.core.errors import SettingsError


class ProfileLibrary:
    """Profiles by name; a user's file wins over one of the same name that came along.

    A type of an own CSV goes by the name in its column and, when it is the only one of its file, by
    the file's name as well. An own TOML file wins over a CSV.
    """

    def __init__(self, own_folder: Path | None = None) -> None:
        """``own_folder`` may be missing."""
        self._own_folder = own_folder

    def names(self) -> list[str]:
        """All profile names, sorted."""
        own = self._own_folder.glob("*.toml") if self._own_folder is not None else ()
        packaged = files("wattscope").joinpath("profiles").iterdir()
        found = {path.stem for path in own}
        found |= {entry.name[:-5] for entry in packaged if entry.name.endswith(".toml")}
        for path in self._list_tables():
            found |= _find_types(path)
        return sorted(found)

    def read(self, name: str) -> dict[str, Any]:
        """The parsed table of a profile.

        Raises:
            SettingsError: No such profile, or no TOML, or a table of registers with faults.
        """
        known = self.names()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise SettingsError([f"profile {name!r} does not exist; {hint}"])
        own = self._own_folder / f"{name}.toml" if self._own_folder is not None else None
        if own is not None and own.exists():
            return _parse_toml(name, own.read_bytes())
        for path in self._list_tables():
            if name in _find_types(path):
                tables = _read_table(path)
                return tables[name] if name in tables else next(iter(tables.values()))
        packaged = files("wattscope").joinpath("profiles", f"{name}.toml")
        return _parse_toml(name, packaged.read_bytes())

    def _list_tables(self) -> Iterator[Path]:
        """The own tables of registers, by name."""
        if self._own_folder is not None:
            yield from sorted(self._own_folder.glob("*.csv"))


def _parse_toml(name: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SettingsError([f"is no TOML: {fault}"], where=f"profile {name}") from fault


def _find_types(path: Path) -> set[str]:
    """The names by which a CSV can be asked for; that of the file when it cannot be read."""
    try:
        types = set(_read_table(path))
    except SettingsError:
        return {path.stem}
    return types | {path.stem} if len(types) == 1 else types


def _read_table(path: Path) -> dict[str, dict[str, Any]]:
    """The types of a CSV.

    Raises:
        SettingsError: It is no text, or has faults.
    """
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as fault:
        raise SettingsError(["is no UTF-8 text"], where=f"table {path.stem}") from fault
    return read_map_tables(path.stem, text)
