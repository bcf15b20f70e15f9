"""Upkeep beside everything else: the weekly scrub of all files, and retention once an hour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import structlog

from wattscope.assembly.storage import Storage, now_us
from wattscope.core.errors import StorageError
from wattscope.core.time_grid import US_PER_DAY, format_utc
from wattscope.pipeline.supervise import keep_running
from wattscope.settings import RetentionSettings, Settings
from wattscope.stores.checked_files import FileDamage
from wattscope.stores.rollup_plan import LEVELS
from wattscope.stores.upkeep.retention import Removal, RetentionRule

_log = structlog.get_logger()
RETENTION_EVERY_S = 3600.0
FIRST_SCRUB_S = 3600.0
"""A program that is started more often than once a week is scrubbed all the same."""
REST_FACTOR = 99
"""For each second of reading so many of rest: 1 % of one core at most."""
_DAY_S = 86_400.0


def build_upkeep(settings: Settings, storage: Storage) -> list[Coroutine[Any, Any, None]]:
    """The supervised work that the settings ask for."""
    wanted = settings.storage
    work: list[Coroutine[Any, Any, None]] = []
    if wanted.scrub_days > 0:
        every_s = wanted.scrub_days * _DAY_S
        work.append(keep_running("scrub", lambda: scrub_regularly(storage, every_s)))
    if wanted.retention:
        rules = build_rules(wanted.retention)
        work.append(keep_running("retention", lambda: retain_regularly(storage, rules)))
    return work


def build_rules(wanted: tuple[RetentionSettings, ...]) -> tuple[RetentionRule, ...]:
    """The rules of the settings, in their order."""
    return tuple(
        RetentionRule(
            one.quantity,
            _to_us(one.raw_days),
            tuple((level, _to_us(getattr(one, f"level_{level}_days"))) for level in LEVELS),
        )
        for one in wanted
    )


def _to_us(days: float) -> int:
    return round(days * US_PER_DAY)


async def retain_regularly(storage: Storage, rules: tuple[RetentionRule, ...]) -> None:
    """Keep to the rules for ever; looks after a flush, once an hour."""
    said: set[Removal] = set()
    while True:
        await asyncio.to_thread(storage.persist.flush)
        for one in await asyncio.to_thread(_retain, storage, rules):
            # What cannot be removed yet is tried again each hour; that is said once.
            if one.rows or one not in said:
                _log.info("retention", what=one.what, span=format_utc(one.span_us), rows=one.rows)
            said.add(one)
        await asyncio.sleep(RETENTION_EVERY_S)


def _retain(storage: Storage, rules: tuple[RetentionRule, ...]) -> list[Removal]:
    try:
        return storage.store.retain(rules, now_us())
    except StorageError as fault:
        # The rows are still there; a disk that cannot be believed must not end the program.
        _log.error("retention failed", reason=str(fault))
        return []


async def scrub_regularly(storage: Storage, every_s: float) -> None:
    """Check all files for ever, at one hundredth of the time."""
    await asyncio.sleep(min(FIRST_SCRUB_S, every_s))
    while True:
        await scrub_once(storage)
        await asyncio.sleep(every_s)


async def scrub_once(storage: Storage) -> int:
    """Check all files; damage is an alarm in the log. Returns how many were found damaged."""
    files = storage.store.scrub()
    n_damaged = 0
    while True:
        began = time.monotonic()
        step = await asyncio.to_thread(_take_step, files)
        if step is None:
            return n_damaged
        for damage in step:
            n_damaged += 1
            _log.error(
                "file damaged",
                file=damage.file,
                rows=damage.rows,
                detail=damage.detail,
                advice="run wattscope verify, then wattscope repair",
            )
        await asyncio.sleep(REST_FACTOR * (time.monotonic() - began))


def _take_step(files: Iterator[FileDamage | None]) -> tuple[FileDamage, ...] | None:
    """Damage of the next file; None when there is none left."""
    try:
        found = next(files)
    except StopIteration:
        return None
    return () if found is None else (found,)
