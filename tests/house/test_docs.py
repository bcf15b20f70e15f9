"""Documents say what is there: commands, links, verbs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import settings_reference
from wattscope.settings import parse_settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"))
)
FENCED = re.compile(r"^\s*```(\w*)\n(.*?)^\s*```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")


def _commands(path: Path) -> list[str]:
    """Lines of shell blocks, and single words of code that are commands."""
    text = path.read_text(encoding="utf-8")
    blocks = [body for language, body in FENCED.findall(text) if language == "sh"]
    lines = [line.strip() for body in blocks for line in body.splitlines()]
    return [*lines, *CODE.findall(FENCED.sub("", text))]


def _words_after(start: str, path: Path) -> set[str]:
    """The verbs that follow ``start`` in a document."""
    pattern = re.compile(rf"(?:^|\s)(?:\./run )?{re.escape(start)} ([a-z][a-z-]*)")
    return {match[1] for line in _commands(path) if (match := pattern.search(line))}


def _run_usage(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, str(ROOT / "run"), *arguments], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_verbs_of_run_in_documents_exist(path: Path) -> None:
    verbs = set(re.findall(r"^  ([a-z]+) ", _run_usage("help"), re.MULTILINE))
    assert verbs >= {"demo", "test", "check", "bench", "wattscope"}
    assert _words_after("./run", path) <= verbs


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_of_wattscope_in_documents_exist(path: Path) -> None:
    command_line = pytest.importorskip(
        "wattscope.cli.main", reason="there is no command line yet", exc_type=ModuleNotFoundError
    )
    import typer.main  # noqa: PLC0415 - only where there is a command line

    known = set(typer.main.get_group(command_line.build_app(())).commands)
    assert known >= {"demo", "run", "devices", "report"}
    assert _words_after("wattscope", path) <= known


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_documents_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_settings_in_documents_can_be_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for language, body in FENCED.findall(text):
        if language == "toml":
            parse_settings(body)


def test_every_setting_has_a_description() -> None:
    tables = settings_reference.list_tables()
    silent = [
        f"{node.name}.{name}"
        for node in tables
        for name, kind, _, description in settings_reference.list_fields(node)
        if not description and not re.search(r"Settings\b", kind)
    ]
    assert silent == []


def test_page_of_settings_says_what_the_settings_say() -> None:
    written = settings_reference.TARGET.read_text(encoding="utf-8")
    assert written == settings_reference.describe_settings(), (
        "run ./.venv/bin/python -m tests.settings_reference"
    )


def test_readme_names_the_commands_that_everything_else_relies_on() -> None:
    shell = [body for language, body in FENCED.findall((ROOT / "README.md").read_text("utf-8"))]
    assert any("./run demo" in body for body in shell)
    assert any("./run test" in body for body in shell)
    assert "./run test" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listing = (folder / "README.md").read_text(encoding="utf-8")
    notes = [path.name for path in folder.glob("[0-9]*.md")]
    assert notes
    assert [name for name in notes if name not in listing] == []
    for name in notes:
        text = (folder / name).read_text(encoding="utf-8")
        for part in (
            "**Context.**",
            "**Choice.**",
            "**Price.**",
            "**What would change our mind.**",
        ):
            assert part in text, f"{name} lacks {part}"


def test_unknown_verb_is_refused() -> None:
    outcome = subprocess.run(
        [sys.executable, str(ROOT / "run"), "dmeo"], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 2
    assert "dmeo" in outcome.stderr
