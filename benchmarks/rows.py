"""Rows of a benchmark, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

OURS = "wattscope"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    case: str
    subject: str
    metric: str
    value: float
    unit: str
    """``readings/s``, ``values/s``, ``rows/s``, ``B/value``, ``ms``, ``MB``, ``CPU-s/M``,
    ``share`` or ``x``."""


def print_rows(rows: Sequence[Row], notes: Sequence[str]) -> None:
    """The table, with what must be known to read it below."""
    table = Table("case", "subject", "metric", "value", "unit")
    table.columns[3].justify = "right"
    for row in rows:
        table.add_row(row.case, row.subject, row.metric, format_value(row.value), row.unit)
    console = Console()
    console.print(table)
    for note in notes:
        console.print(f"- {note}", markup=False, highlight=False)


def format_value(value: float) -> str:
    """Three digits at least, and all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def write_rows(rows: Sequence[Row], file: Path) -> None:
    """The rows as a JSON list."""
    file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
