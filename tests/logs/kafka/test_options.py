from __future__ import annotations

from pathlib import Path

import pytest

from wattscope.core.errors import SettingsError
from wattscope.logs.kafka.options import KafkaOptions, parse_kafka_url


def test_url_names_brokers_prefix_and_login() -> None:
    address = parse_kafka_url("kafka://ann:p%40ss%3A@one:9093,two/plant1.")
    assert address.servers == ("one:9093", "two:9092")
    assert (address.prefix, address.is_tls) == ("plant1.", False)
    assert (address.username, address.password) == ("ann", "p@ss:")


def test_url_with_tls_and_without_login() -> None:
    address = parse_kafka_url("kafkas://[::1]:9094")
    assert (address.servers, address.is_tls, address.username) == (("[::1]:9094",), True, None)


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://host",
        "kafka://",
        "kafka://:9092",
        "kafka://host:0",
        "kafka://host:70000",
        "kafka://ho st",
        "host:9092",
        "kafka://[::1",
    ],
)
def test_url_of_no_kafka_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(SettingsError, match="write kafka://host:9092"):
        parse_kafka_url(url)


def test_refused_url_does_not_tell_the_password() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_kafka_url("kafka://ann:s3cret@host:0")
    assert "s3cret" not in str(refused.value)


def test_password_is_in_no_text_of_options_and_address() -> None:
    options = KafkaOptions(("host:9092",), username="ann", password="s3cret")
    address = parse_kafka_url("kafka://ann:s3cret@host")
    assert "s3cret" not in f"{options!r} {options} {options.where} {address!r}"


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        KafkaOptions(
            ("host",),
            prefix="no/slash",
            client_id="",
            username="ann",
            mechanism="GSSAPI",
            ca_file=tmp_path / "absent.pem",
            timeout_s=0,
            partitions=0,
            replication=0,
            retention_days=-1,
        )
    text = str(refused.value)
    assert len(refused.value.faults) == 11
    for word in ("host:9092", "prefix", "client_id", "mechanism", "absent.pem", "needs a password"):
        assert word in text


def test_no_broker_at_all_is_refused() -> None:
    with pytest.raises(SettingsError, match="at least one broker"):
        KafkaOptions(())


@pytest.mark.parametrize(
    ("username", "is_tls", "protocol"),
    [
        (None, False, "plaintext"),
        (None, True, "ssl"),
        ("ann", False, "sasl_plaintext"),
        ("ann", True, "sasl_ssl"),
    ],
)
def test_login_and_tls_make_the_protocol(
    username: str | None,
    is_tls: bool,  # noqa: FBT001  # a case of the table
    protocol: str,
) -> None:
    options = KafkaOptions(
        ("host:9092",),
        username=username,
        password=username and "x",
        mechanism="PLAIN",
        is_tls=is_tls,
    )
    settings = options.client_settings()
    assert settings["security.protocol"] == protocol
    assert ("sasl.password" in settings) == (username is not None)


def test_names_of_topics_begin_with_the_prefix() -> None:
    assert KafkaOptions(("host:9092",), prefix="plant1.").topic("alerts") == "plant1.alerts"
