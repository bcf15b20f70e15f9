"""The contract of the floors holds, and would notice if it did not."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = ("core", "compute", "detectors", "alerts", "incidents")

PLANTS = {
    "a lower floor imports a higher one": {"core/planted.py": "import wattscope.ports"},
    "compute imports a room": {
        "compute/planted.py": "from wattscope.logs import planted",
        "logs/planted.py": "",
    },
    "a room imports its neighbour": {
        "sources/planted.py": "from wattscope.stores import planted",
        "stores/planted.py": "",
    },
    "the pages import a store": {
        "web/planted.py": "from wattscope.stores import planted",
        "stores/planted.py": "",
    },
    "the pipeline imports a source": {
        "pipeline/planted.py": "from wattscope.sources import planted",
        "sources/planted.py": "",
    },
    "a room imports the settings": {
        "logs/planted.py": "import wattscope.settings",
        "settings.py": "",
    },
    "a detector imports another": {
        "detectors/planted_one.py": "from wattscope.detectors import planted_two",
        "detectors/planted_two.py": "",
    },
    "core looks at the clock": {"core/planted.py": "import time"},
    "compute opens a socket": {"compute/planted.py": "import socket"},
    "compute writes a log": {"compute/planted.py": "import structlog"},
    "alerts look at the clock": {"alerts/planted.py": "import time"},
    "incidents ask the database": {"incidents/planted.py": "import sqlalchemy"},
    "a module has no floor": {"planted.py": ""},
}


def _copy_tree(folder: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _plant(tree: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tree / "src" / "wattscope" / name
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(f'"""Planted."""\n\n{text}\n', encoding="utf-8")


def _lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache", "--config", "pyproject.toml"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree / "src"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_floors_hold_in_an_untouched_copy(tmp_path: Path) -> None:
    outcome = _lint_imports(_copy_tree(tmp_path))
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize("case", PLANTS)
def test_floors_notice_a_planted_import(case: str, tmp_path: Path) -> None:
    tree = _copy_tree(tmp_path)
    _plant(tree, PLANTS[case])
    outcome = _lint_imports(tree)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert "planted" in outcome.stdout, "it failed, but not because of what was planted"


def test_pure_floors_read_no_clock_and_open_no_file() -> None:
    """What no import contract can see: ``datetime`` may be imported, its clock not be read."""
    calls = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for floor in PURE
        for path in sorted((ROOT / "src" / "wattscope" / floor).rglob("*.py"))
        for line, name in _impure_calls(path)
    ]
    assert calls == []


def _impure_calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="open" | "print" | "input" as name)):
                yield node.lineno, name
            case ast.Call(func=ast.Attribute(attr="now" | "today" | "utcnow" as name)):
                yield node.lineno, name
            case ast.Await():
                yield node.lineno, "await"
