"""Quarantined messages through the pipeline again."""

from __future__ import annotations

from dataclasses import dataclass

from wattscope.assembly.feeds import build_intake
from wattscope.assembly.storage import Storage, now_us
from wattscope.ports import RawMessage
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What became of replayed items."""

    tried: int
    stored: int
    still_aside: int


def replay_quarantine(
    settings: Settings, storage: Storage, library: ProfileLibrary, code: str | None
) -> ReplayOutcome:
    """Decode the kept bytes anew, with the profiles and devices of now.

    Items that are still not understood are set aside again under their new reason; each item is
    replayed once. Values without an instant of their own get that of their first receipt.
    """
    tried = stored = still_aside = 0
    items = storage.shelf.list_unreplayed(code)
    for source in settings.sources:
        mine = [one for one in items if one.item.source == source.name]
        if not mine:
            continue
        intake, _ = build_intake(settings, source, storage.way, library)
        messages = [
            RawMessage(one.item.topic, one.item.payload, one.item.received_at_us) for one in mine
        ]
        prepared = intake.take_in(messages)
        before = storage.tally.stored
        storage.persist.append(prepared.batch, prepared.quarantined)
        storage.persist.drain()
        storage.shelf.mark_replayed([one.id for one in mine], now_us())
        tried += len(mine)
        stored += storage.tally.stored - before
        still_aside += len(prepared.quarantined)
    return ReplayOutcome(tried, stored, still_aside)
