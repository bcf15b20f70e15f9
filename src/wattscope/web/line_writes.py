"""InfluxDB's ways to write, and what senders ask before they do.

204 is said when every point is durable. Points that cannot be taken do not keep the others from
being taken; the answer says which they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from wattscope.core.errors import (
    BadBodyError,
    QueryError,
    StorageFullError,
    TooLargeError,
    TransientError,
    WattscopeError,
)
from wattscope.web.influx_answers import (
    VERSION,
    Api,
    data_answer,
    empty_answer,
    error_answer,
    partial_answer,
)
from wattscope.web.influx_query import answer_query
from wattscope.web.line_body import read_body
from wattscope.web.line_desk import LineDesk

LINE_PATHS: Final = frozenset({"/write", "/api/v2/write", "/query"})
"""Paths whose bodies are no JSON and have a limit of their own."""
_PRECISIONS: Final = {
    Api.V1: {"n": "ns", "ns": "ns", "u": "us", "µ": "us", "us": "us", "ms": "ms"}
    | {"s": "s", "m": "m", "h": "h"},
    Api.V2: {one: one for one in ("ns", "us", "ms", "s")},
}
_ABSENT: Final = (
    "nothing is written here: the settings have no source of type influx; add [[sources]] with "
    'type = "influx", see docs/line-protocol.md'
)
_MAX_NAME: Final = 200
_STATUS: Final[dict[type[WattscopeError], int]] = {
    BadBodyError: 400,
    QueryError: 400,
    TooLargeError: 413,
    StorageFullError: 507,
    TransientError: 503,
}
"""Of HTTP, by what went wrong; the first that fits counts."""


def build_line_routes(
    desk: LineDesk | None, show_page: Callable[[], Response] | None = None
) -> APIRouter:
    """The routes.

    Args:
        desk: None: each says what is to be set.
        show_page: Answers ``/health`` to a browser, and to everybody where there is no desk: the
            program has a page of that name.
    """
    router = APIRouter(include_in_schema=False)

    @router.post("/write")
    async def write(request: Request) -> Response:
        """Points, as InfluxDB 1 takes them."""
        return await _serve(desk, request, Api.V1, partial(_write, request, Api.V1, "db"))

    @router.post("/api/v2/write")
    async def write_v2(request: Request) -> Response:
        """Points, as InfluxDB 2 takes them."""
        return await _serve(desk, request, Api.V2, partial(_write, request, Api.V2, "bucket"))

    @router.api_route("/query", methods=["GET", "POST"])
    async def query(request: Request) -> Response:
        """What senders ask before they write."""
        return await _serve(desk, request, Api.V1, partial(_query, request))

    @router.api_route("/ping", methods=["GET", "HEAD"])
    def ping(verbose: str = "") -> Response:
        """Whether the process answers."""
        if verbose and verbose not in {"0", "false"}:
            return data_answer({"version": VERSION})
        return empty_answer()

    @router.get("/health")
    def read_health(request: Request) -> Response:
        """Whether points would be taken, in InfluxDB's form."""
        is_browser = "text/html" in request.headers.get("accept", "")
        if show_page is not None and (is_browser or desk is None):
            return show_page()
        is_well = desk is not None
        words = "ready for queries and writes" if is_well else _ABSENT
        document: dict[str, object] = {
            "name": "influxdb",
            "message": words,
            "status": "pass" if is_well else "fail",
            "checks": [],
            "version": VERSION,
        }
        return JSONResponse(document, 200 if is_well else 503)

    return router


async def _serve(
    desk: LineDesk | None,
    request: Request,
    api: Api,
    work: Callable[[LineDesk], Awaitable[Response]],
) -> Response:
    """Do the work of a route for those who may, and word what goes wrong as its API does."""
    if desk is None:
        return error_answer(api, 404, _ABSENT)
    if not desk.login.admits(request.headers, request.query_params):
        words = "authorization failed" if api is Api.V1 else "unauthorized access"
        return error_answer(api, 401, words)
    try:
        return await work(desk)
    except ClientDisconnect:
        # Nobody is left to read it; nothing was taken.
        return error_answer(api, 400, "the body is cut off")
    except tuple(_STATUS) as fault:
        status = next(code for kind, code in _STATUS.items() if isinstance(fault, kind))
        return error_answer(api, status, str(fault))


async def _write(request: Request, api: Api, key: str, desk: LineDesk) -> Response:
    """Take the points of a request.

    Args:
        request: With the points as its body.
        api: Which way of writing.
        key: Of the query, which names the database.
        desk: Where points go.
    """
    words = request.query_params
    database = words.get(key, "")
    if not database:
        what = "database" if api is Api.V1 else "bucket"
        return error_answer(api, 400, f"{what} is required")
    if len(database) > _MAX_NAME or not database.isprintable():
        return error_answer(api, 400, f"{database[:40]!r} cannot be the name of a database")
    named = words.get("precision", "") or "ns"
    precision = _PRECISIONS[api].get(named)
    if precision is None:
        valid = ", ".join(_PRECISIONS[api])
        return error_answer(api, 400, f"invalid precision {named[:20]!r} (use {valid})")
    with desk.writes.open_request() as opened:
        encoding = request.headers.get("content-encoding", "")
        body = await read_body(request.stream(), encoding, opened)
        receipt = await desk.writes.take(body, database=database, precision=precision)
    return partial_answer(api, receipt) if receipt.bad else empty_answer()


async def _query(request: Request, desk: LineDesk) -> Response:
    """Answer what is asked in the query or in the form of a request."""
    words = dict(request.query_params)
    if "q" not in words:
        with desk.writes.open_request() as opened:
            body = await read_body(request.stream(), "", opened)
        words |= dict(parse_qsl(body.decode("utf-8", "replace")))
    return data_answer(
        answer_query(words.get("q", ""), desk.writes.databases, desk.writes.note_database)
    )
