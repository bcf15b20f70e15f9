"""Options that several commands share, and how a settings file is found."""

from __future__ import annotations

import logging
import os
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import structlog
import typer

from wattscope.core.errors import SettingsError
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings, load_settings, parse_settings

DEFAULT_DATA = "wattscope-data"
DEFAULT_SETTINGS = Path("wattscope.toml")
_LENGTH = re.compile(r"(\d+)([dhm])")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60}
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

DataOption = Annotated[
    Path, typer.Option("--data", help="Data folder.", envvar="WATTSCOPE_DATA", show_default=True)
]
SettingsOption = Annotated[
    Path | None,
    typer.Option("-c", "--settings", help="Settings file; left out, ./wattscope.toml if there."),
]
HostOption = Annotated[str | None, typer.Option(help="Address to listen on; default loopback.")]
PortOption = Annotated[int | None, typer.Option(help="Port of the page; default 8000.")]
MqttPortOption = Annotated[int | None, typer.Option(help="Port of the embedded broker.")]
ExposeOption = Annotated[
    bool,
    typer.Option(
        "--expose-without-login",
        help="Allow another --host than loopback although everybody there may see and ask all.",
    ),
]


def read_settings(path: Path | None) -> Settings:
    """The settings of the file that was named, of ./wattscope.toml, or the defaults."""
    if path is not None:
        return load_settings(path)
    if DEFAULT_SETTINGS.exists():
        return load_settings(DEFAULT_SETTINGS)
    return Settings()


def find_profiles(path: Path | None) -> ProfileLibrary:
    """The profiles that came along, and those in ``profiles/`` beside the settings file."""
    beside = (path or DEFAULT_SETTINGS).resolve().parent
    return ProfileLibrary(beside / "profiles")


def read_recipe(name: str) -> Settings:
    """The settings of a recipe that came along.

    Raises:
        SettingsError: No such recipe.
    """
    folder = files("wattscope").joinpath("recipes")
    known = sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))
    if name not in known:
        raise SettingsError([f"recipe {name!r} does not exist yet; there is {', '.join(known)}"])
    return parse_settings(folder.joinpath(f"{name}.toml").read_text(), where=f"recipe {name}")


def parse_length(text: str) -> int:
    """Seconds of a length such as ``14d``, ``6h`` or ``30m``.

    Raises:
        SettingsError: Not such a length.

    >>> parse_length("2h")
    7200
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise SettingsError([f"length {text!r} is not understood; write 14d, 6h or 30m"])
    return int(match[1]) * _SECONDS[match[2]]


def parse_interval(text: str) -> float:
    """Seconds of an interval such as ``5m``, ``10s``, ``200ms``, or of a bare number of seconds.

    Raises:
        SettingsError: Not such an interval.

    >>> parse_interval("5m"), parse_interval("0.5")
    (300.0, 0.5)
    """
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise SettingsError([f"interval {text!r} is not understood; write 5m, 10s or 0.5"])
    return float(match[1]) * _UNITS_S[match[2] or "s"]


def configure_logging() -> None:
    """One line an event on standard error: plain for a person, JSON where WATTSCOPE_LOG=json."""
    is_json = os.environ.get("WATTSCOPE_LOG") == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ,
            # Rich tracebacks print local variables, among them passwords.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *([structlog.processors.format_exc_info] if is_json else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
