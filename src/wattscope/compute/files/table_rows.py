"""Cuts lines of a table into cells, and sets aside the lines that are no row of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from wattscope.compute.files.line_blocks import LineGroup
from wattscope.core.findings import ReasonCode

MAX_EXCERPT = 120
"""Characters of a bad row that are shown."""

_BOM = b"\xef\xbb\xbf"

Row = list[str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that was set aside."""

    line_number: int
    """The first line of a file is 1."""
    code: ReasonCode
    detail: str
    excerpt: str
    """At most ``MAX_EXCERPT`` characters of the line, without control characters."""
    line: bytes
    """The line itself, for quarantine."""


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file of which nothing can be trusted; no row of it was given before."""

    line_number: int
    """Where that became clear; the first line is 1."""
    detail: str


@dataclass(frozen=True, slots=True)
class TableLines:
    """Lines that are not blank, with their numbers."""

    numbers: Sequence[int]
    lines: Sequence[bytes]
    cut: frozenset[int] = frozenset()
    """Numbers of lines that were too long."""

    def rest(self) -> TableLines:
        """All lines but the first."""
        return TableLines(self.numbers[1:], self.lines[1:], self.cut)

    def only(self, positions: Sequence[int]) -> TableLines:
        """Some of the lines."""
        return TableLines(
            [self.numbers[p] for p in positions], [self.lines[p] for p in positions], self.cut
        )

    def reject(self, position: int, code: ReasonCode, detail: str) -> BadRow:
        """A line set aside."""
        line = self.lines[position]
        text = line[: 4 * MAX_EXCERPT].decode("utf-8", "replace")
        excerpt = "".join(c if c.isprintable() else "·" for c in text[:MAX_EXCERPT])
        return BadRow(self.numbers[position], code, detail, excerpt, line)


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of equal length with the lines from which they come."""

    rows: list[Row]
    lines: TableLines
    bad: tuple[BadRow, ...]
    """Lines without a row."""


def clean_lines(group: LineGroup) -> TableLines:
    """The lines of a group without byte order mark, carriage returns and blank lines."""
    lines = [line.rstrip(b"\r") for line in group.lines]
    if group.first_line == 1:
        lines[0] = lines[0].removeprefix(_BOM)
    first = group.first_line
    cut = frozenset(first + position for position in group.cut)
    numbers = range(first, first + len(lines))
    if all(lines):
        return TableLines(numbers, lines, cut)
    kept = [position for position, line in enumerate(lines) if line]
    return TableLines(numbers, lines, cut).only(kept)


def split_rows(lines: TableLines, delimiter: str, width: int) -> TableRows:
    """The cells of every line that has ``width`` of them."""
    rows: list[Row] = []
    kept: list[int] = []
    texts, bad = _decode_texts(lines)
    for position, text in texts.items():
        row = text.split(delimiter) if '"' not in text else split_line(text, delimiter)
        if row is not None and len(row) == width:
            rows.append(row)
            kept.append(position)
        elif row is None:
            bad.append(lines.reject(position, ReasonCode.SYNTAX, "the quotes do not match"))
        elif text.strip():
            detail = f"the line has {len(row)} columns, the first line {width}"
            bad.append(lines.reject(position, ReasonCode.SYNTAX, detail))
    if len(kept) < len(lines.numbers):
        lines = lines.only(kept)
    return TableRows(rows, lines, tuple(bad))


def split_line(text: str, delimiter: str) -> Row | None:
    """The cells of a line that may have quotes; None when they do not match."""
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _decode_texts(lines: TableLines) -> tuple[dict[int, str], list[BadRow]]:
    """The text of each line by its position, and the lines that are no text."""
    whole = b"\n".join(lines.lines)
    if b"\0" not in whole and lines.cut.isdisjoint(lines.numbers):
        try:
            return dict(enumerate(whole.decode("utf-8").split("\n"))), []
        except UnicodeDecodeError:
            pass
    texts: dict[int, str] = {}
    bad: list[BadRow] = []
    for position, line in enumerate(lines.lines):
        if lines.numbers[position] in lines.cut:
            bad.append(lines.reject(position, ReasonCode.TOO_BIG, "the line is longer than 1 MiB"))
        elif b"\0" in line:
            bad.append(lines.reject(position, ReasonCode.ENCODING, "the line contains NUL bytes"))
        else:
            try:
                texts[position] = line.decode("utf-8")
            except UnicodeDecodeError as error:
                detail = f"byte {error.start + 1} of the line is not UTF-8"
                bad.append(lines.reject(position, ReasonCode.ENCODING, detail))
    return texts, bad
