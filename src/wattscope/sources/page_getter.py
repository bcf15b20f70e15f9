"""Gets one page over HTTP, within a time and a size, however its server behaves.

It promises the whole page or an error in words. It follows no redirections, for they would lead a
secret elsewhere, and asks no proxy. A page whose end nothing tells, neither a length nor the end of
its chunks, is believed when its server ends the connection; what reads it has to know its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11

from wattscope import __version__
from wattscope.core.errors import BadBodyError, NotTakenError, SettingsError, TooLargeError
from wattscope.core.server_address import find_port

_CHUNK: Final = 1 << 16
_GZIP: Final = 16 + zlib.MAX_WBITS
"""Window of ``zlib`` for gzip's head and checksum (zlib manual, inflateInit2)."""


@dataclass(frozen=True, slots=True)
class GetterOptions:
    """How pages are asked for."""

    timeout_s: float = 5.0
    """How long one page may take, from the first packet to its end [s]."""
    max_bytes: int = 5_000_000
    """Largest page, unpacked."""
    authorization: str | None = field(default=None, repr=False)
    """The header of this name."""
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""


@dataclass(frozen=True, slots=True)
class Page:
    """What came back."""

    body: bytes
    content_type: str


class PageGetter:
    """Gets pages; each over a connection of its own."""

    def __init__(self, options: GetterOptions) -> None:
        """Touch no network yet.

        Raises:
            SettingsError: The certificate authority cannot be read.
        """
        self._options = options
        try:
            self._tls = ssl.create_default_context(cafile=options.ca_file)
        except OSError as fault:
            raise SettingsError([f"ca_file {options.ca_file}: {fault}"]) from fault

    async def get(self, url: str, accept: str = "*/*") -> Page:
        """The page at an address; ``accept``: in which formats, the best first.

        Raises:
            OSError: Its server cannot be reached, or is too slow (``TimeoutError``).
            BadBodyError: What comes is no HTTP, or not whole.
            TooLargeError: It is too large.
            NotTakenError: The server answers that there is no page now.
        """
        address = urlsplit(url)
        async with asyncio.timeout(self._options.timeout_s):
            async with _connect(address, self._tls) as (reader, writer):
                try:
                    return await self._exchange(address, accept, reader, writer)
                except h11.RemoteProtocolError as fault:
                    raise BadBodyError(f"that is no answer of HTTP ({fault})") from fault

    async def _exchange(
        self,
        address: SplitResult,
        accept: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Page:
        link = h11.Connection(h11.CLIENT)
        headers = self._list_headers(address, accept)
        request = h11.Request(method="GET", target=_write_target(address), headers=headers)
        writer.write((link.send(request) or b"") + (link.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        unpacker: _Unpacker | None = None
        content_type = ""
        parts: list[bytes] = []
        while True:
            event = link.next_event()
            if event is h11.NEED_DATA:
                link.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Response):
                told = {bytes(name): bytes(value) for name, value in event.headers}
                content_type = told.get(b"content-type", b"").decode("latin-1")
                unpacker = _Unpacker(self._options.max_bytes, told)
                _check_status(event.status_code)
            elif isinstance(event, h11.Data) and unpacker is not None:
                parts += unpacker.feed(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and unpacker is not None:
                unpacker.end()
                return Page(b"".join(parts), content_type)
            elif not isinstance(event, h11.InformationalResponse):
                raise BadBodyError("the server ended the connection without an answer")

    def _list_headers(self, address: SplitResult, accept: str) -> list[tuple[str, str]]:
        own = [
            ("Host", address.netloc),
            ("Accept", accept),
            ("Accept-Encoding", "gzip"),
            ("User-Agent", f"Wattscope/{__version__}"),
            ("X-Prometheus-Scrape-Timeout-Seconds", f"{self._options.timeout_s:g}"),
            ("Connection", "close"),
        ]
        secret = self._options.authorization
        return own if secret is None else [*own, ("Authorization", secret)]


@contextlib.asynccontextmanager
async def _connect(
    address: SplitResult, tls: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        reader, writer = await asyncio.open_connection(
            address.hostname,
            find_port(address),
            ssl=tls if address.scheme == "https" else None,
            limit=_CHUNK,
        )
    except UnicodeError as fault:
        raise OSError(f"{address.hostname!r} is no name of a host") from fault
    try:
        yield reader, writer
    finally:
        # What is left to say is nothing: its server may take its time to hear it.
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _write_target(address: SplitResult) -> str:
    path = address.path or "/"
    return f"{path}?{address.query}" if address.query else path


def _check_status(status: int) -> None:
    if status == 200:
        return
    hint = {
        401: "; set token_file, or username and password_file",
        403: "; set token_file, or username and password_file",
        404: "; is the path right?",
    }.get(status, "")
    if 300 <= status < 400:
        hint = "; name the address that it leads to"
    raise NotTakenError(f"it answers {status}{hint}")


class _Unpacker:
    """Counts a body while it comes, and unpacks it."""

    def __init__(self, max_bytes: int, headers: dict[bytes, bytes]) -> None:
        kind = headers.get(b"content-encoding", b"").strip().lower()
        if kind not in {b"", b"identity", b"gzip", b"x-gzip"}:
            raise BadBodyError(f"Content-Encoding {kind[:40]!r} is not gzip or identity")
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._member = zlib.decompressobj(_GZIP) if kind.endswith(b"gzip") else None

    def feed(self, data: bytes) -> list[bytes]:
        """What data unpacks to."""
        if self._member is None:
            self._take(len(data))
            return [data]
        parts = []
        while data and not self._member.eof:
            try:
                # A byte more than there is room for is enough to know.
                part = self._member.decompress(data, self._left + 1)
            except zlib.error as fault:
                raise BadBodyError(f"the page is no gzip ({fault})") from fault
            self._take(len(part))
            parts.append(part)
            data = self._member.unconsumed_tail
        return parts

    def end(self) -> None:
        """The server has said all."""
        if self._member is not None and not self._member.eof:
            raise BadBodyError("the page is cut off; its gzip has no end")

    def _take(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise TooLargeError(
                f"the page has more than {self._max_bytes} bytes; raise max_body_mb of the source"
            )
