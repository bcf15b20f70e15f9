"""Any question that the API's own description allows gets an answer that it describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.assembly.meter_places import open_desk
from tests.web.applications import Application, open_application
from tests.web.conftest import HOUSE, NOW, fill_house
from wattscope.assembly.commission import Commission
from wattscope.core.fleet import Endpoint
from wattscope.sources.modbus_wire import Wire

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
openapi_checks = pytest.importorskip("schemathesis.specs.openapi.checks")

# Not asked: that every text which the description allows is accepted. It cannot say what a date,
# a name that exists, or right SQL is.
CHECKS = [
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
ENDLESS = "/api/live"
OPERATIONS = (
    "GET /api/sites",
    "GET /api/devices",
    "GET /api/devices/{device_id}",
    "GET /api/devices/{device_id}/chart",
    "GET /api/devices/{device_id}/efficiency",
    "GET /api/devices/{device_id}/energy",
    "GET /api/devices/{device_id}/expected",
    "GET /api/devices/{device_id}/readings",
    "GET /api/energy",
    "GET /api/fleet",
    "GET /api/grid/days",
    "GET /api/grid/hour",
    "GET /api/grid/load",
    "GET /api/grid/meters",
    "GET /api/grid/months",
    "GET /api/grid/now",
    "GET /api/grid/peaks",
    "GET /api/grid/regions",
    "GET /api/grid/rollups",
    "GET /api/grid/today",
    "GET /api/power",
    "GET /api/insights/now",
    "GET /api/insights/day",
    "GET /api/insights/copied-days",
    "GET /api/insights/grid-quality",
    "GET /api/insights/phases",
    "GET /api/insights/states",
    "GET /api/pages/settings",
    "GET /api/panels/{panel_id}/efficiency",
    "GET /api/panels/{panel_id}/readings",
    "GET /api/plant",
    "GET /api/insights/counter-steps",
    "PUT /api/insights/counter-steps",
    "DELETE /api/insights/counter-steps",
    "GET /api/health",
    "GET /api/topics",
    "GET /api/reports/daily",
    "GET /api/quarantine",
    "POST /api/sql",
    "GET /api/meters",
    "POST /api/meters",
    "GET /api/meters/{meter_id}",
    "PUT /api/meters/{meter_id}",
    "DELETE /api/meters/{meter_id}",
    "POST /api/meters/scan",
    "POST /api/meters/test-read",
    "GET /api/registers",
    "POST /api/registers",
    "PUT /api/registers/{number}",
    "DELETE /api/registers/{number}",
    "GET /api/poll-groups",
    "PUT /api/poll-groups/{name}",
    "DELETE /api/poll-groups/{name}",
    "GET /api/meter-types",
    "GET /api/incidents",
    "GET /api/incidents/{incident_id}",
    "POST /api/incidents/{incident_id}/acknowledge",
    "POST /api/incidents/{incident_id}/silence",
    "POST /api/incidents/{incident_id}/reopen",
    "GET /api/alerts",
    "GET /api/alerts/recent",
    "POST /api/alerts/{alert_id}/acknowledge",
    "POST /api/alerts/{alert_id}/silence",
    "GET /api/alert-rules",
    "POST /api/alert-rules",
    "PUT /api/alert-rules/{rule_id}",
    "DELETE /api/alert-rules/{rule_id}",
    "POST /api/alert-rules/preview",
    "GET /api/channels",
    "POST /api/channels/{name}/test",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
)


async def open_nothing(endpoint: Endpoint, timeout_s: float) -> Wire:
    """A network in which nobody answers: this test makes up addresses."""
    raise OSError(f"no route to {endpoint.address} within {timeout_s} s")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("schema")
    desk = open_desk(folder)
    with open_application(
        folder,
        now=NOW,
        settings=HOUSE,
        fill=fill_house,
        change=lambda services: dataclasses.replace(
            services, meters=desk, commission=Commission(desk.source, open_nothing)
        ),
    ) as found:
        yield found
    desk.source.book.close()


def test_every_operation_is_tried(application: Application) -> None:
    paths = application.get("/openapi.json")["paths"]
    described = {
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods
    }
    assert described - {f"GET {ENDLESS}"} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_any_question_is_answered_as_described(application: Application, operation: str) -> None:
    method, _, path = operation.partition(" ")
    schema = schemathesis.openapi.from_asgi("/openapi.json", application.client.app)

    @settings(
        max_examples=30,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy())
    def ask(case: Any) -> None:  # noqa: ANN401  # a case of a module that may be absent
        response = case.call(session=application.client)
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=CHECKS)

    ask()
