"""What cannot be meant in a source of type ``scrape``."""

from __future__ import annotations

from wattscope.core.server_address import split_web_address
from wattscope.settings.tables import MAX_BODY_MB, MAX_TIMEOUT_S, SourceSettings


def find_scrape_faults(at: str, source: SourceSettings) -> list[str]:
    """All of it, each as one line that begins with ``at``."""
    faults = []
    if not source.urls:
        faults.append(f"{at}.urls: name at least one page, as http://host:9100/metrics")
    if len(set(source.urls)) < len(source.urls):
        faults.append(f"{at}.urls: a page is there twice; remove one")
    for number, url in enumerate(source.urls, 1):
        words = _judge_url(url)
        # The address may hold a secret: it is not repeated.
        faults += [f"{at}.urls: number {number} {words}"] if words else []
    if source.password is not None:
        faults.append(f"{at}.password: write it into a file, and name that in password_file")
    if (source.username is None) != (source.password_file is None):
        faults.append(f"{at}: username and password_file belong together")
    if source.token_file is not None and source.username is not None:
        faults.append(f"{at}: token_file and username exclude each other")
    if not 0 < source.timeout_s <= MAX_TIMEOUT_S:
        faults.append(f"{at}.timeout_s: must be above 0 and at most {MAX_TIMEOUT_S:g}")
    if not 0 < source.max_body_mb <= MAX_BODY_MB:
        faults.append(f"{at}.max_body_mb: must be above 0 and at most {MAX_BODY_MB}")
    return faults


def _judge_url(url: str) -> str:
    """What is wrong with an address; empty when nothing is."""
    address = split_web_address(url)
    if address is None:
        return "is no web address; write http://host:9100/metrics"
    if address.username is not None or address.password is not None:
        return "holds a user; name it in username, and its password in password_file"
    return ""
