"""Questions that cannot be answered: refused with a stable code, never with a trace."""

from __future__ import annotations

import json

import pytest

from tests.web.applications import Application

READINGS = "/api/devices/grid/readings?quantity=energy_import_wh"


@pytest.mark.parametrize(
    "path",
    [
        "/api/energy?site=nowhere",
        "/api/power?site=nowhere",
        "/api/insights/now?site=nowhere",
        "/api/insights/day?site=nowhere",
        "/api/insights/copied-days?device=nothing",
        "/api/live?site=nowhere",
        "/api/devices/nothing",
        "/api/devices/nothing/readings?quantity=voltage_v",
        "/api/devices/grid/readings?quantity=voltage_v",
        "/api/devices/grid/readings?quantity=no_such_thing",
        "/api/devices/9223372036854775808",
        "/api/devices/-1",
        "/api/devices/..%2f..%2fetc%2fpasswd/readings?quantity=voltage_v",
        "/api/devices/%00",
    ],
)
def test_unknown_names_are_not_found(house: Application, path: str) -> None:
    assert house.problem(path, 404)["code"] in {"unknown_name", "not_found"}


@pytest.mark.parametrize(
    "words",
    [
        "interval=7m",
        "interval=1m",
        "interval=1h;DROP TABLE readings",
        "day=2026-02-30",
        "day=yesterday",
        "day=20260310",
        "day=2026-W11-2",
        "day=9999-12-31",
        "day=0001-01-01",
        "month=2026-13",
        "month=2026-03-01",
        "month=2026",
        "month=9999-12",
        "year=0",
        "year=1e3",
        "year=9999",
        "year=-1",
        "year=99999999999999999999",
        "year=٢٠٢٦",
        "start=2026-03-10&end=2026-03-09",
        "start=2026-03-10&end=2026-03-10",
        "start=2026-03-10T12:00:00Z&end=2026-03-10T12:00:00%2B01:00",
        "start=0001-01-01&end=9999-12-31",
        "start=0001-01-01T00:00:00%2B14:00&end=0001-01-02",
        "start=9999-12-30&end=9999-12-31T23:59:59-12:00",
        "start=1970-01-01&end=2019-01-01&interval=15m",
        "start=noon",
        "start=1767225600",
        "start=2026-03-29T02:30:00&end=2026-03-30",
        "start=2026-10-25T02:30:00&end=2026-10-26",
        "format=xml",
    ],
)
def test_energy_of_an_impossible_span_is_refused(house: Application, words: str) -> None:
    body = house.problem(f"/api/energy?{words}", 422)
    assert body["code"] in {"bad_query", "invalid_parameter"}
    assert body["detail"]


@pytest.mark.parametrize(
    "path",
    [
        f"{READINGS}&interval=2h",
        f"{READINGS}&interval=",
        f"{READINGS}&start=2026-03-10&end=2026-03-09",
        f"{READINGS}&start=0001-01-01&end=9999-12-31",
        f"{READINGS}&start=0001-01-01T00:00:00%2B14:00&end=0001-01-02&interval=raw",
        f"{READINGS}&start=1970-01-01&end=2019-01-01&interval=1m",
        f"{READINGS}&start=2026-03-29T02:30:00&end=2026-03-30",
        f"{READINGS}&format=xlsx",
        "/api/devices/grid/readings",
        "/api/power?points=0",
        "/api/power?points=1e3",
        "/api/power?points=100000",
        "/api/power?start=2026-03-10&end=2026-03-09",
        "/api/power?start=0001-01-01T00:00:00%2B14:00&end=0001-01-02",
        "/api/insights/day?day=2026-02-30",
        "/api/insights/day?day=9999-12-31",
        "/api/insights/copied-days",
        "/api/insights/copied-days?device=grid&start=2026-03-10&end=2026-03-09",
        "/api/quarantine?limit=0",
        "/api/quarantine?limit=-1",
        "/api/quarantine?limit=9223372036854775808",
    ],
)
def test_other_impossible_questions_are_refused(house: Application, path: str) -> None:
    assert house.problem(path, 422)["code"] in {"bad_query", "invalid_parameter"}


