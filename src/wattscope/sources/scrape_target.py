"""One page of an exporter: read when it is due, and how it stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog

from wattscope.core.errors import BadBodyError, NotTakenError, TooLargeError
from wattscope.core.server_address import find_port
from wattscope.sources.page_getter import Page
from wattscope.sources.scraped_page import ACCEPT, ACCEPT_TEXT, is_open_metrics

_log = structlog.get_logger()

GetPage = Callable[[str, str], Awaitable[Page]]
"""Given an address and the formats that are asked for; see ``PageGetter.get``."""
Faults: Final = (OSError, BadBodyError, TooLargeError, NotTakenError)
"""What can be the matter with a page, all of it to be tried again when it is due."""


@dataclass(slots=True)
class ScrapeTarget:
    """One page, and what became of the last attempts to read it."""

    url: str
    fault: str = ""
    """Why it could not be read last time, in words; empty when it was."""
    is_asked: bool = False
    """Whether it was read, or tried, at least once."""
    n_samples: int = 0
    """On the page when it was read last; those that are left out among them."""
    n_faults: int = 0
    """Attempts that failed since it was read last."""
    accept: str = ACCEPT
    """Formats that it is asked for."""

    @property
    def instance(self) -> str:
        """Host and port, as Prometheus' label of this name.

        >>> ScrapeTarget("http://10.0.0.5/metrics").instance
        '10.0.0.5:80'
        """
        address = urlsplit(self.url)
        host = address.hostname or ""
        shown = f"[{host}]" if ":" in host else host
        return f"{shown}:{find_port(address)}"

    def note_page(self, n_samples: int) -> None:
        """It was read."""
        if self.fault:
            _log.info("exporter answers again", instance=self.instance, failed=self.n_faults)
        self.is_asked, self.fault = True, ""
        self.n_samples, self.n_faults = n_samples, 0

    def note_fault(self, fault: Exception, page: Page | None = None) -> bool:
        """It could not be read; whether for another reason than last time.

        A server whose OpenMetrics breaks the standard is asked for the older format from now on.
        """
        words = _word(fault)
        if page is not None and is_open_metrics(page.content_type):
            self.accept = ACCEPT_TEXT
        is_new = words != self.fault
        if is_new:
            _log.warning("exporter is not read", instance=self.instance, reason=words)
        self.is_asked, self.fault = True, words
        self.n_faults += 1
        return is_new


def _word(fault: Exception) -> str:
    if isinstance(fault, TimeoutError):
        return "it does not answer in time"
    if isinstance(fault, OSError):
        return fault.strerror or str(fault) or type(fault).__name__
    return str(fault)
