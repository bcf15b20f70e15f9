"""A demo that all page tests look at, Chromium, and a watch over all that a page does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, Response, expect, sync_playwright

from tests.page.demo import RunningPage, run_page
from tests.servers import find_free_port

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
OpenPage = Callable[..., Page]
# How long something may take to appear: a limit for what never does, no measure of speed.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPage]:
    """``wattscope demo home`` with a past of three days."""
    if not files("wattscope").joinpath("web", "static", "index.html").is_file():
        pytest.skip("the page is not built (python hatch_build.py)")
    folder = tmp_path_factory.mktemp("demo")
    mqtt_port = str(find_free_port())
    words = ("demo", "home", "--no-browser", "--history", "3d", "--mqtt-port", mqtt_port)
    with run_page(folder, *words) as page:
        yield page


@pytest.fixture
def demo_url(demo: RunningPage) -> str:
    """Address of the demo, without a slash at its end."""
    return demo.url


# Not for the whole session: Playwright keeps an event loop running in this thread, in which no
# other test could start its own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium without a screen."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield started
        started.close()


@dataclass
class Watch:
    """What the pages of a test asked for, and what went wrong."""

    # No slots: Playwright keeps its own notes on the object whose methods it calls.

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Note everything that a page does from now on."""
        page.on("request", self._note_request)
        page.on("response", self._note_response)
        page.on("requestfailed", self._note_failure)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("console", lambda line: self._note_line(line.type, line.text))

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"blob", "data"}:
            self.hosts.add(parts.netloc)

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")

    def _note_failure(self, request: Request) -> None:
        # Leaving a page cuts its stream and what was still loading.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.failure} {request.url}")

    def _note_line(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(f"console {kind}: {text}")


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def open_page(browser: Browser, watch: Watch) -> Iterator[OpenPage]:
    """Opens watched pages; takes the options of a Playwright context."""
    contexts = []

    def open_one(**options: object) -> Page:
        chosen = {"viewport": {"width": 1360, "height": 1000}, "locale": "en-GB"} | options
        context = browser.new_context(**chosen)  # type: ignore[arg-type]  # its own options, by name
        contexts.append(context)
        page = context.new_page()
        watch.follow(page)
        return page

    yield open_one
    for context in contexts:
        context.close()


def keep_picture(page: Page, name: str) -> None:
    """Keep a screenshot of the whole page for a person to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


@pytest.fixture(name="keep_picture")
def keep_picture_fixture() -> Callable[[Page, str], None]:
    """``keep_picture``, for tests that take it as an argument."""
    return keep_picture