def test_raw_values_of_a_long_span_are_refused_before_memory_is_full(
    house: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattscope.web.devices.MAX_RAW_POINTS", 10)
    body = house.problem(f"{READINGS}&interval=raw&start=2026-03-09&end=2026-03-10", 422)
    assert "interval=1m" in body["detail"]


def test_zone_of_a_request_is_never_a_path(house: Application) -> None:
    for zone in ("../../etc/passwd", "Mars/X", "/etc/localtime"):
        answer = house.client.get("/api/energy", params={"day": "2026-03-10", "time_zone": zone})
        # There is no such parameter: the zone is that of the site.
        assert answer.status_code == 200
        assert answer.json()["start"] == "2026-03-09T23:00:00Z"


@pytest.mark.parametrize(
    "sql",
    [
        "COPY readings TO '/tmp/wattscope-copy.csv'",
        "COPY (SELECT 1) TO 'x.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE series_names",
        "INSERT INTO series_names SELECT * FROM series_names",
        "CREATE TABLE x AS SELECT 1",
        "DELETE FROM readings",
        "ATTACH '/tmp/wattscope-attach.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "EXPORT DATABASE '/tmp/wattscope-export'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/wattscope-copy.csv'",
        "SELEC 1",
        "SELECT * FROM no_such_table",
        "SELECT 1/",
        "",
        ";",
        "\x00",
        "SELECT '\ud800'",
    ],
)
def test_sql_that_would_change_or_read_elsewhere_is_refused(house: Application, sql: str) -> None:
    body = json.dumps({"sql": sql})
    response = house.client.post(
        "/api/sql", content=body, headers={"content-type": "application/json"}
    )
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] in {"bad_query", "invalid_parameter"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b'{"sql": 1}', 422),
        (b'{"sql": null}', 422),
        (b'{"sql": NaN}', 422),
        (b'{"question": "SELECT 1"}', 422),
        (b'{"sql": "SELECT 1", "role": "admin"}', 422),
        (b'{"sql": "' + b"x" * 30_000 + b'"}', 422),
        (b"[" * 200_000, 400),
        (b"\xff\xfe", 422),
    ],
)
def test_body_that_is_no_question_is_refused(house: Application, body: bytes, status: int) -> None:
    response = house.client.post(
        "/api/sql", content=body, headers={"content-type": "application/json"}
    )
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_endless_body_is_refused_by_counting_bytes(house: Application) -> None:
    response = house.client.post(
        "/api/sql",
        content=b'{"sql": "' + b"x" * (2 << 20) + b'"}',
        headers={"content-type": "application/json"},
    )
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


def test_method_that_does_not_exist_is_a_problem_document(house: Application) -> None:
    for method, path in (
        ("DELETE", "/api/devices/grid"),
        ("POST", "/api/energy"),
        ("PUT", "/healthz"),
    ):
        response = house.client.request(method, path, json={})
        assert response.status_code == 405
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "method_not_allowed"
        assert "GET" in response.headers["allow"]


def test_unknown_api_path_is_not_the_page(house: Application) -> None:
    assert house.problem("/api/no/such/thing", 404)["code"] == "not_found"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::2]:8000"]
)
def test_foreign_host_is_refused(house: Application, host: str) -> None:
    response = house.client.get("/api/sites", headers={"host": host})
    assert response.status_code == 421
    assert response.json()["code"] == "wrong_host"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:80"])
def test_own_host_is_served_under_each_of_its_names(house: Application, host: str) -> None:
    forwarded = {"host": host, "x-forwarded-host": "evil.example"}
    response = house.client.get("/api/sites", headers=forwarded)
    assert response.status_code == 200
    assert "evil" not in response.text


def test_every_answer_carries_the_security_headers(house: Application) -> None:
    for path in ("/", "/api/sites", "/api/devices/nothing", "/docs", "/metrics"):
        headers = house.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "access-control-allow-origin" not in headers
