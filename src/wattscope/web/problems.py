"""Errors over HTTP: problem+json (RFC 9457) with a stable ``code``, never a stack trace."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wattscope.core.errors import (
    QueryError,
    StorageFullError,
    TransientError,
    UnknownNameError,
    WattscopeError,
)

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
"""Codes of what the framework refuses; its own phrases change with the version of Python."""
_log = structlog.get_logger()
_STATUS: list[tuple[type[WattscopeError], int]] = [
    (UnknownNameError, 404),
    (QueryError, 422),
    (StorageFullError, 507),
    (TransientError, 503),
]
RETRY_AFTER_S = 10
"""When to ask again what was refused for now [s]; a full disk is looked at every second."""
_PROPERTIES = {"type": "string", "title": "string", "code": "string", "detail": "string"}
_CONTENT = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "properties": {name: {"type": kind} for name, kind in _PROPERTIES.items()}
            | {"status": {"type": "integer"}},
            "required": [*_PROPERTIES, "status"],
        }
    }
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such thing", "content": _CONTENT},
    422: {"description": "The question cannot be answered as asked", "content": _CONTENT},
}
WRITE_RESPONSES: dict[int | str, dict[str, Any]] = {
    503: {"description": "Nothing was taken; try again later", "content": _CONTENT},
    507: {"description": "The disk is full; nothing was taken", "content": _CONTENT},
}
"""For every route that brings data in."""
CHANGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    403: {"description": "Asked by a page of another address", "content": _CONTENT},
    415: {"description": "The body is not JSON", "content": _CONTENT},
}
"""For every route that changes something."""
UNREADY_RESPONSES: dict[int | str, dict[str, Any]] = {
    503: {"description": "Not now; try again later", "content": _CONTENT},
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
        answer = problem(status, fault.code, str(fault))
        if isinstance(fault, TransientError):
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
        return answer

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, fault: RequestValidationError) -> JSONResponse:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return problem(422, "invalid_parameter", f"{where}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, fault: HTTPException) -> JSONResponse:
        code = _CODES.get(fault.status_code, "refused")
        refused = problem(fault.status_code, code, str(fault.detail))
        refused.headers.update(fault.headers or {})
        return refused

    @app.exception_handler(Exception)
    async def on_unforeseen(request: Request, fault: Exception) -> JSONResponse:
        _log.error("request failed", path=request.url.path, error=type(fault).__name__)
        return problem(500, "internal", "an unforeseen error; see the log of the program")
