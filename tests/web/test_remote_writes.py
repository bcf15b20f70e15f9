"""Prometheus' remote write: what is taken, what is set aside, and who may write."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.remote_write_messages import (
    STALE,
    V1_HEADERS,
    Series,
    encode_v1,
    pack,
    series,
)
from tests.web.applications import Application, open_application
from tests.web.line_senders import stored
from tests.web.remote_senders import (
    PATH,
    POWER,
    SETTINGS,
    SOURCE,
    T,
    counters,
    power,
    send,
    written,
)
from wattscope.core.errors import SettingsError
from wattscope.settings import BrokerSettings, IngestSettings, ServerSettings, Settings


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path, settings=SETTINGS) as found:
        yield found


@pytest.mark.parametrize("edition", [1, 2])
def test_samples_are_taken_and_can_be_asked_at_once(application: Application, edition: int) -> None:
    many = [
        power("meter", (T, 12.5), (T + 1000, 13.5)),
        series("wago_energy_total_kwh", [(T, 1234.001)], instance="pump:9100"),
    ]
    response = send(application, many, edition)
    assert (response.status_code, response.text) == (204, "")
    assert written(response) == (["3", "0", "0"] if edition == 2 else [None] * 3)
    assert stored(application) == [
        ["home", "meter", "active_power_w", 12.5],
        ["home", "pump:9100", "energy_total_wh", 1234001.0],
        ["home", "meter", "active_power_w", 13.5],
    ]
    [source] = application.get("/api/health")["sources"]
    assert (source["kind"], source["messages"]) == ("remote_write", 3)
    assert counters(application)["stored"] == 3


def test_time_is_that_of_the_sample(application: Application) -> None:
    assert send(application, [power("a", (T + 7, 1.0))]).status_code == 204
    answer = application.client.post(
        "/api/sql", json={"sql": "SELECT epoch_us(measured_at) FROM readings"}
    )
    assert answer.json()["rows"] == [[(T + 7) * 1000]]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"},
        {"Content-Type": ""},
        {"Content-Encoding": "zstd"},
        {"Content-Encoding": "identity"},
    ],
)
def test_unknown_message_or_encoding_is_unsupported(
    application: Application, headers: dict[str, str]
) -> None:
    response = send(application, [power("a", (T, 1.0))], headers=headers)
    assert response.status_code == 415
    assert stored(application) == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-protobuf;proto=prometheus.WriteRequest",
        'application/x-protobuf; charset=utf-8; proto="prometheus.WriteRequest"',
    ],
)
def test_first_message_may_be_named(application: Application, content_type: str) -> None:
    response = send(application, [power("a", (T, 1.0))], headers={"Content-Type": content_type})
    assert response.status_code == 204


@pytest.mark.parametrize("edition", [1, 2])
def test_good_samples_beside_bad_ones_are_taken_and_the_bad_ones_told(
    application: Application, edition: int
) -> None:
    many = [
        power("a", (T, 1.0)),
        Series([("__name__", POWER), ("device", "b"), ("device", "b"), ("site", "x")], [(T, 2.0)]),
        Series([("device", "c")], [(T, 3.0)]),
        series(POWER, [(T, 4.0)], site="home"),
        power("e", (1000, 5.0)),
        power("f", (T, float("inf"))),
        power("../g", (T, 7.0)),
        power("h", (4 * T, 8.0)),
        power("i", (T, 9.0)),
    ]
    response = send(application, many, edition)
    assert response.status_code == 400
    assert response.text.startswith("partial write: 2 taken, 7 set aside: ")
    assert written(response) == (["2", "0", "0"] if edition == 2 else [None] * 3)
    assert [row[1] for row in stored(application)] == ["a", "i"]
    aside = application.get("/api/quarantine")["items"]
    assert sorted(one["code"] for one in aside) == [
        *["bad_name", "bad_time", "duplicate_key", "future"],
        *["missing_field", "missing_field", "not_finite"],
    ]
    assert any(one["payload_text"] == f'{{device="c"}} 3.0 {T}' for one in aside)
    assert counters(application)["quarantined"] == 7


@pytest.mark.parametrize("edition", [1, 2])
def test_native_histograms_are_set_aside_with_the_reason(
    application: Application, edition: int
) -> None:
    many = [
        power("a", (T, 1.0)),
        Series([("__name__", POWER), ("device", "a"), ("site", "home")], (), [T + 1]),
        Series([("__name__", "http_request_duration_seconds")], (), [T, T + 1]),
    ]
    response = send(application, many, edition)
    assert response.status_code == 400
    assert "native histograms are not kept" in response.text
    assert written(response) == (["1", "0", "0"] if edition == 2 else [None] * 3)
    aside = application.get("/api/quarantine")["items"]
    assert {one["code"] for one in aside} == {"wrong_type"}
    assert f"http_request_duration_seconds histogram {T}" in {one["payload_text"] for one in aside}
    assert len(aside) == 3
    assert len(stored(application)) == 1


def test_metrics_that_no_profile_knows_are_left_out_and_counted(application: Application) -> None:
    many = [
        series("up", [(T, 1.0), (T + 1, 1.0)], instance="x:1"),
        series("wattscope_device_up", [(T, 1.0)], device="a", site="home"),
        power("a", (T, 1.0)),
    ]
    response = send(application, many, 2)
    assert response.status_code == 204
    # What is left out as the settings say is dealt with: its sender shall not call it lost.
    assert written(response) == ["4", "0", "0"]
    assert len(stored(application)) == 1
    assert counters(application)["quarantined"] == 0
    assert application.storage.tally.ignored == 3


def test_end_of_a_series_is_a_missing_value(application: Application) -> None:
    stale = struct.unpack("<d", struct.pack("<Q", STALE))[0]
    assert send(application, [power("a", (T, 5.0), (T + 10_000, stale))]).status_code == 204
    answer = application.client.post(
        "/api/sql", json={"sql": "SELECT value, quality FROM readings ORDER BY measured_at"}
    )
    rows = answer.json()["rows"]
    assert [row[0] for row in rows] == [5.0, None]
    assert rows[0][1] != rows[1][1]


def test_same_request_again_changes_nothing(application: Application) -> None:
    stale = struct.unpack("<d", struct.pack("<Q", STALE))[0]
    many = [power("a", *((T + n, float(n)) for n in range(50)), (T + 100, stale))]
    assert send(application, many).status_code == 204
    before = stored(application)
    assert send(application, many, 2).status_code == 204
    assert stored(application) == before
    assert counters(application)["duplicate"] == 51


def test_late_samples_are_kept_in_their_place(application: Application) -> None:
    for n in (5, 3, 4, 1):
        assert send(application, [power("a", (T + n * 1000, float(n)))]).status_code == 204
    assert [row[3] for row in stored(application)] == [1.0, 3.0, 4.0, 5.0]


def test_other_value_of_the_same_instant_is_kept_aside(application: Application) -> None:
    assert send(application, [power("a", (T, 1.0))]).status_code == 204
    send(application, [power("a", (T, 2.0))])
    assert [row[3] for row in stored(application)] == [1.0]
    assert counters(application)["quarantined"] == 1


def test_request_without_samples_is_fine(application: Application) -> None:
    assert send(application, []).status_code == 204
    body = pack(encode_v1([], {"up": "Whether it is."}))
    assert application.client.post(PATH, content=body, headers=V1_HEADERS).status_code == 204


def test_unknown_device_is_told_where_devices_do_not_register_themselves(tmp_path: Path) -> None:
    closed = msgspec.structs.replace(SETTINGS, ingest=IngestSettings(register_devices=False))
    with open_application(tmp_path, settings=closed) as found:
        response = send(found, [power("new", (T, 1.0))])
        assert (response.status_code, "unknown_device" in response.text) == (400, True)
        assert stored(found) == []


def test_names_beyond_letters_come_through(tmp_path: Path) -> None:
    own = tmp_path / "profiles"
    own.mkdir()
    (own / "dots.toml").write_text(
        'decoder = "prometheus"\n[[metrics]]\nmetric = "power.total"\ndevice = "{meter name}"\n'
        'quantity = "active_power_w"\n'
    )
    with pytest.raises(SettingsError, match="is no template"):
        _open(tmp_path, own)
    (own / "dots.toml").write_text(
        'decoder = "prometheus"\n[[metrics]]\nmetric = "power.total"\ndevice = "{meter}"\n'
        'quantity = "active_power_w"\n'
    )
    source = msgspec.structs.replace(SOURCE, profiles=("dots",))
    settings = msgspec.structs.replace(SETTINGS, sources=(source,))
    with open_application(tmp_path / "data", settings=settings, profiles=own) as found:
        labels = {"meter": "a", 'x"y="': '\\\n"'}
        assert send(found, [series("power.total", [(T, 1.0)], **labels)]).status_code == 204
        assert stored(found) == [["home", "a", "active_power_w", 1.0]]


def _open(tmp_path: Path, profiles: Path) -> None:
    source = msgspec.structs.replace(SOURCE, profiles=("dots",))
    settings = msgspec.structs.replace(SETTINGS, sources=(source,))
    with open_application(tmp_path / "never", settings=settings, profiles=profiles):
        pass


# ── who may write ────────────────────────────────────────────────────────────────────────────────


def test_who_may_write_bears_a_token_or_a_password(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("a-token-of-sixteen-letters\n")
    (tmp_path / "password").write_text("correct horse\n")
    source = msgspec.structs.replace(
        SOURCE,
        token_file=str(tmp_path / "tokens"),
        username="prom",
        password_file=str(tmp_path / "password"),
    )
    settings = msgspec.structs.replace(SETTINGS, sources=(source,))
    many = [power("a", (T, 1.0))]

    def basic(text: str) -> str:
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    with open_application(tmp_path / "data", settings=settings) as found:
        for words in ("", "Bearer wrong", basic("prom:wrong"), basic("other:correct horse")):
            headers = {"Authorization": words} if words else {}
            assert send(found, many, headers=headers).status_code == 401
        assert stored(found) == []
        for words in ("Bearer a-token-of-sixteen-letters", basic("prom:correct horse")):
            assert send(found, many, headers={"Authorization": words}).status_code == 204


def test_open_address_needs_a_login(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, server=ServerSettings(host="0.0.0.0"))
    with (
        pytest.raises(SettingsError, match="everybody who can reach"),
        open_application(tmp_path, settings=settings),
    ):
        pass


def test_without_a_source_it_says_what_is_to_be_set(tmp_path: Path) -> None:
    with open_application(
        tmp_path, settings=Settings(broker=BrokerSettings(embedded=False))
    ) as one:
        response = send(one, [power("a", (T, 1.0))])
        assert (response.status_code, "remote_write" in response.text) == (404, True)


def test_page_of_another_address_may_not_write(application: Application) -> None:
    response = send(
        application, [power("a", (T, 1.0))], headers={"Origin": "http://elsewhere.example"}
    )
    assert response.status_code == 403
