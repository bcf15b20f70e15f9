"""A real demo as a child process, and questions to its API."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.invocation import end_child, start_child
from tests.servers import find_free_port


@dataclass(frozen=True, slots=True)
class RunningPage:
    """A program that serves the page."""

    url: str
    """Without a slash at its end."""
    child: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str, **words: str) -> dict[str, Any]:
        """The JSON of an answer that must be good."""
        query = urllib.parse.urlencode(words)
        with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=20) as response:
            found: dict[str, Any] = json.load(response)
        return found


@contextlib.contextmanager
def run_page(folder: Path, *words: str | Path) -> Iterator[RunningPage]:
    """``wattscope`` with some words, on a free port, until the end of the block."""
    page = _start(folder, words)
    try:
        yield page
    finally:
        end_child(page.child)


def _start(folder: Path, words: tuple[str | Path, ...], tries: int = 3) -> RunningPage:
    """A page that answers; tries again where another program took the free port meanwhile."""
    port = find_free_port()
    log = folder / "log.txt"
    child = start_child([*words, "--port", str(port), "--data", folder / "data"], log)
    page = RunningPage(f"http://127.0.0.1:{port}", child, log)
    try:
        _wait_until_served(page)
    except BaseException:
        end_child(child)
        if tries > 1 and "address already in use" in log.read_text():
            return _start(folder, words, tries - 1)
        raise
    return page


def _wait_until_served(page: RunningPage, timeout_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while True:
        assert page.child.poll() is None, page.log.read_text()
        assert time.monotonic() < deadline_s, page.log.read_text()
        with contextlib.suppress(OSError, urllib.error.URLError):
            page.get("/healthz")
            return
        time.sleep(0.1)
