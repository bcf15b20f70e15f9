"""Where Redis is, and how patient to be with it; nothing here touches the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from wattscope.core.errors import SettingsError
from wattscope.core.server_address import split_address

_SCHEMES = ("redis", "rediss")
_PORT = 6379
"""https://redis.io/docs/latest/operate/oss_and_stack/management/security: the default port."""
_ADVICE = "write redis://host:6379/0, or rediss://user:password@host:6379/0 for TLS"


@dataclass(frozen=True, slots=True)
class RedisViewOptions:
    """One database of one Redis server."""

    url: str = field(repr=False)
    """``redis://[user:password@]host[:port][/database]``, or ``rediss://`` for TLS."""
    password: str | None = field(default=None, repr=False)
    """Instead of one in the URL."""
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    prefix: str = "wattscope"
    """Begins all keys and channels; installations that share a database need different ones."""
    is_following: bool = True
    """Whether changes by other processes are taken in; who only writes can do without."""
    timeout_s: float = 2.0
    """Longest wait for a connection, and for an answer [s]."""
    heartbeat_s: float = 5.0
    """How often Redis is looked at while nothing else is asked of it [s]."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            SettingsError: All faults; the URL is not shown, for it may hold a password.
        """
        faults = []
        if not _is_address(self.url):
            faults.append(f"url is no address of a Redis; {_ADVICE}")
        if self.ca_file is not None and not self.ca_file.is_file():
            faults.append(f"ca_file {self.ca_file} is not there; name a PEM file")
        if not self.prefix:
            faults.append("prefix is empty; write a word, such as wattscope")
        faults += [
            f"{name} must be more than 0 seconds"
            for name in ("timeout_s", "heartbeat_s")
            if not getattr(self, name) > 0
        ]
        if faults:
            raise SettingsError(faults)

    @property
    def host(self) -> str:
        return str(self._address.hostname)

    @property
    def port(self) -> int:
        return self._address.port or _PORT

    @property
    def user(self) -> str | None:
        """None for the user ``default``."""
        return unquote(self._address.username or "") or None

    @property
    def secret(self) -> str | None:
        """The password, wherever it was told."""
        return self.password or unquote(self._address.password or "") or None

    @property
    def database(self) -> int:
        return int(self._address.path.strip("/") or 0)

    @property
    def has_tls(self) -> bool:
        return self._address.scheme == "rediss"

    @property
    def where(self) -> str:
        """The address in words for a person, without a password."""
        user = f"{quote(self.user)}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self._address.scheme}://{user}{host}:{self.port}/{self.database}"

    @property
    def _address(self) -> SplitResult:
        return urlsplit(self.url)


def _is_address(url: str) -> bool:
    address = split_address(url, _SCHEMES)
    if address is None:
        return False
    database = address.path.strip("/")
    is_database = not database or (database.isascii() and database.isdigit())
    is_plain = not address.query and not address.fragment
    return is_database and is_plain
