"""Alerts as JSON to a web address (HTTP POST).

Each request bears the id of its message as ``Idempotency-Key``: a receiver that keeps the ids it
has seen takes each message once, whatever the network does. Redirections are not followed, for
they would lead a secret elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult

from wattscope.core.alerting import Notice
from wattscope.core.errors import NoticeRefusedError, SettingsError, TransientError
from wattscope.core.server_address import split_web_address
from wattscope.notifiers.words import encode_notice

_LATER = {408, 425, 429}
"""Answers of clients' fault that pass by themselves (RFC 9110, RFC 8470, RFC 6585)."""
_MAX_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Where to, and as whom."""

    url: str = field(repr=False)
    """``http://`` or ``https://``; its path may be a secret."""
    username: str | None = None
    """With it the password is sent as HTTP Basic, without as a bearer token."""
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    timeout_s: float = 10.0


class WebhookNotifier:
    """Posts to one address."""

    kind = "webhook"

    def __init__(self, options: WebhookOptions) -> None:
        """Read the address.

        Raises:
            SettingsError: It is none, or the certificate authority cannot be read.
        """
        self._options = options
        self._address = _read_address(options.url)
        self._tls = None
        if self._address.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=options.ca_file)
            except OSError as fault:
                raise SettingsError([f"ca_file {options.ca_file}: {fault}"]) from fault

    async def send(self, notice: Notice) -> None:
        """Post, and wait for the answer."""
        await asyncio.to_thread(self._post, notice)

    def _post(self, notice: Notice) -> None:
        host = self._address.hostname or ""
        try:
            status, reason = self._ask(notice)
        except (OSError, http.client.HTTPException) as fault:
            words = str(fault) or type(fault).__name__
            raise TransientError(f"{host} cannot be reached: {words}") from fault
        if 200 <= status < 300:
            return
        words = f"{host} answered {status} {reason}".strip()
        if status >= 500 or status in _LATER:
            raise TransientError(words)
        raise NoticeRefusedError(f"{words}; check the url and the password")

    def _ask(self, notice: Notice) -> tuple[int, str]:
        address, timeout_s = self._address, self._options.timeout_s
        connection: http.client.HTTPConnection
        if self._tls is not None:
            connection = http.client.HTTPSConnection(
                str(address.hostname), address.port, timeout=timeout_s, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(
                str(address.hostname), address.port, timeout=timeout_s
            )
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        try:
            connection.request("POST", path, encode_notice(notice), self._headers(notice))
            answer = connection.getresponse()
            answer.read(_MAX_ANSWER_BYTES)
            return answer.status, answer.reason
        finally:
            connection.close()

    def _headers(self, notice: Notice) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "wattscope",
            "Idempotency-Key": notice.id,
        }
        username, password = self._options.username, self._options.password
        if password is not None and username is not None:
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        elif password is not None:
            headers["Authorization"] = f"Bearer {password}"
        return headers


def _read_address(url: str) -> SplitResult:
    """The parts of an address.

    Raises:
        SettingsError: It is none; the message does not repeat it.
    """
    address = split_web_address(url)
    if address is None:
        raise SettingsError(["url is no web address; write https://host/path"])
    return address
