"""A program that ends by itself says why in one line, whatever part of it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.invocation import invoke
from tests.servers import find_free_port
from wattscope.cli import serve
from wattscope.core.errors import TransientError

pytestmark = pytest.mark.integration


def test_a_simulator_that_dies_ends_the_demo_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise TransientError("the simulator ended with status 1; see above")

    monkeypatch.setattr(serve, "run_simulator", die)
    ended = invoke(
        *("demo", "heatpump", "--history", "0d", "--no-browser"),
        *("--port", str(find_free_port()), "--data", tmp_path / "data"),
    )
    assert ended.status == 1
    assert ended.last_line() == "wattscope: the simulator ended with status 1; see above"
    assert "Traceback" not in ended.err


def test_demos_of_two_recipes_keep_their_data_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a shared folder the page of a home would open on the site of a heat pump."""
    folders: list[Path] = []
    monkeypatch.delenv("WATTSCOPE_DATA", raising=False)
    monkeypatch.setattr(serve, "simulate_past", lambda _, data, __: folders.append(data))
    monkeypatch.setattr(serve, "_serve", lambda *_, **__: None)
    for recipe in ("home", "heatpump"):
        outcome = invoke("demo", recipe, "--no-browser")
        assert outcome.status == 0, outcome.err
    assert [one.name for one in folders] == ["demo-home", "demo-heatpump"]
