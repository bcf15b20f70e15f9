"""Routes of incidents, alerts, rules and channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.web.applications import Application, open_application, parse_json, put
from wattscope.assembly.alerting import AlertDesk
from wattscope.assembly.storage import Storage, now_us
from wattscope.core.findings import Finding, Severity
from wattscope.core.incidents import Cause, Incident
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, format_utc
from wattscope.settings import DeviceSettings, NotifySettings, Settings, SiteSettings
from wattscope.web.services import Services

FARM = Settings(
    sources=(),
    site=SiteSettings(id="farm", name="Farm", time_zone="Europe/Paris", currency="EUR"),
    devices=(
        DeviceSettings(id="inverter", kind="inverter", rating_w=5000),
        DeviceSettings(
            id="p1", name="Panel 1", kind="panel", parent="inverter", rating_w=400, interval_s=60
        ),
        DeviceSettings(id="p2", kind="panel", parent="inverter", rating_w=400, interval_s=60),
    ),
    notify=(NotifySettings("hook", "webhook", "http://127.0.0.1:9/none"),),
)
NOW_US = now_us()
TRIP = Incident(
    "f00d",
    "farm",
    "inverter",
    NOW_US - US_PER_HOUR,
    NOW_US,
    is_over=False,
    severity=Severity.CRITICAL,
    causes=(Cause("outage", 0.8), Cause("underperformance", 0.2)),
    findings=(
        Finding(
            "outage",
            "inverter",
            NOW_US - US_PER_HOUR,
            NOW_US,
            "0 W of 5,000 W",
            {"power_w": 0.0},
            "active_power_w",
            "outage",
            0.9,
            3000.0,
        ),
    ),
    recommendation="Switch it on again.",
    lost_wh=3000.0,
    lost_money=0.9,
)
DIRT = replace(
    TRIP,
    id="d1",
    device="p1",
    start_us=NOW_US - 10 * US_PER_DAY,
    severity=Severity.WARNING,
    causes=(Cause("soiling", 1.0),),
    lost_wh=10_000.0,
    lost_money=3.0,
)
OLD = replace(TRIP, id="01d", is_over=True, start_us=NOW_US - US_PER_DAY)
RULE: dict[str, Any] = {
    "name": "Too hot",
    "kind": "above",
    "quantity": "temperature_c",
    "threshold": 60.0,
    "schedule": {"weekdays": [0, 1, 2, 3, 4, 5, 6], "start": "00:00", "end": "24:00"},
}


@dataclass(frozen=True, slots=True)
class Farm:
    """The application, with the desk behind it."""

    app: Application
    desk: AlertDesk

    def send(self, method: str, path: str, body: object = None, status: int = 200) -> Any:  # noqa: ANN401  # JSON
        response = self.app.client.request(method, path, json=body if body is not None else {})
        assert response.status_code == status, response.text
        return parse_json(response.text)

    def heat(self, device: str, value: float) -> None:
        put(self.app.storage, device, "temperature_c", [(now_us(), value)])
        self.desk._alerting.observe(now_us())


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    desks: list[AlertDesk] = []

    def keep_desk(services: Services) -> Services:
        assert isinstance(services.alerts, AlertDesk)
        desks.append(services.alerts)
        return services

    with open_application(tmp_path, settings=FARM, change=keep_desk) as application:
        yield Farm(application, desks[0])


def book(farm: Farm, *incidents: Incident) -> None:
    farm.desk.incidents.put_all(incidents, NOW_US)
    farm.desk.take_incidents([one for one in incidents if not one.is_over])


def test_incidents_are_ranked_by_what_they_cost_a_day_and_summed_once(farm: Farm) -> None:
    book(farm, DIRT, TRIP, OLD)
    answer = farm.app.get("/api/incidents")
    assert [one["id"] for one in answer["incidents"]] == ["f00d", "d1"]
    # What the panel loses (1 kWh a day) is lost at its inverter (3 kWh) too.
    assert answer["summary"] == {
        "n": 2,
        "lost_kwh_per_day": 3.0,
        "lost_money_per_day": 0.9,
        "currency": "EUR",
    }
    first = answer["incidents"][0]
    assert first == {
        "id": "f00d",
        "site": "farm",
        "device": "inverter",
        "device_name": "inverter",
        "kind": "outage",
        "title": "no power while its neighbours produce",
        "state": "open",
        "severity": "critical",
        "start": format_utc(TRIP.start_us),
        "end": None,
        "causes": [
            {"name": "outage", "title": "no power while its neighbours produce", "share": 0.8},
            {"name": "underperformance", "title": "less power than expected", "share": 0.2},
        ],
        "lost_kwh": 3.0,
        "lost_kwh_per_day": 3.0,
        "lost_money": 0.9,
        "lost_money_per_day": 0.9,
        "currency": "EUR",
        "recommendation": "Switch it on again.",
        "silenced_until": None,
        "findings": [
            {
                "kind": "outage",
                "title": "no power while its neighbours produce",
                "detector": "outage",
                "quantity": "active_power_w",
                "start": format_utc(TRIP.start_us),
                "end": format_utc(TRIP.end_us),
                "detail": "0 W of 5,000 W",
                "confidence": 0.9,
                "lost_kwh": 3.0,
                "evidence": {"power_w": 0.0},
            }
        ],
    }
    assert answer["incidents"][1]["lost_kwh_per_day"] == 1.0
    assert answer["incidents"][1]["lost_money_per_day"] == 0.3


def test_incidents_are_chosen_by_state_device_and_site(farm: Farm) -> None:
    book(farm, DIRT, TRIP, OLD)

    def list_ids(**words: str | float) -> list[str]:
        return [one["id"] for one in farm.app.get("/api/incidents", **words)["incidents"]]

    assert list_ids(state="cleared") == ["01d"]
    assert list_ids(device="p1") == ["d1"]
    assert list_ids(site="farm", limit=1) == ["f00d"]
    assert list_ids(state="silenced") == []
    farm.app.problem("/api/incidents?site=moon", 404)
    farm.app.problem("/api/incidents?state=lost", 422)
    assert farm.app.get("/api/incidents/01d")["end"] is not None
    farm.app.problem("/api/incidents/none", 404)


def test_incident_is_acknowledged_silenced_and_reopened_with_its_alert(farm: Farm) -> None:
    book(farm, TRIP)
    [alert] = farm.app.get("/api/alerts")["alerts"]
    assert (alert["rule_name"], alert["key"], alert["state"]) == ("Incidents", "f00d", "raised")
    assert [one["channel"] for one in alert["deliveries"]] == ["hook"]
    assert farm.send("POST", "/api/incidents/f00d/acknowledge")["state"] == "acknowledged"
    assert farm.app.get("/api/alerts")["alerts"][0]["state"] == "acknowledged"
    silenced = farm.send("POST", "/api/incidents/f00d/silence", {"hours": 24})
    assert silenced["state"] == "silenced"
    assert silenced["silenced_until"] > format_utc(NOW_US + 23 * US_PER_HOUR)
    assert farm.send("POST", "/api/incidents/f00d/reopen")["state"] == "open"
    farm.send("POST", "/api/incidents/f00d/silence", {"hours": -1}, 422)
    farm.send("POST", "/api/incidents/none/acknowledge", {}, 404)
    book(farm, replace(TRIP, is_over=True))
    farm.send("POST", "/api/incidents/f00d/reopen", {}, 422)
    assert farm.app.get("/api/alerts")["alerts"] == []
    assert farm.app.get("/api/alerts", state="cleared")["alerts"][0]["key"] == "f00d"


def test_rule_is_made_changed_and_dropped(farm: Farm) -> None:
    [first] = farm.app.get("/api/alert-rules")["rules"]
    assert (first["name"], first["kind"], first["channels"]) == ("Incidents", "incident", [])
    made = farm.send("POST", "/api/alert-rules", RULE, 201)
    assert made == RULE | {
        "id": 2,
        "devices": [],
        "hysteresis": 0.0,
        "for_s": 0.0,
        "per_s": 60.0,
        "kinds": [],
        "severity": "warning",
        "channels": [],
        "is_enabled": True,
    }
    farm.heat("p1", 61.0)
    [alert] = farm.app.get("/api/alerts")["alerts"]
    assert (alert["device_name"], alert["value"], alert["title"]) == (
        "Panel 1",
        61.0,
        "Too hot: Panel 1",
    )
    night = {"weekdays": [5], "start": "22:00", "end": "06:00"}
    changed = farm.send("PUT", "/api/alert-rules/2", made | {"schedule": night})
    assert changed["schedule"] == night
    assert farm.send("POST", f"/api/alerts/{alert['id']}/acknowledge")["state"] == "acknowledged"
    silent = farm.send("POST", f"/api/alerts/{alert['id']}/silence", {"hours": 1})
    assert silent["state"] == "silenced"
    assert farm.send("DELETE", "/api/alert-rules/2") == {"removed": 2}
    assert farm.app.get("/api/alerts")["alerts"] == []
    farm.send("DELETE", "/api/alert-rules/2", {}, 404)
    farm.send("PUT", "/api/alert-rules/0", RULE, 404)
    farm.send("POST", "/api/alerts/99/acknowledge", {}, 404)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"quantity": "warmth"}, "quantity"),
        ({"kind": "sometimes"}, "kind"),
        ({"devices": ["p9"]}, "devices"),
        ({"channels": ["pager"]}, "channels"),
        ({"schedule": {"start": "25:00"}}, "schedule"),
        ({"schedule": {"weekdays": [9]}}, "weekdays"),
        ({"wish": 1}, "wish"),
    ],
)
def test_wrong_rule_is_refused(farm: Farm, change: dict[str, Any], word: str) -> None:
    for path in ("/api/alert-rules", "/api/alert-rules/preview"):
        problem = farm.send("POST", path, RULE | change, 422)
        assert word in problem["detail"]
    assert len(farm.app.get("/api/alert-rules")["rules"]) == 1


def fill_month(storage: Storage) -> None:
    """A day with a hot hour, ten days ago."""
    start_us = NOW_US // US_PER_DAY * US_PER_DAY - 10 * US_PER_DAY
    rows: list[tuple[int, float | None]] = [
        (start_us + n * US_PER_MINUTE, 70.0 if 600 <= n < 660 else 20.0) for n in range(1440)
    ]
    put(storage, "p1", "temperature_c", rows)
    put(storage, "p2", "temperature_c", [(t, 20.0) for t, _ in rows])


def test_preview_tells_what_a_rule_would_have_raised(farm: Farm) -> None:
    fill_month(farm.app.storage)
    answer = farm.send("POST", "/api/alert-rules/preview", RULE)
    assert (answer["days"], answer["n_fired"], answer["n_devices"]) == (30, 1, 2)
    [fired] = answer["fired"]
    assert (fired["device"], fired["device_name"], fired["value"]) == ("p1", "Panel 1", 70.0)
    start_us = NOW_US // US_PER_DAY * US_PER_DAY - 10 * US_PER_DAY
    assert fired["raised_at"] == format_utc(start_us + 601 * US_PER_MINUTE)
    assert fired["cleared_at"] == format_utc(start_us + 662 * US_PER_MINUTE)
    long = farm.send("POST", "/api/alert-rules/preview", RULE | {"for_s": 7200})
    assert long["n_fired"] == 0
    assert farm.app.get("/api/alert-rules")["rules"][-1]["name"] == "Incidents"


def test_preview_of_silence_and_of_incidents(farm: Farm) -> None:
    fill_month(farm.app.storage)
    silent = {"name": "Silent", "kind": "no_data", "for_s": 3600, "devices": ["p1"]}
    answer = farm.send("POST", "/api/alert-rules/preview", silent)
    # Before the day with values, and after it.
    assert [one["cleared_at"] is None for one in answer["fired"]] == [True, False]
    book(farm, DIRT, TRIP, OLD)
    told = farm.send("POST", "/api/alert-rules/preview", {"name": "x", "kind": "incident"})
    assert sorted(one["device"] for one in told["fired"]) == ["inverter", "inverter", "p1"]


def test_recent_alerts_have_the_fields_of_a_panels_alert(farm: Farm) -> None:
    farm.send("POST", "/api/alert-rules", RULE, 201)
    farm.heat("p1", 61.0)
    book(farm, TRIP)
    response = farm.app.client.get("/api/alerts/recent?limit=5")
    incident, hot = response.json()
    assert set(hot) == {
        "panel_id",
        "timestamp",
        "alert_type",
        "severity",
        "details",
        "recommendation",
    }
    assert (hot["panel_id"], hot["alert_type"], hot["severity"]) == ("p1", "above", "medium")
    assert hot["recommendation"] == "High temperature detected. Check cooling system."
    assert hot["details"]["value"] == 61.0
    assert (incident["alert_type"], incident["severity"]) == ("outage", "high")
    assert incident["recommendation"] == "Switch it on again."
    assert farm.app.client.get("/api/alerts/recent?limit=1").json() == [incident]
    assert farm.app.client.get("/api/alerts/recent?limit=0").status_code == 422


@pytest.mark.integration
def test_channel_that_cannot_be_reached_says_so_without_its_secret(farm: Farm) -> None:
    [before] = farm.app.get("/api/channels")["channels"]
    assert before == {
        "name": "hook",
        "type": "webhook",
        "is_ok": True,
        "last_error": None,
        "waiting": 0,
    }
    problem = farm.send("POST", "/api/channels/hook/test", {}, 502)
    assert problem["code"] == "channel_failed"
    [after] = farm.app.get("/api/channels")["channels"]
    assert not after["is_ok"]
    assert "127.0.0.1" in after["last_error"]
    assert "none" not in after["last_error"]
    farm.send("POST", "/api/channels/pager/test", {}, 404)


def test_page_of_somebody_else_changes_nothing(farm: Farm) -> None:
    book(farm, TRIP)
    for path in (
        "/api/incidents/f00d/acknowledge",
        "/api/alert-rules",
        "/api/channels/hook/test",
    ):
        response = farm.app.client.post(path, json=RULE, headers={"Origin": "http://evil.example"})
        assert response.status_code == 403
    assert farm.app.get("/api/incidents/f00d")["state"] == "open"


def test_first_rule_that_was_dropped_does_not_come_back(farm: Farm) -> None:
    farm.send("DELETE", "/api/alert-rules/1")
    AlertDesk(FARM, farm.app.storage)
    assert farm.app.get("/api/alert-rules")["rules"] == []
