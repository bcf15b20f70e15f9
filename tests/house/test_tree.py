"""What the house style says of files, names and locks, where a machine can see it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANNED = {
    "common",
    "data",
    "df",
    "handler",
    "handlers",
    "helper",
    "helpers",
    "info",
    "manager",
    "misc",
    "result",
    "results",
    "util",
    "utils",
}
LONGEST_MODULE_LINES = 400

# Put together from pieces, so that this file does not name them itself.
REGISTRY_HOSTS = re.compile(
    "|".join(
        (
            r"py" + r"pi\.org",
            r"python" + r"hosted\.org",
            r"registry\." + r"npm",
            r"npm" + r"mirror",
            r"repo1?\." + r"maven",
            r"proxy\." + r"golang",
            r"deb\." + r"debian",
        )
    )
)
MACHINE_PATHS = re.compile(r"(?:^|[^\w/.*-])/(?:work|root|farm|tmp/lab)/")


@cache
def _committed_files() -> tuple[Path, ...]:
    """All files of the tree that are not ignored, committed yet or not."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout: cannot tell which files are committed")
    names = listing.stdout.decode().split("\0")
    return tuple(ROOT / name for name in names if name and (ROOT / name).is_file())


def _python_modules() -> list[Path]:
    return [path for path in _committed_files() if path.suffix == ".py" or path == ROOT / "run"]


def _find(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in _committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def test_no_file_names_a_package_registry() -> None:
    assert _find(REGISTRY_HOSTS) == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    assert _find(MACHINE_PATHS) == []


@pytest.mark.parametrize("name", ["run", ".ci/run"])
def test_entry_points_can_be_executed(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


def test_no_file_is_minified_or_was_built() -> None:
    names = [path.name for path in _committed_files()]
    assert [name for name in names if re.search(r"\.min\.(js|css)$|\.map$|\.whl$", name)] == []


def test_no_module_is_longer_than_can_be_read() -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in _python_modules()
    }
    too_long = {
        str(path.relative_to(ROOT)): length
        for path, length in lengths.items()
        if length > LONGEST_MODULE_LINES
    }
    assert too_long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    modules = [path.relative_to(ROOT) for path in _python_modules()]
    assert [str(path) for path in modules if BANNED & {*path.parent.parts, path.stem}] == []


def test_no_class_has_a_name_that_says_nothing() -> None:
    classes = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in _python_modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and re.search(r"(Utils?|Helpers?|Manager|Handler|Common|Misc)$", node.name)
    ]
    assert classes == []


@pytest.mark.parametrize("name", ["core", "build", "test"])
def test_every_locked_package_has_hashes_and_no_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    pinned = [entry for entry in entries if not entry.startswith("#")]
    assert pinned
    assert [entry for entry in pinned if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = (ROOT / "requirements" / "core.txt").read_text(encoding="utf-8")
    wanted = [re.split(r"[<>=!~;\[ ]", line)[0] for line in project["project"]["dependencies"]]
    # Locks spell names in the normal form (PEP 503).
    names = [re.sub(r"[-_.]+", "-", name).lower() for name in wanted]
    assert [name for name in names if f"\n{name}==" not in f"\n{locked}"] == []


def test_locks_of_tests_and_program_agree() -> None:
    """A test run must see the versions that users get."""
    pins = {
        name: dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", _read_lock(name), re.MULTILINE))
        for name in ("core", "build", "test")
    }
    differing = {
        package
        for package, version in pins["test"].items()
        for other in ("core", "build")
        if pins[other].get(package, version) != version
    }
    assert differing == set()


def _read_lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
