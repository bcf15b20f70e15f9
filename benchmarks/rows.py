"""Rows of a benchmark, as a table and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

OURS = "wattscope"
_WIDE = 160


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
    target: str = ""
    """What it should be and whether it is so, in words; only for the table."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At least or at most so much."""

    value: float
    is_least: bool = False

    def judge(self, found: float) -> str:
        """The target in words, and whether it is met or by how much it is missed."""
        sign = "≥" if self.is_least else "≤"
        words = f"{sign} {self.value:,g}"
        if found >= self.value if self.is_least else found <= self.value:
            return f"{words} met"
        ratio = self.value / found if self.is_least else found / self.value
        return f"{words} MISSED by {ratio:.2f} x"

    def mark(self, row: Row) -> Row:
        """The figure with its target beside it."""
        return replace(row, target=self.judge(row.value))


def print_rows(rows: Sequence[Row], notes: Sequence[str]) -> None:
    """The table, with what must be known to read it below."""
    table = Table("case", "subject", "metric", "value", "unit")
    table.columns[3].justify = "right"
    has_targets = any(row.target for row in rows)
    if has_targets:
        table.add_column("target")
    for row in rows:
        cells = [row.case, row.subject, row.metric, format_value(row.value), row.unit]
        table.add_row(*cells, *([row.target] if has_targets else []))
    # In a file nothing is too wide, but a cell in pieces cannot be searched for.
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    console.print(table)
    for note in notes:
        console.print(f"- {note}", markup=False, highlight=False)


def format_value(value: float) -> str:
    """Two or three digits, and all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def write_rows(rows: Sequence[Row], file: Path) -> None:
    """The rows as a JSON list."""
    listed = [
        {name: value for name, value in asdict(row).items() if name != "target"} for row in rows
    ]
    file.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
