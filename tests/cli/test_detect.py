"""``detect`` from the outside: what is wrong in a past, with the models that there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invocation import invoke
from tests.cli.test_train import N_DAYS, N_PANELS, WINDOW, write
from tests.detectors.panel_windows import at, change, make_window
from wattscope.assembly.storage import open_storage
from wattscope.core.window import Window
from wattscope.settings import Settings

pytestmark = pytest.mark.usefixtures("no_fsync")


def fill(folder: Path, window: Window) -> None:
    with open_storage(Settings(), folder) as storage:
        write(storage, window)


def spoil(window: Window) -> Window:
    """On the last day the first panel gives a fifth of its power at the usual voltage."""
    last_day = slice(at(N_DAYS - 1, 0), at(N_DAYS, 0))
    return change(window, "production_power_w", 0, last_day, lambda power: power * 0.2)


def ask(folder: Path, *words: str) -> list[dict[str, object]]:
    outcome = invoke("detect", *words, "--format", "json", "--data", folder)
    assert outcome.status == 0, outcome.err
    rows: list[dict[str, object]] = json.loads(outcome.out)
    return rows


def test_past_is_looked_at_with_the_models_that_were_trained(tmp_path: Path) -> None:
    learned, spoiled = tmp_path / "learned", tmp_path / "spoiled"
    fill(learned, WINDOW)
    assert invoke("train", "--data", learned).status == 0
    fill(spoiled, spoil(make_window(N_PANELS, N_DAYS)))
    words = ("--detector", "isolation_forest", "--findings")
    assert ask(spoiled, *words) == []
    (learned / "models").rename(spoiled / "models")
    found = ask(spoiled, *words)
    assert found
    assert {one["device"] for one in found} == {WINDOW.devices[0].id}
    assert {one["kind"] for one in found} == {"anomaly"}


def test_unknown_names_are_errors_in_words(tmp_path: Path) -> None:
    fill(tmp_path, WINDOW)
    outcome = invoke("detect", "--device", "nobody", "--data", tmp_path)
    assert outcome.status != 0
    assert "device 'nobody' does not exist" in outcome.last_line()
    outcome = invoke("detect", "--detector", "crystal_ball", "--data", tmp_path)
    assert outcome.status != 0
    assert "detector 'crystal_ball' is unknown" in outcome.last_line()
