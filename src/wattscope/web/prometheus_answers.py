"""Answers in the JSON of Prometheus' API: numbers as texts, instants in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from fastapi.responses import JSONResponse, Response, StreamingResponse

from wattscope.compute.promql.faults import PromqlError, PromqlTextError
from wattscope.compute.promql.frames import Frame
from wattscope.compute.promql.matchers import Labels
from wattscope.core.errors import TransientError, WattscopeError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.web.problems import RETRY_AFTER_S

_US_PER_MS = 1000


def good_answer(content: Any) -> Response:  # noqa: ANN401  # JSON
    """An answer that is short."""
    return JSONResponse({"status": "success", "data": content})


def error_answer(fault: WattscopeError) -> Response:
    """A refusal: 400 for what is wrong with the words, 422 for what cannot be answered."""
    status, kind = 422, "execution"
    if isinstance(fault, PromqlTextError):
        status, kind = 400, "bad_data"
    elif isinstance(fault, TransientError):
        status, kind = 503, "unavailable"
    elif isinstance(fault, PromqlError):
        kind = fault.kind
    body = {"status": "error", "errorType": kind, "error": str(fault)}
    answer = JSONResponse(body, status)
    if status == 503:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def scalar_answer(at_us: int, value: float) -> Response:
    return good_answer({"resultType": "scalar", "result": [at_us / 1e6, show_value(value)]})


def text_answer(at_us: int, text: str) -> Response:
    return good_answer({"resultType": "string", "result": [at_us / 1e6, text]})


def vector_answer(at_us: int, frame: Frame) -> Response:
    """The values of the only step."""
    instant = show_instant(at_us)
    return _stream(
        "vector",
        (
            f'{{"metric":{_show_labels(labels)},"value":[{instant},"{show_value(value)}"]}}'
            for labels, value in zip(frame.labels, frame.values[:, 0].tolist(), strict=True)
        ),
    )


def matrix_answer(steps_us: Int64Column, frame: Frame) -> Response:
    """The values of all steps, ordered by labels."""
    instants = np.array([show_instant(one) for one in steps_us.tolist()], dtype=object)
    order = sorted(range(len(frame.labels)), key=lambda row: frame.labels[row])
    return _stream(
        "matrix",
        (
            _show_series(
                frame.labels[row],
                instants[frame.is_there[row]].tolist(),
                frame.values[row, frame.is_there[row]],
            )
            for row in order
        ),
    )


def rows_answer(found: Sequence[tuple[Labels, Int64Column, FloatColumn]]) -> Response:
    """Readings as they are."""
    return _stream(
        "matrix",
        (
            _show_series(labels, [show_instant(one) for one in t_us.tolist()], value)
            for labels, t_us, value in found
        ),
    )


def _show_series(labels: Labels, instants: Sequence[str], values: FloatColumn) -> str:
    pairs = ",".join(
        f'[{instant},"{show_value(value)}"]'
        for instant, value in zip(instants, values.tolist(), strict=True)
    )
    return f'{{"metric":{_show_labels(labels)},"values":[{pairs}]}}'


def _stream(kind: str, series: Iterable[str]) -> Response:
    """An answer that is written series by series, for it may be long."""

    def write() -> Iterator[str]:
        yield f'{{"status":"success","data":{{"resultType":"{kind}","result":['
        for number, one in enumerate(series):
            yield f",{one}" if number else one
        yield "]}}"

    return StreamingResponse(write(), media_type="application/json")


def _show_labels(labels: Labels) -> str:
    return json.dumps(dict(labels), ensure_ascii=False, separators=(",", ":"))


def show_instant(at_us: int) -> str:
    """Seconds since 1970, to the millisecond.

    >>> show_instant(1_700_000_000_000_000), show_instant(1_700_000_000_250_000)
    ('1700000000', '1700000000.250')
    """
    seconds, milliseconds = divmod(at_us // _US_PER_MS, 1000)
    return f"{seconds}.{milliseconds:03d}" if milliseconds else str(seconds)


def show_value(value: float) -> str:
    """A number without an exponent; the shortest that reads back as the same.

    >>> show_value(230.0), show_value(1e-7), show_value(float("inf")), show_value(float("nan"))
    ('230', '0.0000001', '+Inf', 'NaN')
    """
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "n" in text:
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[text]
    return format(Decimal(text), "f") if "e" in text else text
