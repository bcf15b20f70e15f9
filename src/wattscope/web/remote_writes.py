"""Prometheus' remote write, 1.0 and 2.0: ``POST /api/v1/write``.

204 is said when every sample is durable. 400 says that some were set aside and the others taken,
and is not tried again; 503 and 507 say that nothing was taken and that it should come again. For
2.0 the answer counts what was written (Prometheus Remote-Write 2.0, "Response headers").
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.requests import ClientDisconnect

from wattscope.compute.remote_write.requests import Edition
from wattscope.core.errors import (
    BadBodyError,
    StorageFullError,
    TooLargeError,
    TransientError,
    WattscopeError,
)
from wattscope.web.line_body import read_body
from wattscope.web.problems import RETRY_AFTER_S
from wattscope.web.remote_desk import RemoteDesk, SampleReceipt
from wattscope.web.write_desk import BadItem

REMOTE_PATHS: Final = frozenset({"/api/v1/write"})
"""Paths whose bodies are no JSON and have a limit of their own."""
_EDITIONS: Final = {
    "": Edition.V1,
    "prometheus.WriteRequest": Edition.V1,
    "io.prometheus.write.v2.Request": Edition.V2,
}
"""By the parameter ``proto`` of the content type."""
_ABSENT: Final = (
    "nothing is written here: the settings have no source of type remote_write; add [[sources]] "
    'with type = "remote_write", see docs/prometheus-in.md'
)
_STATUS: Final[dict[type[WattscopeError], int]] = {
    BadBodyError: 400,
    TooLargeError: 413,
    StorageFullError: 507,
    TransientError: 503,
}
"""Of HTTP, by what went wrong; the first that fits counts."""
_MAX_TOLD: Final = 3
"""Bad samples that an answer tells of; Prometheus logs its first line."""
_MAX_EXCERPT: Final = 120


def build_remote_routes(desk: RemoteDesk | None) -> APIRouter:
    """The route; without a desk it says what is to be set."""
    router = APIRouter(include_in_schema=False)

    @router.post("/api/v1/write")
    async def write(request: Request) -> Response:
        """Samples, as Prometheus sends them."""
        if desk is None:
            return _refuse(404, _ABSENT)
        if not desk.login.admits(request.headers, {}):
            return _refuse(401, "who writes here needs a token, or user and password")
        encoding = request.headers.get("content-encoding", "snappy").strip().lower()
        if encoding != "snappy":
            return _refuse(415, f"Content-Encoding {encoding[:40]!r} is not snappy")
        edition = _find_edition(request.headers.get("content-type", ""))
        if edition is None:
            return _refuse(415, f"Content-Type must be one of {_word_types()}")
        return await _take(request, desk, edition)

    return router


async def _take(request: Request, desk: RemoteDesk, edition: Edition) -> Response:
    try:
        with desk.writes.open_request() as opened:
            packed = await read_body(request.stream(), "", opened)
            receipt = await desk.writes.take(packed, edition, opened)
    except ClientDisconnect:
        # Nobody is left to read it; nothing was taken.
        answer = _refuse(400, "the body is cut off")
    except tuple(_STATUS) as fault:
        status = next(code for kind, code in _STATUS.items() if isinstance(fault, kind))
        answer = _refuse(status, str(fault))
    else:
        answer = _refuse(400, _word_bad(receipt)) if receipt.bad else Response(status_code=204)
        return _count(answer, edition, receipt.n_samples)
    return _count(answer, edition, 0)


def _find_edition(content_type: str) -> Edition | None:
    """Which message a body holds; None when it is none that is known."""
    media, *words = content_type.split(";")
    if media.strip().lower() != "application/x-protobuf":
        return None
    proto = ""
    for word in words:
        name, _, value = word.partition("=")
        if name.strip().lower() == "proto":
            proto = value.strip().strip('"')
    return _EDITIONS.get(proto)


def _word_types() -> str:
    return ", ".join(f"application/x-protobuf;proto={one}" for one in _EDITIONS if one)


def _count(answer: Response, edition: Edition, n_samples: int) -> Response:
    """Say what was written: neither histograms nor exemplars ever are."""
    if edition is Edition.V2:
        for what, count in (("Samples", n_samples), ("Histograms", 0), ("Exemplars", 0)):
            answer.headers[f"X-Prometheus-Remote-Write-{what}-Written"] = str(count)
    return answer


def _refuse(status: int, words: str) -> Response:
    answer = PlainTextResponse(words + "\n", status)
    if status in {503, 507}:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="Wattscope"'
    return answer


def _word_bad(receipt: SampleReceipt) -> str:
    n_bad = len(receipt.bad)
    told = "; ".join(_word_sample(one) for one in receipt.bad[:_MAX_TOLD])
    more = f"; and {n_bad - _MAX_TOLD} more" if n_bad > _MAX_TOLD else ""
    head = f"partial write: {receipt.n_samples} taken, " if receipt.n_samples else ""
    return f"{head}{n_bad} set aside: {told}{more}"


def _word_sample(bad: BadItem) -> str:
    """A bad sample in one line of text that is safe to show."""
    text = bad.line[: 4 * _MAX_EXCERPT].decode("utf-8", "replace")[:_MAX_EXCERPT]
    shown = "".join(sign if sign.isprintable() else "·" for sign in text)
    return f"{shown}: {bad.detail} ({bad.code})"
