"""The simulated past of a recipe, that of its simulator, up to an instant which is always the same.

The instant lies on the day on which Europe's clocks went back: there "today" began 16 hours before
15:00, and no rule about 24 hours gives the right energy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.web.applications import Application, open_application
from wattscope.assembly.history import fill_history, register_meters
from wattscope.assembly.simulation import build_simulator
from wattscope.assembly.storage import Storage
from wattscope.cli.options import read_recipe
from wattscope.registry.profile_library import ProfileLibrary

NOW = "2026-10-25T14:00:00Z"
NOW_S = 1_792_936_800
PAST_S = 40 * 3600
CHANGES: dict[str, dict[str, Any]] = {"grid": {"meters": 30}}


@contextlib.contextmanager
def open_past(recipe: str, folder: Path) -> Iterator[Application]:
    """The application over the past of a recipe, to which it is ``NOW``."""
    settings = read_recipe(recipe)
    library = ProfileLibrary()
    simulator = build_simulator(recipe, settings, library, changes=CHANGES.get(recipe, {}))

    def fill(storage: Storage) -> None:
        register_meters(storage, settings, folder, library)
        with patch("wattscope.assembly.history.now_us", lambda: NOW_S * 1_000_000):
            assert fill_history(storage, simulator, PAST_S) > 0

    with open_application(folder, now=NOW, settings=settings, fill=fill) as application:
        yield application
