"""Reads tables that people wrote, and gathers every fault instead of stopping at the first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, TypeGuard


class TableReader:
    """Reads entries of a parsed TOML file.

    A fault becomes one line in ``faults``: where, what, and what to write instead. The value
    returned for a faulty entry is harmless, so that the reading can go on.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []

    def check_keys(self, table: Mapping[str, Any], valid: Iterable[str], where: str) -> None:
        """Refuse every key that is not among the valid ones."""
        known = tuple(valid)
        for key in table:
            if key not in known:
                self.faults.append(f"{where}{key}: unknown key; {suggest(key, known)}")

    def read_table(self, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        part = table.get(key, {})
        if isinstance(part, Mapping):
            return part
        self.faults.append(f"{key}: must be a table")
        return {}

    def read_text(self, table: Mapping[str, Any], key: str, where: str) -> str:
        text = table.get(key)
        if isinstance(text, str) and text:
            return text
        self.faults.append(f"{where}{key}: must be a text that is not empty")
        return ""

    def read_choice(
        self, table: Mapping[str, Any], key: str, valid: tuple[str, ...], where: str
    ) -> str:
        """One of the valid words; empty when it is none of them."""
        choice = table.get(key)
        if isinstance(choice, str) and choice in valid:
            return choice
        if choice is None:
            self.faults.append(f"{where}{key}: missing; use one of {', '.join(valid)}")
        else:
            near = suggest(str(choice), valid)
            self.faults.append(f"{where}{key}: {choice!r} is unknown; {near}")
        return ""

    def read_flag(self, table: Mapping[str, Any], key: str) -> bool:
        flag = table.get(key)
        if not isinstance(flag, bool):
            self.faults.append(f"{key}: must be true or false")
        return flag is True


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a value is a number that can be reckoned with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def suggest(word: str, valid: tuple[str, ...]) -> str:
    """What to write instead: the nearest valid word, or all of them when none is near."""
    near = difflib.get_close_matches(word, valid, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"use one of {', '.join(valid)}" if valid else "there is none to choose from"
