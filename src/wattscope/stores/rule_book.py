"""Which rules the kept buckets were made with, so that a change of settings makes them anew.

A meter's interval, rating or rollover, or a decision of a person about one of its steps, changes
what its rows mean. The rules of all series are remembered beside the manifest as checksums; series
whose rule has changed since are rolled up again.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from wattscope.compute.segments import SeriesRule
from wattscope.stores.manifest import publish_file
from wattscope.stores.parquet.layout import DamagedBytesError, compress, decompress

BOOK_NAME = "rules.zst"


class _Book(msgspec.Struct, frozen=True):
    checksum: int
    rules: dict[int, int]
    """Checksum of the rule of each series."""


def find_changed(folder: Path, rules: Mapping[int, SeriesRule]) -> set[int]:
    """Series whose rule is another than when it was last remembered; new ones are not among them.

    Where the book is damaged, all of them; where there is none yet, none.
    """
    try:
        content = (folder / BOOK_NAME).read_bytes()
    except FileNotFoundError:
        return set()
    try:
        book = msgspec.msgpack.decode(decompress(content), type=_Book)
    except (msgspec.MsgspecError, DamagedBytesError):
        return set(rules)
    if book.checksum != _sum_up(book.rules):
        return set(rules)
    now = _check_rules(rules)
    return {one for one, crc in book.rules.items() if one in now and now[one] != crc}


def remember(folder: Path, rules: Mapping[int, SeriesRule]) -> None:
    """Write the rules down durably; call when what was made with others is marked."""
    checks = _check_rules(rules)
    # Meters of one kind have one rule, so that this is small however many there are.
    content = compress(msgspec.msgpack.encode(_Book(_sum_up(checks), checks)))
    path = folder / BOOK_NAME
    if path.exists() and path.read_bytes() == content:
        return
    aside = path.with_suffix(".new")
    aside.write_bytes(content)
    publish_file(aside, path)


def _check_rules(rules: Mapping[int, SeriesRule]) -> dict[int, int]:
    return {one: zlib.crc32(repr(rules[one]).encode()) for one in sorted(rules)}


def _sum_up(checks: Mapping[int, int]) -> int:
    return zlib.crc32(msgspec.msgpack.encode(dict(checks)))
