"""What the tests of the pages share: Debian's Chromium, and a watch over what a page does.

They need a fixture ``demo_url``: the address of a running home demo, without a slash at its end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"


@dataclass(slots=True)
class Watch:
    """What a page asked for and complained about."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Notes every host asked, every error on the console and every uncaught exception."""
        page.on("request", lambda request: self._note_host(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type == "error" else None
            ),
        )

    def _note_host(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"blob", "data"}:
            self.hosts.add(parts.netloc)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the machine, without a screen; skips where there is none."""
    program = os.environ.get("WATTSCOPE_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium: install it or name it in WATTSCOPE_CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield started
        started.close()


@pytest.fixture
def watch() -> Watch:
    """The notes about the pages of one test."""
    return Watch()


@pytest.fixture
def open_page(browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """Opens watched pages; takes the options of a Playwright context."""
    contexts: list[BrowserContext] = []

    def open_one(**options: object) -> Page:
        options.setdefault("viewport", {"width": 1360, "height": 1100})
        options.setdefault("locale", "en-GB")
        context = browser.new_context(**options)  # type: ignore[arg-type] # its own options, by name
        contexts.append(context)
        page = context.new_page()
        watch.follow(page)
        return page

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def keep_picture() -> Callable[[Page, str], None]:
    """Keeps a screenshot for a person to look at."""

    def keep(page: Page, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTIFACTS / f"{name}.png")

    return keep
