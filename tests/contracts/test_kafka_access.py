"""Who may come in, what is said to whom may not, and topics that the program makes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from tests.kafka_followed import (
    follow_keys,
    make_options,
    open_follower,
    open_log,
    values,
    wait_until,
)
from tests.kafka_server import PASSWORD, USER, KafkaServer, make_certificate
from tests.servers import LOOPBACK, find_free_port
from wattscope.core.errors import TransientError
from wattscope.core.reading import empty_batch
from wattscope.logs.kafka.options import TOPICS, UNDIVIDED, KafkaOptions
from wattscope.logs.kafka.topics import make_missing_topics

pytestmark = pytest.mark.integration


@pytest.fixture
def ours(kafka: KafkaServer) -> KafkaServer:
    """The shared server, where it is one that asks for passwords as the tests know."""
    if not kafka.ports:
        pytest.skip("the server of WATTSCOPE_TEST_KAFKA has passwords of its own")
    return kafka


def log_in(server: KafkaServer, mechanism: str, *, is_tls: bool) -> KafkaOptions:
    return make_options(
        server,
        servers=(server.secure_address if is_tls else server.password_address,),
        username=USER,
        password=PASSWORD,
        mechanism=mechanism,
        is_tls=is_tls,
        ca_file=server.ca_file if is_tls else None,
    )


@pytest.mark.parametrize(
    ("mechanism", "is_tls"),
    [
        ("PLAIN", False),
        ("SCRAM-SHA-256", False),
        ("SCRAM-SHA-512", False),
        ("PLAIN", True),
        ("SCRAM-SHA-512", True),
    ],
)
def test_password_lets_in_writers_and_readers(
    ours: KafkaServer,
    mechanism: str,
    is_tls: bool,  # noqa: FBT001  # a case of the table
) -> None:
    options = log_in(ours, mechanism, is_tls=is_tls)
    log, follower = open_log(options), open_follower(options)
    log.append(values(1.0), receipts=[7])
    assert follow_keys(follower, 1) == {(1, 0)}
    assert log.recent_receipts(10) == [(7,)]
    follower.close()
    log.close()


def ask_log(options: KafkaOptions) -> None:
    log = open_log(options)
    try:
        log.append(values(1.0))
    finally:
        log.close()


def ask_receipts(options: KafkaOptions) -> None:
    log = open_log(options)
    try:
        log.recent_receipts(1)
    finally:
        log.close()


def ask_follower(options: KafkaOptions) -> None:
    follower = open_follower(options)
    try:
        follower.poll(0.2)
    finally:
        follower.close()


ASKING = [ask_log, ask_receipts, ask_follower]


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_wrong_password_is_an_error_at_once_that_does_not_tell_it(
    ours: KafkaServer, ask: Callable[[KafkaOptions], None], mechanism: str
) -> None:
    options = replace(log_in(ours, mechanism, is_tls=False), password="wr0ng-s3cret")
    began_s = time.monotonic()
    with pytest.raises(TransientError, match="does not accept user and password") as refused:
        ask(options)
    assert time.monotonic() - began_s < options.timeout_s / 2, "it waited for the time-out"
    assert ours.password_address in str(refused.value)
    assert "wr0ng-s3cret" not in f"{refused.value} {refused.value.__cause__}"


def test_password_that_was_corrected_lets_the_same_reader_in_again(ours: KafkaServer) -> None:
    """A reader lives on after an error: callers call it again."""
    good = log_in(ours, "PLAIN", is_tls=False)
    follower = open_follower(replace(good, password="wr0ng"))
    for _ in range(2):
        with pytest.raises(TransientError):
            follower.poll(0.2)
    follower.options = good
    ask_log(good)
    assert follow_keys(follower, 1) == {(1, 0)}
    follower.close()


@pytest.mark.parametrize("ask", ASKING)
def test_certificate_that_nobody_vouches_for_is_refused(
    ours: KafkaServer, ask: Callable[[KafkaOptions], None], tmp_path: Path
) -> None:
    make_certificate(tmp_path)
    options = replace(log_in(ours, "PLAIN", is_tls=True), ca_file=tmp_path / "ca.pem")
    with pytest.raises(TransientError, match="TLS"):
        ask(options)


def test_file_that_holds_no_certificate_is_an_error_in_words(
    ours: KafkaServer, tmp_path: Path
) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    options = replace(log_in(ours, "PLAIN", is_tls=True), ca_file=broken)
    with pytest.raises(TransientError, match="correct ca_file"):
        ask_log(options)


@pytest.mark.parametrize("ask", ASKING)
def test_absent_broker_is_an_error_that_says_where_and_what_to_do(
    ask: Callable[[KafkaOptions], None],
) -> None:
    server = f"{LOOPBACK}:{find_free_port()}"
    options = make_options(KafkaServer(server), timeout_s=1.0)
    with pytest.raises(TransientError, match=f"Kafka at {server} .*; (start it|look whether)"):
        ask(options)


def test_name_that_does_not_resolve_is_an_error_in_words() -> None:
    options = make_options(KafkaServer("kafka.invalid:9092"), timeout_s=1.0)
    with pytest.raises(TransientError, match=r"Kafka at kafka\.invalid:9092"):
        ask_log(options)


# ── topics ───────────────────────────────────────────────────────────────────────────────────


def test_topics_are_made_as_wanted_and_once(kafka: KafkaServer) -> None:
    options = make_options(kafka, partitions=5, retention_days=2.0)
    assert make_missing_topics(options) == [options.topic(name) for name in TOPICS]
    assert make_missing_topics(options) == []
    admin = AdminClient({"bootstrap.servers": kafka.address})
    known = admin.list_topics(timeout=60).topics
    n_partitions = {name: len(known[options.topic(name)].partitions) for name in TOPICS}
    assert n_partitions == dict.fromkeys(TOPICS, 5) | dict.fromkeys(UNDIVIDED, 1)
    resource = ConfigResource(ConfigResource.Type.TOPIC, options.topic("sensor-readings"))
    [future] = admin.describe_configs([resource]).values()
    assert future.result(60)["retention.ms"].value == str(2 * 86_400_000)


def test_topic_that_is_there_stays_as_it_is(kafka: KafkaServer) -> None:
    options = make_options(kafka, partitions=5)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    topic = options.topic("sensor-readings")
    [made] = admin.create_topics([NewTopic(topic, 2, 1)]).values()
    made.result(60)
    assert topic not in make_missing_topics(options)
    assert len(admin.list_topics(timeout=60).topics[topic].partitions) == 2


def test_more_copies_than_brokers_is_an_error_in_words(ours: KafkaServer) -> None:
    options = make_options(ours, replication=3)
    with pytest.raises(TransientError, match=r"making topic .*lower replication"):
        make_missing_topics(options)


def test_topic_that_was_removed_is_made_again(kafka: KafkaServer) -> None:
    options = make_options(kafka, timeout_s=3.0)
    log, follower = open_log(options), open_follower(options)
    log.append(values(1.0))
    assert follow_keys(follower, 1) == {(1, 0)}
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for gone in admin.delete_topics([options.topic("sensor-readings")]).values():
        gone.result(60)

    def has_appended() -> bool:
        try:
            log.append(values(2.0, 3.0, 4.0, first_t=1))
        except TransientError:
            return False
        return True

    wait_until(has_appended, lambda: None)
    seen: list[int] = []

    def read() -> None:
        try:
            record = follower.poll(0.2)
        except TransientError:
            return
        seen.extend([] if record is None else record.batch.measured_at_us.tolist())
        follower.commit()

    wait_until(lambda: {1, 2, 3} <= set(seen), read)
    follower.close()
    log.close()


def test_what_retention_took_before_it_was_read_is_told(kafka: KafkaServer) -> None:
    options = make_options(kafka, partitions=1)
    log, follower = open_log(options), open_follower(options)
    log.append(values(*range(10)))
    assert len(follow_keys(follower, 10)) == 10
    follower.close()
    log.append(values(*range(10), first_t=10))
    admin = AdminClient({"bootstrap.servers": kafka.address})
    cut = TopicPartition(options.topic("sensor-readings"), 0, 15)
    for done in admin.delete_records([cut]).values():
        done.result(60)
    again = open_follower(options)
    assert follow_keys(again, 5) == {(1, t) for t in range(15, 20)}
    assert again.n_missing == 5
    again.close()
    log.close()


# ── receipts ─────────────────────────────────────────────────────────────────────────────────


def test_receipts_of_the_newest_appends_come_back_oldest_first(kafka: KafkaServer) -> None:
    options = make_options(kafka)
    log = open_log(options)
    assert log.recent_receipts(10) == []
    for n in range(30):
        log.append(values(float(n), first_t=n), receipts=[n, n + 2**48])
        log.append(empty_batch())
    log.close()
    again = open_log(options)
    assert again.recent_receipts(7) == [(n, n + 2**48) for n in range(23, 30)]
    assert len(again.recent_receipts(1000)) == 30
    again.close()


def test_receipts_of_other_writers_are_theirs(kafka: KafkaServer) -> None:
    mine = make_options(kafka)
    others = replace(mine, client_id="ingest-2")
    logs = [open_log(mine), open_log(others)]
    for n in range(10):
        logs[0].append(empty_batch(), receipts=[n])
        for _ in range(5):
            logs[1].append(empty_batch(), receipts=[100 + n])
    assert logs[0].recent_receipts(3) == [(7,), (8,), (9,)]
    assert logs[1].recent_receipts(2) == [(109,), (109,)]
    for log in logs:
        log.close()


def test_closed_log_takes_nothing(kafka: KafkaServer) -> None:
    log = open_log(make_options(kafka))
    log.append(values(1.0))
    log.close()
    with pytest.raises(TransientError, match="closed"):
        log.append(values(2.0))
