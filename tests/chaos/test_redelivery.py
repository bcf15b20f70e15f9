"""Bare numbers, which have no key of their own, when taking them in fails half-way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from wattscope.assembly.feeds import build_intake
from wattscope.assembly.storage import Storage, open_storage
from wattscope.pipeline.ingest import Ingest
from wattscope.ports import RawMessage
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import parse_settings
from wattscope.sources.mqtt_codec import Receipt

SETTINGS = parse_settings(
    '[broker]\nembedded = false\n[[sources]]\nname = "mqtt"\nprofiles = ["xcel-itron"]\n'
)
BARE = {"Instantaneous_Demand": b"1234", "Power_Factor": b"990"}
STORED = [("active_power_w", 1234.0), ("power_factor", 0.99)]


class OnceMore:
    """Gives the same messages with each run, from the second on as sent again."""

    name = "mqtt"

    def __init__(self) -> None:
        self.acknowledged: list[bytes] = []
        self._n_runs = 0

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        self._n_runs += 1
        yield [
            RawMessage(
                topic=f"homeassistant/sensor/xcel_itron_5/{endpoint}/state",
                payload=payload,
                received_at_us=10**15 + self._n_runs,
                is_redelivered=self._n_runs > 1,
                receipt=Receipt(mid, self._n_runs),
            )
            for mid, (endpoint, payload) in enumerate(BARE.items(), 1)
        ]

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        self.acknowledged += [message.payload for message in messages]

    async def close(self) -> None:
        """Nothing is open."""


def build_ingest(storage: Storage) -> Ingest:
    intake, _ = build_intake(SETTINGS, SETTINGS.sources[0], storage.way, ProfileLibrary())
    return Ingest(intake, storage.persist)


def read_stored(storage: Storage) -> list[tuple[object, ...]]:
    return storage.store.query("SELECT quantity, value FROM readings ORDER BY quantity").rows


async def test_messages_that_were_not_committed_are_taken_when_they_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_storage(SETTINGS, tmp_path) as storage:
        ingest, source = build_ingest(storage), OnceMore()
        with monkeypatch.context() as patch:
            patch.setattr(storage.log, "append", _refuse)
            with pytest.raises(ValueError, match="in the middle"):
                await ingest.run(source)
        assert source.acknowledged == []
        await ingest.run(source)
        assert source.acknowledged == list(BARE.values())
        assert read_stored(storage) == STORED


async def test_messages_that_were_committed_change_nothing_when_they_come_again(
    tmp_path: Path,
) -> None:
    with open_storage(SETTINGS, tmp_path) as storage:
        ingest, source = build_ingest(storage), OnceMore()
        await ingest.run(source)
        await ingest.run(source)
        assert read_stored(storage) == STORED
        assert storage.tally.duplicate == len(BARE)


def _refuse(*_: object) -> None:
    raise ValueError("a fault in the middle of a group")
