from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry.registries import KINDS, run_place
from wattscope.core.time_grid import US_PER_DAY
from wattscope.ports import Quarantined
from wattscope.registry import postgres_quarantine, sql_quarantine
from wattscope.registry.access import Shelf, open_shelf

NOW = 1_700_000_000_000_000
ITEM = Quarantined("mqtt", "a/b", b'{"x": \xff\x00', NOW, "json_syntax", "line 1")


@pytest.fixture(params=KINDS)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    with run_place(request, tmp_path) as place:
        yield open_shelf(place.open())


def set_limit(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    """On both shelves."""
    for module in (sql_quarantine, postgres_quarantine):
        monkeypatch.setattr(module, name, value)


def test_item_is_kept_with_its_bytes(shelf: Shelf) -> None:
    shelf.put([ITEM], 5)
    [found] = shelf.list_newest(10)
    assert (found.item, found.replayed_at_us) == (ITEM, None)


def test_record_put_again_changes_nothing(shelf: Shelf) -> None:
    for _ in range(2):
        shelf.put([ITEM, ITEM], 5)
    assert len(shelf.list_newest(10)) == 2
    shelf.put([ITEM], 6)
    assert len(shelf.list_newest(10)) == 3
    shelf.put([], 7)


def test_newest_come_first_and_may_be_chosen_by_code(shelf: Shelf) -> None:
    items = [replace(ITEM, code=code) for code in ("range", "future", "range")]
    shelf.put(items, 1)
    assert [one.item.code for one in shelf.list_newest(2)] == ["range", "future"]
    assert len(shelf.list_newest(10, "range")) == 2
    assert shelf.count_by_code() == {"future": 1, "range": 2}


def test_replayed_item_is_not_offered_again(shelf: Shelf) -> None:
    shelf.put([ITEM, replace(ITEM, topic="c")], 1)
    first, second = shelf.list_unreplayed()
    shelf.mark_replayed([], NOW)
    shelf.mark_replayed([first.id], NOW)
    assert [one.id for one in shelf.list_unreplayed()] == [second.id]
    assert {one.replayed_at_us for one in shelf.list_newest(10)} == {NOW, None}


def test_any_number_of_items_can_be_marked(shelf: Shelf) -> None:
    shelf.put([replace(ITEM, topic=str(n)) for n in range(40_000)], 1)
    shelf.mark_replayed([one.id for one in shelf.list_unreplayed()], NOW)
    assert shelf.list_unreplayed() == []


def test_long_texts_are_cut_to_their_columns(shelf: Shelf) -> None:
    shelf.put([replace(ITEM, topic="t" * 9999, detail="d" * 9999, source="s" * 99)], 1)
    [found] = shelf.list_newest(1)
    assert (len(found.item.topic), len(found.item.detail), len(found.item.source)) == (512, 512, 64)


def test_items_beyond_the_age_are_dropped(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    set_limit(monkeypatch, "_PRUNE_EVERY", 2)
    shelf.put([ITEM], 1)
    shelf.put([replace(ITEM, received_at_us=NOW + 31 * US_PER_DAY)], 2)
    assert [one.item.received_at_us for one in shelf.list_newest(9)] == [NOW + 31 * US_PER_DAY]


def test_oldest_items_beyond_the_size_are_dropped(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limit(monkeypatch, "_PRUNE_EVERY", 10)
    set_limit(monkeypatch, "MAX_BYTES", 5000)
    for n in range(10):
        shelf.put([replace(ITEM, topic=str(n), payload=b"x" * 1000)], n)
    kept = [one.item.topic for one in shelf.list_newest(99)]
    assert kept == ["9", "8", "7", "6", "5"]


def test_same_item_of_another_log_is_another(shelf: Shelf) -> None:
    for origin in ("quarantine/0", "quarantine/1", "quarantine/1", ""):
        shelf.put([ITEM], 7, origin=origin)
    assert len(shelf.list_newest(9)) == 3


@pytest.mark.parametrize("words", ["a\0b", "half \ud83d letter", "\0" * 600])
def test_words_that_no_database_can_hold_are_kept_as_well_as_can_be(
    shelf: Shelf, words: str
) -> None:
    shelf.put([replace(ITEM, topic=words, detail=words, source=words)], 1)
    [found] = shelf.list_newest(1)
    assert found.item.payload == ITEM.payload
    assert len(found.item.topic) == min(len(words), 512)
