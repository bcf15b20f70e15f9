"""Paths into JSON documents, as profiles spell them.

::

    Body.Data.PAC.Value            keys, one after the other
    meters[0].power                an element of an array, from 0
    external[type=gas_meter].value the first object of an array in which the key has that text
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Where:
    """Chooses the first object of an array whose members have these texts."""

    members: tuple[tuple[str, str], ...]


Path: TypeAlias = tuple[str | int | Where, ...]


class Absent:
    """What is found where the document has nothing; not the same as null."""


ABSENT: Final = Absent()

_SEGMENT = re.compile(r"(?P<key>[^.\[\]]+)(?P<steps>(?:\[[^\[\]]+\])*)")
_STEP = re.compile(r"\[([^\[\]]+)\]")


def parse_path(text: str) -> Path | None:
    """The steps of a path, or None when it is not one.

    >>> parse_path("meters[0].power")
    ('meters', 0, 'power')
    """
    path: list[str | int | Where] = []
    position = 0
    while True:
        segment = _SEGMENT.match(text, position)
        if segment is None:
            return None
        path.append(segment["key"])
        for step in _STEP.findall(segment["steps"]):
            parsed = _parse_step(step)
            if parsed is None:
                return None
            path.append(parsed)
        position = segment.end()
        if position == len(text):
            return tuple(path)
        if text[position] != ".":
            return None
        position += 1


def find(document: object, path: Path) -> object:
    """What the document has at the path, or ``ABSENT``."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(document, Mapping) or step not in document:
                return ABSENT
            document = document[step]
        elif not isinstance(document, list):
            return ABSENT
        elif isinstance(step, int):
            if step >= len(document):
                return ABSENT
            document = document[step]
        else:
            document = _choose(document, step)
    return document


def _parse_step(text: str) -> int | Where | None:
    if text.isascii() and text.isdigit() and len(text) <= 4:
        return int(text)
    members = [part.partition("=") for part in text.split(",")]
    if not all(key and equals and value for key, equals, value in members):
        return None
    return Where(tuple((key, value) for key, _, value in members))


def _choose(elements: list[object], where: Where) -> object:
    for element in elements:
        if isinstance(element, Mapping) and all(
            element.get(key) == value for key, value in where.members
        ):
            return element
    return ABSENT
