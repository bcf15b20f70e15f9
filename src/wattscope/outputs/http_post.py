"""Posting bodies to one HTTP server over a connection that stays open.

It promises an answer or an ``OSError`` within its time limits, and that a connection which the
server has closed while it was idle is opened again without anybody noticing. It follows no
redirections, for they would lead a secret elsewhere, and asks no proxy.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult

from wattscope.core.errors import SettingsError
from wattscope.core.server_address import find_port, split_web_address

_MAX_ANSWER_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back."""

    status: int
    body: bytes
    """At most 64 KiB of it."""
    retry_after: str = ""


class HttpPoster:
    """One server; for one thread, but for ``close``."""

    def __init__(self, url: str, *, ca_file: Path | None, timeout_s: float) -> None:
        """Touch no network yet.

        Args:
            url: ``http://`` or ``https://`` with a host, perhaps with a path before all others.
            ca_file: Certificate authority to trust instead of the system's.
            timeout_s: How long to wait for a connection, and for each part of an answer [s].

        Raises:
            SettingsError: The address is none, or the certificate authority cannot be read.
        """
        self._address = _read_address(url)
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._is_closed = False
        self._busy = threading.Lock()
        self._tls = None
        if self._address.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=ca_file)
            except OSError as fault:
                raise SettingsError([f"ca_file {ca_file}: {fault}"]) from fault

    @property
    def address(self) -> str:
        """The server, without user and password."""
        return f"{self._address.scheme}://{self._host}:{self._port}{self._address.path}"

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Post, and wait for the answer.

        Raises:
            OSError: The server cannot be reached, or does not speak HTTP.
        """
        with self._busy:
            is_reused = self._connection is not None
            try:
                return self._exchange(path, body, headers)
            except ConnectionError:
                # It may have ended a connection that was idle.
                if not is_reused:
                    raise
            return self._exchange(path, body, headers)

    def close(self) -> None:
        """End the connection, for good; an answer that is waited for in another thread fails."""
        self._is_closed = True
        connection = self._connection
        if connection is not None and isinstance(connection.sock, socket.socket):
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        # Who waits for an answer ends the connection himself.
        if self._busy.acquire(blocking=False):
            self._drop()
            self._busy.release()

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        if self._is_closed:
            raise ConnectionAbortedError("it is closed")
        if self._connection is None:
            self._connection = self._make_connection()
        is_whole = False
        try:
            self._connection.request("POST", self._address.path + path, body, dict(headers))
            answer = self._connection.getresponse()
            content = answer.read(_MAX_ANSWER_BYTES)
            is_whole = answer.isclosed()
            return HttpAnswer(answer.status, content, answer.getheader("Retry-After", ""))
        except http.client.HTTPException as fault:
            if isinstance(fault, ConnectionError):
                raise
            raise OSError(f"that is no answer of HTTP ({type(fault).__name__})") from fault
        finally:
            if not is_whole or self._is_closed:
                self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _make_connection(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._tls
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)

    @property
    def _host(self) -> str:
        return self._address.hostname or ""

    @property
    def _port(self) -> int:
        return find_port(self._address)


def _read_address(url: str) -> SplitResult:
    """The parts of an address; its path without a slash at the end.

    Raises:
        SettingsError: It is none; the message does not repeat it.
    """
    address = split_web_address(url)
    if address is None:
        raise SettingsError(["url is no web address; write http://host:8086"])
    return address._replace(path=address.path.rstrip("/"))
