"""Which of database and copy is right about the names.

::

    database          copy                      the names are those of
    sound, at N       sound, last line N        both
    sound, at N       last line N + 1           the copy: we died before the commit
    sound, at N       behind N, or damaged      the database; the copy is written anew
    damaged           sound                     the copy; the database is built anew
    damaged           damaged or missing        nobody: refused
"""

from __future__ import annotations

from dataclasses import dataclass

from wattscope.core.errors import StorageError
from wattscope.registry.names import Names, StoredNames, make_digest
from wattscope.registry.names_copy import CopyContent

_ADVICE = "restore it from a backup (`wattscope restore`)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The names, and what must be mended."""

    names: Names
    serial: int
    """Number of the last change in them."""
    database_fault: str | None = None
    """Why the database must be built anew."""
    copy_fault: str | None = None
    """What is wrong with the copy, which the database makes up for."""
    is_behind: bool = False
    """Whether the database lacks the last changes, but is sound."""


def judge(stored: StoredNames | str, copy: CopyContent | None) -> Verdict:
    """Decide between the two.

    Args:
        stored: What the database says, or what is wrong with it.
        copy: What the copy says; None when there is none.

    Raises:
        StorageError: Neither can be believed.
    """
    if isinstance(stored, str):
        return _take_copy(stored, copy)
    serial = stored.mark.serial
    if copy is None or copy.last < max(serial, copy.whole):
        return _take_database(stored, copy)
    if copy.last > serial + 1 or serial < copy.whole:
        return _take_copy(f"it lacks the last {copy.last - serial} changes of names", copy)
    if copy.fold(serial) != stored.names:
        return _take_differing(stored, copy)
    is_behind = copy.last > serial
    names = copy.fold(copy.last) if is_behind else stored.names
    fault = None if copy.is_torn else copy.fault
    return Verdict(names, copy.last, copy_fault=fault, is_behind=is_behind)


def _take_database(stored: StoredNames, copy: CopyContent | None) -> Verdict:
    if make_digest(stored.names) != stored.mark.digest:
        fault = "has none" if copy is None else f"is damaged too ({copy.fault or 'cut off'})"
        raise StorageError(f"some of its names are damaged, and its copy {fault}; {_ADVICE}")
    if copy is None:
        return Verdict(stored.names, stored.mark.serial)
    fault = copy.fault or "its end is missing"
    return Verdict(stored.names, stored.mark.serial, copy_fault=fault)


def _take_copy(fault: str, copy: CopyContent | None) -> Verdict:
    if copy is None:
        raise StorageError(f"{fault}, and there is no copy of its names; {_ADVICE}")
    if not copy.is_sound:
        raise StorageError(
            f"{fault}, and the copy of its names is damaged too "
            f"({copy.fault or 'its end is missing'}); {_ADVICE}"
        )
    return Verdict(copy.fold(copy.last), copy.last, database_fault=fault)


def _take_differing(stored: StoredNames, copy: CopyContent) -> Verdict:
    if make_digest(stored.names) == stored.mark.digest:
        raise StorageError(
            "the names in it are others than in its copy, and both are sound: they come from two "
            "data folders; put the right one of the two files back, or " + _ADVICE
        )
    last = Verdict(copy.fold(copy.last), copy.last)
    return Verdict(last.names, last.serial, "some of its names are damaged", copy.fault)
