"""Numbers on their way out: unknown is null, never NaN and never a zero."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi.responses import Response

SIGNIFICANT_DIGITS = 12
CSV_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON, or the same rows as CSV",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}
"""What a route that can also answer in CSV adds to its description."""


def number(value: float | None) -> float | None:
    """A finite number without the noise of its last bits, or None.

    >>> number(0.1 + 0.2), number(float("nan"))
    (0.3, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def numbers(column: npt.NDArray[np.float64]) -> list[float | None]:
    """A column for an answer in JSON."""
    return [number(value) for value in column.tolist()]


def total(column: npt.NDArray[np.float64]) -> float | None:
    """The sum of what is known, or None where nothing is."""
    known = column[~np.isnan(column)]
    return number(float(known.sum())) if len(known) else None


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """Rows as a CSV file; empty cells for the unknown.

    Args:
        name: Name of the file without ending; made by us, never by a caller.
        columns: Names of the columns.
        rows: Rows with None for the unknown.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if cell is None else _defuse(cell) for cell in row])
    return Response(
        text.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _defuse(cell: object) -> object:
    """A text that a spreadsheet would run as a formula is marked as text (OWASP CSV injection)."""
    if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + cell
    return cell
