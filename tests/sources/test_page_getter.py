"""Getting one page, from servers of every kind."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable

import pytest

from tests.servers import LOOPBACK, find_free_port
from tests.sources.exporters import http, run_exporter
from wattscope.core.errors import BadBodyError, NotTakenError, TooLargeError
from wattscope.sources.page_getter import GetterOptions, PageGetter

pytestmark = pytest.mark.integration
PAGE = b"# TYPE a gauge\na 1\n" * 50
LONG_S = 60.0
"""Long enough that no test meets it."""


def getter(**more: object) -> PageGetter:
    options = {"timeout_s": LONG_S, "max_bytes": 10_000} | more
    return PageGetter(GetterOptions(**options))  # type: ignore[arg-type]  # by name


def chunked(body: bytes) -> bytes:
    parts = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7])
        for at in range(0, len(body), 7)
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + parts + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        http(PAGE),
        http(gzip.compress(PAGE), Content_Encoding="gzip"),
        chunked(PAGE),
        b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + PAGE,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(PAGE),
    ],
    ids=["length", "gzip", "chunks", "until the end", "after a hint"],
)
async def test_whole_page_is_got(answer: bytes) -> None:
    async with run_exporter(answer) as exporter:
        page = await getter(authorization="Bearer secret").get(exporter.url, "text/plain")
    assert page.body == PAGE
    assert page.content_type.startswith("text/plain")
    [request] = exporter.requests
    assert request.startswith("GET /metrics HTTP/1.1\r\n")
    for line in (
        f"Host: {exporter.instance}",
        "Accept: text/plain",
        "Authorization: Bearer secret",
    ):
        assert f"\r\n{line}\r\n" in request


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (http(b"", status="404 Not Found"), NotTakenError, "answers 404; is the path right"),
        (http(b"", status="401 Unauthorized"), NotTakenError, "set token_file"),
        (http(b"", status="302 Found", Location="http://a/"), NotTakenError, "it leads to"),
        (http(b"", status="503 Busy"), NotTakenError, "answers 503"),
        (http(PAGE + b" " * 10_000), TooLargeError, "10000 bytes"),
        (
            http(gzip.compress(b"a" * 100_000), Content_Encoding="gzip"),
            TooLargeError,
            "10000 bytes",
        ),
        (http(gzip.compress(PAGE)[:-4], Content_Encoding="gzip"), BadBodyError, "no end"),
        (http(PAGE, Content_Encoding="gzip"), BadBodyError, "no gzip"),
        (http(PAGE, Content_Encoding="br"), BadBodyError, "not gzip"),
        (http(PAGE)[:-10], BadBodyError, "HTTP"),
        (chunked(PAGE)[:-10], BadBodyError, "HTTP"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", BadBodyError, "HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000, BadBodyError, "HTTP"),
        (b"", BadBodyError, "HTTP"),
    ],
)
async def test_what_is_no_page_is_told(answer: bytes, error: type[Exception], words: str) -> None:
    async with run_exporter(answer) as exporter:
        with pytest.raises(error, match=re.escape(words)):
            await getter().get(exporter.url)


async def _never(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("answer", [_never, _drip])
async def test_slow_server_is_given_its_time_and_no_more(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    async with run_exporter(answer) as exporter:
        with pytest.raises(TimeoutError):
            await getter(timeout_s=0.3).get(exporter.url)


async def test_nobody_there_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match=r"refused|Connect"):
        await getter().get(f"http://{LOOPBACK}:{find_free_port()}/metrics")


async def test_name_that_cannot_be_one_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="no name of a host"):
        await getter().get(f"http://{'a' * 70}.example/metrics")


def test_secret_is_not_shown() -> None:
    assert "secret" not in repr(GetterOptions(authorization="Bearer secret"))
