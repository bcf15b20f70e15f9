"""Answers as InfluxDB gives them: what senders look for to decide whether to send again.

Telegraf drops points for any 4xx of the first API and keeps them for 5xx; so 4xx says that these
points will never be taken, and 503 or 507 that they should come again (its outputs ``influxdb``
and ``influxdb_v2``).
"""

from __future__ import annotations

import uuid
from enum import Enum
from typing import Any, Final

from fastapi.responses import JSONResponse, Response

from wattscope.core.findings import ReasonCode
from wattscope.web.line_desk import BadPoint, WriteReceipt
from wattscope.web.problems import RETRY_AFTER_S

VERSION: Final = "1.8.10"
"""The InfluxDB whose ways of writing are spoken; senders choose theirs by it."""
MAX_LISTED: Final = 100
"""Bad lines that an answer tells of, one by one."""
_MAX_EXCERPT: Final = 64
_UNREADABLE: Final = {
    one.value
    for one in (
        ReasonCode.SYNTAX,
        ReasonCode.ENCODING,
        ReasonCode.NOT_FINITE,
        ReasonCode.RANGE,
        ReasonCode.TOO_BIG,
        ReasonCode.DUPLICATE_KEY,
    )
}
_CODES: Final = {
    400: "invalid",
    401: "unauthorized",
    404: "not found",
    413: "request too large",
    422: "unprocessable entity",
    503: "unavailable",
    507: "unavailable",
}
"""Codes of the second API (InfluxDB 2, ``kit/platform/errors``)."""


class Api(Enum):
    """Which of InfluxDB's ways of writing."""

    V1 = 1
    V2 = 2


def empty_answer(status: int = 204) -> Response:
    """Nothing to say but that all is well."""
    return _with_names(Response(status_code=status))


def data_answer(document: dict[str, Any]) -> Response:
    return _with_names(JSONResponse(document))


def error_answer(
    api: Api, status: int, message: str, more: dict[str, Any] | None = None
) -> Response:
    """A refusal in the words of an API.

    Args:
        api: Whose.
        status: Of HTTP.
        message: For a person.
        more: What the answer says beside that.
    """
    if api is Api.V1:
        body = {"error": message}
    else:
        body = {"code": _CODES.get(status, "internal error"), "message": message}
    answer = JSONResponse(body | (more or {}), status)
    # A header has one line, of Latin letters.
    shown = " ".join(message.split())[:500].encode("ascii", "replace").decode()
    answer.headers["X-Influxdb-Error"] = shown
    if status in {503, 507}:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="InfluxDB"'
    return _with_names(answer)


def partial_answer(api: Api, receipt: WriteReceipt) -> Response:
    """Some points or all are not taken: which, and why."""
    n_bad, n_good = len(receipt.bad), receipt.n_points - len(receipt.bad)
    is_unreadable = any(one.code in _UNREADABLE for one in receipt.bad)
    words = "; ".join(_word_bad(one) for one in receipt.bad[:3])
    rest = f"; and {n_bad - 3} more" if n_bad > 3 else ""
    head = "partial write: " if n_good else ""
    more = {
        "accepted": n_good,
        "rejected": n_bad,
        "lines": [_describe_bad(one) for one in receipt.bad[:MAX_LISTED]],
    }
    status = 400 if is_unreadable or api is Api.V1 else 422
    return error_answer(api, status, f"{head}{words}{rest} dropped={n_bad}", more)


def _word_bad(bad: BadPoint) -> str:
    if bad.code in _UNREADABLE:
        return f"unable to parse '{_cut(bad.line)}': line {bad.line_number}, {bad.detail}"
    return f"line {bad.line_number} is set aside: {bad.detail} ({bad.code})"


def _describe_bad(bad: BadPoint) -> dict[str, Any]:
    return {
        "line": bad.line_number,
        "code": bad.code,
        "detail": bad.detail,
        "excerpt": _cut(bad.line),
    }


def _cut(line: bytes) -> str:
    """The beginning of a line from outside, safe to show."""
    text = line[: 4 * _MAX_EXCERPT].decode("utf-8", "replace")[:_MAX_EXCERPT]
    return "".join(sign if sign.isprintable() else "·" for sign in text)


def _with_names(answer: Response) -> Response:
    request = str(uuid.uuid4())
    answer.headers["X-Influxdb-Version"] = VERSION
    answer.headers["X-Influxdb-Build"] = "Wattscope"
    answer.headers["Request-Id"] = answer.headers["X-Request-Id"] = request
    return answer
