"""The readings of a file of line protocol, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wattscope.compute.files.line_blocks import group_lines
from wattscope.compute.files.line_map import PRECISIONS, LineMap
from wattscope.compute.files.line_meaning import read_point
from wattscope.compute.files.line_protocol import MAX_EXCERPT, BadLine, parse_lines
from wattscope.core.findings import Rejection
from wattscope.core.reading import Reading


class NumberedReading(NamedTuple):
    """A reading and the line from which it comes."""

    line_number: int
    reading: Reading


def decode_lines(blocks: Iterable[bytes], line_map: LineMap) -> Iterator[NumberedReading | BadLine]:
    """The readings and the bad lines of a file, in order.

    A text in quotes that holds a line feed is cut where a group of 10,000 lines ends.

    Args:
        blocks: The file in order, in pieces of any size.
        line_map: What its points mean.
    """
    precision = PRECISIONS[line_map.precision]
    for group in group_lines(blocks):
        payload = b"\n".join(group.lines)
        for found in parse_lines(payload, precision, first_line=group.first_line):
            if isinstance(found, BadLine):
                yield found
                continue
            reading = read_point(found, line_map)
            if isinstance(reading, Rejection):
                excerpt = f"{found.measurement} {found.fields}"[:MAX_EXCERPT]
                yield BadLine(found.line_number, 1, reading.code, reading.detail, excerpt)
            elif isinstance(reading, Reading):
                yield NumberedReading(found.line_number, reading)
