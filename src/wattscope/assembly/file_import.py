"""Files with their way into the log: the same stages as for messages, a group of rows a record."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from wattscope.assembly.storage import Storage, now_us
from wattscope.compute.decode.profile import parse_profile
from wattscope.compute.files.column_map import ColumnMap, parse_column_map
from wattscope.compute.files.csv_table import RowGroup, decode_rows, has_columns
from wattscope.compute.files.green_button import FeedMap, decode_feed, parse_feed_map
from wattscope.compute.files.line_file import NumberedReading, decode_lines
from wattscope.compute.files.line_map import LineMap, parse_line_map
from wattscope.compute.files.line_protocol import BadLine
from wattscope.compute.files.nem12 import MarketMap, decode_records, parse_market_map
from wattscope.compute.files.recognise import HEAD_BYTES, recognise_format
from wattscope.compute.files.table_rows import BadFile, BadRow
from wattscope.compute.files.telegram_file import FORM_OF_DECODER, TelegramMap, decode_telegrams
from wattscope.compute.validate import find_future, grade_values
from wattscope.core.errors import PermanentError, SettingsError
from wattscope.core.findings import ReasonCode
from wattscope.core.quantities import Quantity, find_quantity
from wattscope.core.reading import Batch, Quality, concat_batches
from wattscope.core.time_grid import load_zone
from wattscope.core.topology import Device, DeviceKind
from wattscope.ports import Quarantined
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.sources.files import FileBody, open_bodies

Mapping = ColumnMap | LineMap | FeedMap | MarketMap | TelegramMap
_LINES_A_RECORD = 5000
# Formats of files: the decoder that a profile names, and what reads the profile.
_FORMATS: dict[str, Callable[..., Mapping]] = {
    "csv_table": parse_column_map,
    "line_protocol": parse_line_map,
    "green_button": parse_feed_map,
    "nem12": parse_market_map,
}
# Formats that say by their first bytes what they are, with the profile that reads them.
_PROFILE_OF_FORMAT = {
    "dsmr_p1": "dsmr-p1",
    "green_button": "green-button",
    "nem12": "nem12",
    "sml": "sml",
}


class ImportFailedError(PermanentError):
    """A file that as a whole is not what its profile says."""

    code = "import_failed"


@dataclass(slots=True)
class ImportSummary:
    """What became of the rows of some files."""

    rows: int = 0
    values: int = 0
    missing: int = 0
    """Values that the file itself marks as missing."""
    implausible: int = 0
    """Values out of range, or that stand for "no value": stored, but left out of sums."""
    stored: int = 0
    duplicate: int = 0
    bad_rows: int = 0
    quality_records: int = 0
    """Records that tell the quality of values, and were heeded."""
    by_code: Counter[str] = field(default_factory=Counter)
    """Rows and values that were set aside."""


def read_mapping(name: str, library: ProfileLibrary) -> Mapping:
    """The mapping of a file profile.

    Raises:
        SettingsError: No such profile, or one for messages.
    """
    table: dict[str, Any] = library.read(name)
    if table.get("decoder") in FORM_OF_DECODER:
        return TelegramMap(parse_profile(name, table))
    parse = _FORMATS.get(str(table.get("decoder")))
    if parse is not None:
        return parse(table, where=f"profile {name}")
    raise SettingsError(
        [f"profile {name!r} reads messages, not files; see wattscope import --help"]
    )


def find_profile(path: Path, library: ProfileLibrary) -> str | None:
    """The profile of a format that tells itself, or whose columns a table has.

    Of profiles of tables, it is the one with most columns, all of which the table has.

    Args:
        path: The file, perhaps packed.
        library: Profiles to choose from.

    Returns:
        Its name; None where none fits, or several alike.

    Raises:
        UnreadableFileError: The file cannot be opened or unpacked.
    """
    with contextlib.closing(open_bodies(path, lambda _: None)) as bodies:
        body = next(bodies, None)
        first = b"" if body is None else next(body.blocks, b"")
    known = recognise_format(first[:HEAD_BYTES])
    if known is not None:
        return _PROFILE_OF_FORMAT[known]
    line = first.partition(b"\n")[0].rstrip(b"\r").decode(errors="replace")
    fits = sorted(
        (len(column_map.file_columns), name)
        for name, column_map in _list_column_maps(library)
        if column_map.file_columns and has_columns(line, column_map)
    )
    if not fits or [n for n, _ in fits].count(fits[-1][0]) > 1:
        return None
    return fits[-1][1]


def _list_column_maps(library: ProfileLibrary) -> Iterator[tuple[str, ColumnMap]]:
    """The profiles of tables with a header; one that is wrong fits nothing."""
    for name in library.names():
        with contextlib.suppress(SettingsError):
            table = library.read(name)
            if table.get("decoder") == "csv_table":
                column_map = parse_column_map(table)
                if column_map.has_header and not column_map.skip_lines:
                    yield name, column_map


class FileImport:
    """Imports files into an open storage."""

    def __init__(
        self,
        storage: Storage,
        mapping: Mapping,
        site: str,
        time_zone: str,
        summary: ImportSummary | None = None,
    ) -> None:
        """``summary``: one to go on with."""
        self._storage = storage
        self._mapping = mapping
        self._site = site
        self._time_zone = time_zone
        self.summary = summary or ImportSummary()
        if isinstance(mapping, ColumnMap):
            self._register(mapping)

    def take(self, path: Path, on_read: Callable[[int], None]) -> None:
        """Import one file; what it shares with what is there changes nothing.

        Raises:
            UnreadableFileError: It cannot be opened or unpacked.
            ImportFailedError: It is not what the profile says.
        """
        mapping = self._mapping
        for body in open_bodies(path, on_read):
            if isinstance(mapping, ColumnMap):
                rows = decode_rows(body.blocks, mapping, site_time_zone=self._time_zone)
                self._take_groups(body, rows, head_lines=mapping.skip_lines + 1)
            elif isinstance(mapping, FeedMap):
                self._take_groups(body, decode_feed(body.blocks, mapping))
            elif isinstance(mapping, MarketMap):
                self._take_groups(body, decode_records(body.blocks, mapping))
            elif isinstance(mapping, TelegramMap):
                zone, end_us = load_zone(self._time_zone), min(body.written_at_us, now_us())
                self._take_readings(body, decode_telegrams(body.blocks, mapping, zone, end_us))
            else:
                self._take_readings(body, decode_lines(body.blocks, mapping))

    def _register(self, mapping: ColumnMap) -> None:
        site = mapping.describe_site()
        if site is not None:
            self._storage.registry.put_site(site)
            self._site, self._time_zone = site.id, site.time_zone
        for device in mapping.list_devices(self._site):
            self._storage.registry.put_device(device)
        self._storage.store.catalogue.forget()

    def _take_groups(
        self, body: FileBody, items: Iterable[RowGroup | BadRow | BadFile], head_lines: int = 0
    ) -> None:
        aside: list[Quarantined] = []
        for item in items:
            if isinstance(item, BadFile):
                raise ImportFailedError(f"{body.name}, line {item.line_number}: {item.detail}")
            if isinstance(item, BadRow):
                if head_lines and _is_of_head(item, head_lines):
                    raise ImportFailedError(f"{body.name}: {item.detail}")
                aside.append(self._set_aside(body.name, item))
                continue
            self.summary.rows += len(item)
            self.summary.quality_records += item.n_quality_records
            self._commit(concat_batches(self._batches_of(item)), aside)
            aside = []
        if aside:
            self._commit(concat_batches([]), aside)

    def _batches_of(self, group: RowGroup) -> Iterator[Batch]:
        for column in group.columns:
            self._ensure_device(column.device)
            series = self._storage.registry.ensure_series(column.device, column.quantity)
            quantity = _find(column.quantity)
            low, high = (np.full(len(group), one) for one in (quantity.low, quantity.high))
            grade = grade_values(column.value, low, high)
            yield Batch(
                np.full(len(group), series, np.int32),
                group.measured_at_us,
                column.value,
                column.quality | grade,
            )

    def _ensure_device(self, key: str) -> None:
        if self._storage.registry.find_device(key) is None:
            device = Device(key, self._site, key, DeviceKind.METER)
            if isinstance(self._mapping, ColumnMap):
                device = self._mapping.describe_device(key, self._site)
            elif isinstance(self._mapping, TelegramMap):
                device = replace(device, kind=self._mapping.profile.kind)
            self._storage.registry.put_device(device)

    def _take_readings(
        self, body: FileBody, items: Iterable[NumberedReading | BadLine | BadRow | BadFile]
    ) -> None:
        aside: list[Quarantined] = []
        rows: list[_PointRow] = []
        for item in items:
            if isinstance(item, BadFile):
                raise ImportFailedError(f"{body.name}, line {item.line_number}: {item.detail}")
            if isinstance(item, BadLine | BadRow):
                aside.append(self._set_aside(body.name, item))
                continue
            reading = item.reading
            self.summary.rows += 1
            self._ensure_device(reading.device)
            names = reading.quantities
            series = self._storage.registry.ensure_all_series(reading.device, names)
            t = now_us() if reading.measured_at_us is None else reading.measured_at_us
            rows += [
                _PointRow(one, t, value, _find(name).low, _find(name).high)
                for one, name, value in zip(series, names, reading.values, strict=True)
            ]
            if len(rows) >= _LINES_A_RECORD:
                self._commit(_batch_of(rows), aside)
                rows, aside = [], []
        if rows or aside:
            self._commit(_batch_of(rows), aside)

    def _commit(self, batch: Batch, aside: Iterable[Quarantined]) -> None:
        storage, summary = self._storage, self.summary
        is_future = find_future(batch.measured_at_us, now_us())
        if is_future.any():
            raise ImportFailedError(
                f"{int(is_future.sum())} values lie in the future; check the time zone of the "
                "profile and the clock of this machine"
            )
        tally = storage.tally
        before = (tally.stored, tally.duplicate)
        by_code = tally.quarantined_by_code.copy()
        items = tuple(aside)
        tally.received += len(batch) + len(items)
        tally.quarantined_by_code.update(item.code for item in items)
        storage.persist.append(batch, items)
        storage.persist.drain()
        summary.values += len(batch)
        summary.missing += int(np.isnan(batch.value).sum())
        summary.implausible += int(((batch.quality & Quality.IMPLAUSIBLE) != 0).sum())
        summary.stored += tally.stored - before[0]
        summary.duplicate += tally.duplicate - before[1]
        summary.bad_rows += len(items)
        # The store's own findings are among them: values that contradict what is there.
        summary.by_code.update(tally.quarantined_by_code - by_code)
        if storage.persist.is_flush_due:
            storage.persist.flush()

    def _set_aside(self, name: str, bad: BadRow | BadLine) -> Quarantined:
        line = bad.line_number
        payload = bad.line if isinstance(bad, BadRow) else bad.excerpt.encode()
        return Quarantined(
            "import", f"{name}:{line}"[:512], payload[:65_536], now_us(), bad.code.value, bad.detail
        )


def _find(name: str) -> Quantity:
    """The quantity of a name that a decoder gave."""
    found = find_quantity(name)
    if found is None:
        raise LookupError(f"no quantity {name!r}")
    return found


def _is_of_head(bad: BadRow, head_lines: int) -> bool:
    """Whether a table is unreadable because of this line."""
    is_first = bad.line_number <= head_lines
    return bad.code is ReasonCode.MISSING_FIELD or (is_first and bad.code is ReasonCode.ENCODING)


@dataclass(frozen=True, slots=True)
class _PointRow:
    """One value of a point with the limits of its quantity."""

    series: int
    measured_at_us: int
    value: float
    low: float
    high: float


def _batch_of(rows: list[_PointRow]) -> Batch:
    """Rows as a batch, graded by their limits."""
    value, low, high = (
        np.array([getattr(row, name) for row in rows], np.float64)
        for name in ("value", "low", "high")
    )
    return Batch(
        np.array([row.series for row in rows], np.int32),
        np.array([row.measured_at_us for row in rows], np.int64),
        value,
        grade_values(value, low, high),
    )
