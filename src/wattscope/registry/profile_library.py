"""The profiles on disk: those that come with the program, and the user's own beside them."""

from __future__ import annotations

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from wattscope.core.errors import SettingsError


class ProfileLibrary:
    """TOML files by name; a user's file wins over one of the same name that came along."""

    def __init__(self, own_folder: Path | None = None) -> None:
        """``own_folder`` may be missing."""
        self._own_folder = own_folder

    def names(self) -> list[str]:
        """All profile names, sorted."""
        own = self._own_folder.glob("*.toml") if self._own_folder is not None else ()
        packaged = files("wattscope").joinpath("profiles").iterdir()
        found = {path.stem for path in own}
        found |= {entry.name[:-5] for entry in packaged if entry.name.endswith(".toml")}
        return sorted(found)

    def read(self, name: str) -> dict[str, Any]:
        """The parsed table of a profile.

        Raises:
            SettingsError: No such profile, or no TOML.
        """
        known = self.names()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise SettingsError([f"profile {name!r} does not exist; {hint}"])
        own = self._own_folder / f"{name}.toml" if self._own_folder is not None else None
        if own is not None and own.exists():
            content = own.read_bytes()
        else:
            content = files("wattscope").joinpath("profiles", f"{name}.toml").read_bytes()
        try:
            return tomllib.loads(content.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise SettingsError([f"is no TOML: {fault}"], where=f"profile {name}") from fault
