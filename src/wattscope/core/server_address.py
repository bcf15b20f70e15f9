"""The address of a server as settings name it: ``scheme://[user:password@]host[:port][/path]``.

Nothing is looked up or connected to, and no address is repeated in an error: it may hold a secret.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

BROKER: Final = ("mqtt", "mqtts")
"""Schemes of MQTT brokers; the second with TLS."""
WEB: Final = ("http", "https")
"""Likewise of web servers."""
_PORTS: Final = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
"""By scheme (IANA, "Service Name and Transport Protocol Port Number Registry")."""


def split_address(url: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """The parts of an address; None when it has another scheme, or no host, or an impossible port.

    >>> split_address("mqtt://[::1]:1884", BROKER).hostname
    '::1'
    >>> [split_address(url, BROKER) for url in ("http://a", "mqtt://", "mqtt://a:0", "mqtt://a:x")]
    [None, None, None, None]
    """
    try:
        address = urlsplit(url)
        is_whole = address.scheme in schemes and bool(address.hostname) and address.port != 0
    except ValueError:
        # A port that is no number or beyond 65,535, or half a pair of brackets.
        return None
    return address if is_whole else None


def split_web_address(url: str) -> SplitResult | None:
    """Likewise one that can stand in a request of HTTP as it is.

    >>> split_web_address("https://host/write?db=home").path, split_web_address("http://host/a b")
    ('/write', None)
    """
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return split_address(url, WEB) if is_plain else None


def find_port(address: SplitResult) -> int:
    """Its port, or that of its scheme.

    >>> find_port(split_address("mqtts://broker", BROKER))
    8883
    """
    return address.port or _PORTS[address.scheme]
