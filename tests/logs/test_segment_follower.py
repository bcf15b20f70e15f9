"""One who follows the embedded log goes on where he was, and the log waits for him so long."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch, build_batch, empty_batch
from wattscope.logs.bookmark import Bookmark
from wattscope.logs.segment_follower import SegmentFollower
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel
from wattscope.ports import FollowedRecord, LogFollower, Quarantined

ASIDE = Quarantined("mqtt", "a/b", b"{", 1_700_000_000_000_000, "json_syntax", "line 1")


def values(n: int, n_rows: int = 1) -> Batch:
    return build_batch([(1, n, float(n), 0)] * n_rows)


class Place:
    """A log with a bookmark in a folder."""

    def __init__(self, folder: Path, segment_bytes: int = 1 << 26) -> None:
        self.folder = folder
        self.bookmark = Bookmark(folder / "outputs" / "old.json")
        self.log = SegmentLog(folder / "log", sync=leave_to_kernel, segment_bytes=segment_bytes)

    def follow(self, max_rows: int = 100) -> SegmentFollower:
        return SegmentFollower("old", self.log, self.bookmark, max_rows=max_rows)

    def fill(self, count: int) -> None:
        for _ in range(count):
            self.log.append(values(self.log.end_offset))


@pytest.fixture
def place(tmp_path: Path, no_fsync: None) -> Place:  # noqa: ARG001  # no machine crashes
    return Place(tmp_path)


def numbers(record: FollowedRecord | None) -> list[float]:
    return [] if record is None else record.batch.value.tolist()


def test_it_is_what_the_port_wants(place: Place) -> None:
    follower: LogFollower = place.follow()
    assert follower.poll(0) is None
    assert follower.lag() == {"log": 0}


def test_new_follower_begins_at_the_end_and_remembers_that(place: Place) -> None:
    place.fill(5)
    place.follow()
    place.fill(3)
    # The place was durable before anything was read.
    assert numbers(place.follow().poll(0)) == [5.0, 6.0, 7.0]


def test_what_was_not_committed_is_given_again(place: Place) -> None:
    follower = place.follow(max_rows=3)
    place.fill(7)
    assert numbers(follower.poll(0)) == [0.0, 1.0, 2.0]
    follower.commit()
    assert numbers(follower.poll(0)) == [3.0, 4.0, 5.0]
    assert follower.lag() == {"log": 4}
    assert numbers(place.follow().poll(0)) == [3.0, 4.0, 5.0, 6.0]


def test_record_larger_than_wanted_is_given_whole(place: Place) -> None:
    follower = place.follow(max_rows=2)
    place.log.append(values(0, n_rows=9))
    place.fill(1)
    assert len(numbers(follower.poll(0))) == 9
    assert len(numbers(follower.poll(0))) == 1


def test_items_set_aside_come_with_numbers_that_stay(place: Place) -> None:
    follower = place.follow()
    place.log.append(empty_batch(), [ASIDE, ASIDE])
    place.log.append(values(1), [ASIDE])
    found, again = follower.poll(0), place.follow().poll(0)
    assert found is not None
    assert found == again
    assert found.quarantined == (ASIDE,) * 3
    assert len(set(found.numbers)) == 3


def test_poll_waits_for_what_comes(place: Place) -> None:
    assert place.follow().poll(0.01) is None


def test_log_that_forgot_too_early_is_told_with_how_much(tmp_path: Path, no_fsync: None) -> None:  # noqa: ARG001
    place = Place(tmp_path, segment_bytes=200)
    follower = place.follow()
    place.fill(40)
    place.log.drop_before(30)
    with capture_logs() as said:
        found = numbers(follower.poll(0))
    assert found[-1] == 39.0
    assert follower.n_missing == found[0]
    [told] = [one for one in said if one["event"] == "log records are missing"]
    assert (told["count"], told["follower"]) == (found[0], "old")


def test_log_that_was_replaced_by_a_shorter_one_is_followed_from_its_end(place: Place) -> None:
    place.bookmark.write(1_000)
    place.fill(5)
    with capture_logs() as said:
        follower = place.follow()
    assert [one["event"] for one in said] == ["log was replaced"]
    place.fill(1)
    assert numbers(follower.poll(0)) == [5.0]


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version":1}', b'{"version":2,"offset":1}', b"\xff" * 9000]
)
def test_bookmark_that_cannot_be_believed_is_told_and_begun_anew(
    place: Place, content: bytes
) -> None:
    place.follow()
    place.fill(4)
    (place.folder / "outputs" / "old.json").write_bytes(content)
    with capture_logs() as said:
        assert place.follow().poll(0) is None
    assert [one["log_level"] for one in said] == ["error"]
    assert place.bookmark.read() == 4


def test_disk_that_refuses_leaves_the_place_as_it_was(place: Place) -> None:
    follower = place.follow()
    place.fill(3)
    follower.poll(0)
    aside = place.folder / "outputs" / "old.json.new"
    aside.mkdir()
    with pytest.raises(TransientError, match="the disk refuses"):
        follower.commit()
    assert follower.needed_offset == 0
    aside.rmdir()
    follower.commit()
    assert place.bookmark.read() == follower.needed_offset == 3
