"""What the log keeps for an output that is away, and how that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.applications import open_application
from wattscope.assembly.outputs import _build_embedded, build_outputs, describe_pass_on
from wattscope.assembly.storage import Storage, open_storage
from wattscope.compute.disk_space import MB
from wattscope.core.reading import build_batch
from wattscope.core.topology import Device, DeviceKind
from wattscope.logs.segment_log import SegmentLog
from wattscope.pipeline.pass_on import PassOn
from wattscope.pipeline.persist import KEPT_RECORDS
from wattscope.settings import BrokerSettings, OutputSettings, Settings

T_US = 1_760_000_000_000_000
SEGMENT_BYTES = 4096


def settings(keep_mb: float = 1024.0) -> Settings:
    output = OutputSettings(name="old", url="http://127.0.0.1:1", database="home", keep_mb=keep_mb)
    return Settings(outputs=(output,), broker=BrokerSettings(embedded=False))


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch, no_fsync: None) -> None:  # noqa: ARG001  # no machine crashes
    """So that there is something to drop."""
    made = SegmentLog.__init__

    def make(log: SegmentLog, folder: Path, **words: object) -> None:
        made(log, folder, **({"segment_bytes": SEGMENT_BYTES} | words))  # type: ignore[arg-type]  # as they come

    monkeypatch.setattr(SegmentLog, "__init__", make)


def write(storage: Storage, count: int) -> None:
    """As many records of one value."""
    storage.registry.put_device(Device("attic", "home", "Attic", DeviceKind.METER))
    series = storage.registry.ensure_series("attic", "active_power_w")
    first = storage.log.end_offset
    for n in range(first, first + count):
        storage.persist.append(build_batch([(series, T_US + n, float(n), 0)]))
    storage.persist.drain()


def follow(settings: Settings, storage: Storage) -> PassOn:
    [wanted] = settings.outputs
    return _build_embedded(wanted, storage)


def oldest(storage: Storage) -> int:
    return next(storage.log.read(0)).offset


def test_log_keeps_what_an_output_has_not_taken(tmp_path: Path) -> None:
    with open_storage(settings(), tmp_path) as storage:
        passing = follow(settings(), storage)
        write(storage, KEPT_RECORDS + 500)
        storage.persist.flush()
        assert oldest(storage) == 0
        # What it has taken may go, but for what is kept for senders anyway.
        assert passing.follower.poll(0) is not None
        passing.follower.commit()
        storage.persist.flush()
        assert 0 < oldest(storage) <= 500
        assert describe_pass_on(passing)["lag_records"] == 0


def test_what_no_output_needs_is_dropped(tmp_path: Path) -> None:
    """The same without an output: the check of the check above."""
    with open_storage(Settings(), tmp_path) as storage:
        write(storage, KEPT_RECORDS + 500)
        storage.persist.flush()
        assert 0 < oldest(storage) <= 500


def test_log_keeps_no_more_than_is_set_and_what_went_is_told(tmp_path: Path) -> None:
    keep_mb = 3 * SEGMENT_BYTES / MB
    with open_storage(settings(keep_mb), tmp_path) as storage:
        passing = follow(settings(keep_mb), storage)
        write(storage, KEPT_RECORDS + 500)
        storage.persist.flush()
        first = oldest(storage)
        assert first > 0
        found = passing.follower.poll(0)
        assert found is not None
        assert found.batch.value[0] == first
        told = describe_pass_on(passing)
        assert (told["missed_records"], told["state"]) == (first, "ok")


def test_place_is_that_of_the_first_start_with_an_output(tmp_path: Path) -> None:
    with open_storage(Settings(), tmp_path) as storage:
        write(storage, 10)
    with open_storage(settings(), tmp_path) as storage:
        build_outputs(settings(), storage)
        write(storage, 5)
    with open_storage(settings(), tmp_path) as storage:
        passing = follow(settings(), storage)
        assert describe_pass_on(passing)["lag_records"] == 5
        found = passing.follower.poll(0)
        assert found is not None
        assert found.batch.value.tolist() == [10.0, 11.0, 12.0, 13.0, 14.0]


def test_health_and_metrics_tell_of_outputs(tmp_path: Path) -> None:
    with open_application(tmp_path, settings=settings()) as application:
        write(application.storage, 3)
        [told] = application.get("/api/health")["outputs"]
        assert (told["name"], told["kind"], told["lag_records"]) == ("old", "influx", 3)
        assert told["address"] == "http://127.0.0.1:1 home"
        assert (told["last_success_at"], told["retry_at"]) == (None, None)
        text = application.client.get("/metrics").text
    assert 'wattscope_output_lag_records{output="old"} 3.0' in text
    assert 'wattscope_output_up{output="old"} 1.0' in text
    assert "wattscope_output_last_success_timestamp_seconds{" not in text


def test_health_without_outputs_has_no_metrics_of_them(tmp_path: Path) -> None:
    with open_application(tmp_path, settings=Settings()) as application:
        assert application.get("/api/health")["outputs"] == []
        assert "wattscope_output" not in application.client.get("/metrics").text
