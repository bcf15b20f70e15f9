"""Errors over HTTP: problem+json (RFC 9457) with a stable ``code``, never a stack trace."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wattscope.core.errors import QueryError, TransientError, UnknownNameError, WattscopeError

_log = structlog.get_logger()
_STATUS: list[tuple[type[WattscopeError], int]] = [
    (UnknownNameError, 404),
    (QueryError, 422),
    (TransientError, 503),
]
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such thing (problem+json)"},
    422: {"description": "The question cannot be answered as asked (problem+json)"},
}


def problem(status: int, code: str, detail: str) -> JSONResponse:
    """A problem document."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return JSONResponse(body, status, media_type="application/problem+json")


def install_problem_handlers(app: FastAPI) -> None:
    """Turn every error into a problem document."""

    @app.exception_handler(WattscopeError)
    async def on_own(_request: Request, fault: WattscopeError) -> JSONResponse:
        status = next((code for kind, code in _STATUS if isinstance(fault, kind)), 500)
        return problem(status, fault.code, str(fault))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, fault: RequestValidationError) -> JSONResponse:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return problem(422, "invalid_parameter", f"{where}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, fault: HTTPException) -> JSONResponse:
        code = HTTPStatus(fault.status_code).phrase.lower().replace(" ", "_")
        return problem(fault.status_code, code, str(fault.detail))

    @app.exception_handler(Exception)
    async def on_unforeseen(request: Request, fault: Exception) -> JSONResponse:
        _log.error("request failed", path=request.url.path, error=type(fault).__name__)
        return problem(500, "internal", "an unforeseen error; see the log of the program")
