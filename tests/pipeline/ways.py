"""A whole way in: real profiles, registry, log and store in a folder, and a clock that stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wattscope.assembly import feeds
from wattscope.compute.routing import TopicRouter
from wattscope.core.time_grid import US_PER_DAY, format_utc, parse_instant
from wattscope.core.topology import Site
from wattscope.live.memory_view import MemoryView
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel
from wattscope.pipeline.binding import Binder, BindingRules
from wattscope.pipeline.intake import Intake, Prepared
from wattscope.pipeline.persist import Persist
from wattscope.pipeline.space import SpaceWatch
from wattscope.pipeline.tally import Tally
from wattscope.ports import RawMessage
from wattscope.registry.database import Database
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.registry.sql_quarantine import SqlQuarantine
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.stores.duckdb_store import DuckdbStore

NOW = parse_instant("2026-05-01T12:00:00Z")
PROFILES = ("panel-json", "grid-meter-json", "xcel-itron")
DEMAND = "homeassistant/sensor/xcel_itron_5/Instantaneous_Demand/state"


class PacketNumber(NamedTuple):
    """What a source gives as the receipt of a message."""

    mid: int


@dataclass
class Way:
    """The stages between a source and the store."""

    intake: Intake
    registry: SqlRegistry
    log: SegmentLog
    store: DuckdbStore
    shelf: SqlQuarantine
    live: MemoryView
    persist: Persist
    tally: Tally

    def take(self, *messages: RawMessage) -> Prepared:
        """A group of messages all the way to the store."""
        prepared = self.intake.take_in(messages)
        self.persist.append(prepared.batch, prepared.quarantined, prepared.receipts)
        self.intake.remember(prepared.receipts)
        self.persist.drain()
        return prepared

    def stored(self) -> list[tuple[str, str, float | None, str]]:
        """Device, quantity, value and quality of everything stored."""
        answer = self.store.query(
            "SELECT device, quantity, value, quality FROM readings "
            "ORDER BY measured_at, device, quantity"
        )
        return [(row[0], row[1], row[2], row[3]) for row in answer.rows]

    def codes(self) -> list[str]:
        """Reason codes on the shelf, oldest first."""
        return [one.item.code for one in reversed(self.shelf.list_newest(1000))]

    def assert_counters_add_up(self, *, held: int = 0) -> None:
        """received = stored + duplicate + quarantined + refused.

        Args:
            held: Items that were set aside and are not on the shelf yet.
        """
        tally = self.tally
        assert tally.received == (
            tally.stored + tally.duplicate + tally.quarantined + tally.refused
        )
        assert tally.quarantined == len(self.codes()) + held


@contextmanager
def open_way(
    folder: Path,
    *,
    is_open: bool = True,
    max_series: int = 100_000,
    log: SegmentLog | None = None,
    space: SpaceWatch | None = None,
) -> Iterator[Way]:
    """The stages over a folder, caught up with its log."""
    folder.mkdir(exist_ok=True)
    database = Database(folder / "registry.sqlite")
    registry, shelf = SqlRegistry(database), SqlQuarantine(database)
    registry.put_site(Site("home", "Home", "Europe/Berlin"))
    store = DuckdbStore(folder / "chunks", registry, chunk_us=US_PER_DAY)
    log = log or SegmentLog(folder / "log", sync=leave_to_kernel, first_offset=store.covered_offset)
    live, tally = MemoryView(), Tally()
    persist = Persist(log, store, shelf, live, tally, space)
    persist.catch_up()
    binder = Binder(registry, BindingRules("home", is_open, max_series), lambda _: None)
    intake = Intake("mqtt", build_router(), binder, tally, lambda: NOW)
    yield Way(intake, registry, log, store, shelf, live, persist, tally)
    log.close()
    store.close()
    database.close()


def build_router(names: Sequence[str] = PROFILES) -> TopicRouter:
    """The router over some of the profiles that come along, as the program builds it."""
    return feeds.build_router(feeds.load_profiles(names, ProfileLibrary()), "Europe/Berlin")


def raw(topic: str, payload: bytes | str, **marks: object) -> RawMessage:
    """A message as a source gives it."""
    content = payload.encode() if isinstance(payload, str) else payload
    received = int(marks.pop("received_at_us", NOW))  # type: ignore[call-overload]  # an int
    return RawMessage(topic, content, received, **marks)  # type: ignore[arg-type]  # by name


def panel(
    panel_id: str = "p1", *, ago_us: int = 0, topic: str | None = None, **changed: object
) -> RawMessage:
    """A complete message of a panel, with some members changed."""
    document: dict[str, object] = {
        "panel_id": panel_id,
        "timestamp": format_utc(NOW - ago_us),
        "temperature_celsius": 41.5,
        "voltage_volts": 32.5,
        "current_amperes": 8.5,
        "power_output_watts": 276.25,
    }
    document |= changed
    return raw(topic or f"sensors/{panel_id}/readings", json.dumps(document))


def panel_text(power: str) -> RawMessage:
    """A panel's message whose power is a text of our own, JSON or not."""
    sound = panel().payload.decode()
    return raw("sensors/p1/readings", sound.replace("276.25", power))


def demand(watts: str, *, mid: int | None = None, **marks: object) -> RawMessage:
    """A bare number on the Itron bridge's topic, which carries no instant."""
    receipt = None if mid is None else PacketNumber(mid)
    return raw(DEMAND, watts, receipt=receipt, **marks)
