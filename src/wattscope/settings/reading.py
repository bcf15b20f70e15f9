"""From a TOML file to settings, or a list of everything that is wrong with it."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import msgspec

from wattscope.core.errors import SettingsError
from wattscope.core.sound_table import keep_sound
from wattscope.settings.faults import find_faults, has_password
from wattscope.settings.tables import Settings

MAX_FILE_BYTES = 1_000_000


def load_settings(path: Path) -> Settings:
    """The settings of a file.

    Raises:
        SettingsError: The file cannot be read or is wrong; all faults are listed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
            mode = os.fstat(file.fileno()).st_mode
    except OSError as fault:
        raise SettingsError(
            [f"cannot be read ({fault.strerror}); name another file with -c"], where=str(path)
        ) from fault
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError([f"is larger than {MAX_FILE_BYTES} bytes"], where=str(path))
    try:
        settings, faults = _read_settings(content.decode())
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise SettingsError([f"is no UTF-8 text (at line {line})"], where=str(path)) from fault
    if has_password(settings) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        faults.append(
            "holds a password and can be read by others; chmod 600 it, or use password_file"
        )
    if faults:
        raise SettingsError(faults, where=str(path))
    return settings


def parse_settings(text: str, *, where: str = "settings") -> Settings:
    """The settings of a TOML text.

    Raises:
        SettingsError: All faults, each with its key.
    """
    settings, faults = _read_settings(text)
    if faults:
        raise SettingsError(faults, where=where)
    return settings


def _read_settings(text: str) -> tuple[Settings, list[str]]:
    """What can be understood of a TOML text, and all that is wrong with it."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        return Settings(), [f"is no TOML: {fault}"]
    faults: list[str] = []
    settings = msgspec.convert(keep_sound(table, Settings, "", faults), Settings)
    return settings, faults + find_faults(settings)
