"""Health, metrics, quarantine, SQL, the API's own page and its description."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.applications import Application, open_application
from tests.web.conftest import HOUSE, NOW, fill_house
from wattscope.core.reading import empty_batch
from wattscope.ports import Quarantined
from wattscope.web.services import Services


def test_program_is_alive_and_ready(house: Application) -> None:
    assert house.get("/healthz") == {"status": "alive"}
    assert house.get("/readyz") == {"status": "ready"}


def without_broker(services: Services) -> Services:
    """Services of a program whose source waits for its broker."""
    source = {
        "name": "mqtt",
        "kind": "mqtt",
        "address": "mqtt://127.0.0.1:1883",
        "state": "connecting",
        "detail": "connection refused",
        "messages": 0,
        "rate_per_s": 0.0,
        "last_received_at": None,
    }
    return dataclasses.replace(
        services, read_health=lambda: {**services.read_health(), "sources": [source]}
    )


def test_program_without_its_broker_is_alive_but_not_ready(tmp_path: Path) -> None:
    with open_application(tmp_path, change=without_broker) as application:
        assert application.get("/healthz") == {"status": "alive"}
        body = application.problem("/readyz", 503)
        assert body["code"] == "not_ready"
        assert "mqtt: connecting connection refused" in body["detail"]
        up = read_metrics(application)["wattscope_source_up"]
        assert up == [({"source": "mqtt"}, 0.0)]


Samples = dict[str, list[tuple[dict[str, str], float]]]


def read_metrics(application: Application) -> Samples:
    response = application.client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: Samples = {}
    for family in text_string_to_metric_families(response.text):
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def test_metrics_are_read_by_prometheus_and_balance(house: Application) -> None:
    found = read_metrics(house)
    counters = house.get("/api/health")["counters"]
    for name in ("received", "stored", "duplicate", "refused"):
        assert found[f"wattscope_values_{name}_total"] == [({}, float(counters[name]))]
    assert found["wattscope_disk_free_bytes"][0][1] > 0
    assert "wattscope_build_info" in found


def set_aside(application: Application, *items: Quarantined) -> None:
    storage = application.storage
    storage.persist.append(empty_batch(), items)
    storage.persist.drain()


def test_quarantine_shows_bytes_as_they_were(own_house: Application) -> None:
    for code, payload in (("json_syntax", b"<html>\xff\x00"), ("future", b"{}")):
        set_aside(
            own_house,
            Quarantined("mqtt", "a/b", payload, 1_767_225_600_000_000, code, "why it is so"),
        )
    answer = own_house.get("/api/quarantine")
    assert [item["code"] for item in answer["items"]] == ["future", "json_syntax"]
    assert answer["total"] == 2
    assert answer["items"][1]["payload_base64"] == "PGh0bWw+/wA="
    assert answer["items"][1]["received_at"] == "2026-01-01T00:00:00Z"
    assert len(own_house.get("/api/quarantine", code="future")["items"]) == 1
    assert own_house.get("/api/quarantine", code="no_such_code")["items"] == []
    assert len(own_house.get("/api/quarantine", limit=1)["items"]) == 1
    health = own_house.get("/api/health")
    assert health["quarantine"] == {"total": 2, "by_code": {"future": 1, "json_syntax": 1}}


def test_health_holds_what_the_page_shows(house: Application) -> None:
    health = house.get("/api/health")
    assert {"version", "started_at", "sources", "log", "store", "counters"} <= set(health)
    assert health["store"]["lag_records"] == 0
    assert health["log"]["end_offset"] == 4
    assert health["disk"]["data_bytes"] > 0


def ask_sql(application: Application, sql: str) -> dict[str, Any]:
    response = application.client.post("/api/sql", json={"sql": sql})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_sql_answers_with_times_in_utc_and_null_for_the_unknown(house: Application) -> None:
    answer = ask_sql(
        house,
        "SELECT measured_at, value, value / 0 AS none, 'nan'::DOUBLE AS nan, quality "
        "FROM readings WHERE quantity = 'energy_import_wh' ORDER BY measured_at LIMIT 1",
    )
    assert answer["columns"] == ["measured_at", "value", "none", "nan", "quality"]
    assert answer["rows"] == [["2026-03-08T23:00:00Z", 1e6, None, None, "good"]]
    assert answer["is_cut"] is False


def test_sql_says_when_it_left_rows_out(
    house: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattscope.web.operations.MAX_SQL_ROWS", 3)
    answer = ask_sql(house, "SELECT value FROM readings LIMIT 10")
    assert (len(answer["rows"]), answer["is_cut"]) == (3, True)


def test_sql_sees_every_view_of_the_manual(house: Application) -> None:
    manual = Path(__file__).parents[2] / "docs" / "sql.md"
    views = re.findall(r"`(readings|rollup_\w+|devices|registers|quarantine)`", manual.read_text())
    assert len(set(views)) == 8
    for view in set(views):
        assert ask_sql(house, f"SELECT * FROM {view} LIMIT 1")["columns"]


def test_sql_of_another_session_is_not_seen(house: Application) -> None:
    ask_sql(house, "SELECT * FROM devices")
    response = house.client.post("/api/sql", json={"sql": "SELECT * FROM local_days"})
    assert response.status_code == 422


def test_openapi_describes_every_route_and_resolves(house: Application) -> None:
    document = house.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Wattscope"
    names = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            assert {"200", "201"} & set(operation["responses"]), path
            assert "422" in operation["responses"], path
    for reference in re.findall(r'"\$ref":\s*"#/([^"]+)"', house.client.get("/openapi.json").text):
        node: Any = document
        for part in reference.split("/"):
            node = node[part]


class _Links(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or "" for name, value in attrs if tag != "a" and name in {"src", "href"}
        ]


@pytest.mark.parametrize("path", ["/docs", "/"])
def test_pages_load_from_their_own_host_only(house: Application, path: str) -> None:
    response = house.client.get(path)
    if response.status_code == 503:
        pytest.skip("the page is not built (python hatch_build.py)")
    assert response.headers["content-type"].startswith("text/html")
    links = _Links()
    links.feed(response.text)
    assert links.found
    for link in links.found:
        assert link.startswith("/"), link
        assert not link.startswith("//"), link
        assert house.client.get(link).status_code == 200, link
    assert "<script>" not in response.text


def test_every_path_of_the_page_opens_it(house: Application) -> None:
    start = house.client.get("/").text
    for path in ("/home?range=day&date=2026-03-10", "/devices/grid", "/health"):
        assert house.client.get(path).text == start


def test_two_sites_are_kept_apart(tmp_path: Path) -> None:
    with open_application(tmp_path, now=NOW, settings=HOUSE, fill=fill_house) as application:
        registry = application.storage.registry
        home = registry.list_sites()[0]
        registry.put_site(dataclasses.replace(home, id="cabin", time_zone="Asia/Kolkata"))
        there = application.get("/api/energy", site="cabin", day="2026-03-10")
        assert there["start"] == "2026-03-09T18:30:00Z"
        assert set(there["totals"].values()) == {None}
        here = application.get("/api/energy", site="home", day="2026-03-10")
        assert here["totals"]["consumption_wh"] == 25_600.0
