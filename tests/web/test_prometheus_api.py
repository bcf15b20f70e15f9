"""Prometheus' query API: its forms, its words for what is wrong, and the bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.applications import Application, open_application, parse_json
from tests.web.conftest import HOUSE, NOW, fill_house
from wattscope.compute.prometheus_renames import Rename
from wattscope.compute.promql.sampling import Bounds
from wattscope.compute.promql.tree import Edition
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch
from wattscope.web.prometheus_options import PrometheusOptions
from wattscope.web.services import Services

IMPORT = "wattscope_energy_import_joules_total"
AT = 1_773_226_800
"""NOW in seconds."""


def ask(house: Application, path: str, **words: Any) -> Any:  # noqa: ANN401  # JSON
    """What a good answer holds."""
    answer = house.client.get(f"/api/v1/{path}", params=words)
    assert answer.status_code == 200, answer.text
    document = parse_json(answer.text)
    assert document.pop("status") == "success"
    return document.pop("data")


def refuse(house: Application, path: str, status: int, **words: Any) -> dict[str, Any]:  # noqa: ANN401
    """The body of a refusal."""
    answer = house.client.get(f"/api/v1/{path}", params=words)
    assert answer.status_code == status, answer.text
    body = parse_json(answer.text)
    assert set(body) == {"status", "errorType", "error"}
    assert body["status"] == "error"
    assert "Traceback" not in answer.text
    return body


def test_vector_is_in_joules_with_texts_and_seconds(house: Application) -> None:
    assert ask(house, "query", query=IMPORT) == {
        "resultType": "vector",
        "result": [
            {
                "metric": {"__name__": IMPORT, "device": "grid", "site": "home"},
                "value": [AT, "3715200000"],
            }
        ],
    }


def test_rate_of_joules_is_in_watts(house: Application) -> None:
    found = ask(
        house,
        "query_range",
        query=f'rate({IMPORT}{{device="grid"}}[1h])',
        start="2026-03-10T00:00:00Z",
        end="2026-03-10T12:00:00+00:00",
        step="4h",
    )
    assert found == {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"device": "grid", "site": "home"},
                "values": [[1773100800 + 14400 * n, "1000" if n < 2 else "0"] for n in range(4)],
            }
        ],
    }


def test_scalars_texts_and_readings_as_they_are(house: Application) -> None:
    assert ask(house, "query", query="1 + 1") == {"resultType": "scalar", "result": [AT, "2"]}
    assert ask(house, "query", query='"a"') == {"resultType": "string", "result": [AT, "a"]}
    found = ask(house, "query", query=f"{IMPORT}[30m]", time=f"{AT}.5")
    assert [value for _, value in found["result"][0]["values"]] == ["3715200000"] * 2
    assert [at for at, _ in found["result"][0]["values"]] == [AT - 900, AT]
    found = ask(house, "query_range", query="-1", start=0, end=1, step=0.25)
    assert found["result"] == [
        {"metric": {}, "values": [[at, "-1"] for at in (0, 0.25, 0.5, 0.75, 1)]}
    ]
    special = ask(house, "query", query="vector(1/0) > bool vector(-1/0)")["result"]
    assert special[0]["value"][1] == "1"
    assert ask(house, "query", query="-1/0")["result"][1] == "-Inf"
    assert ask(house, "query", query="0/0")["result"][1] == "NaN"


def test_forms_are_taken_as_addresses_are(house: Application) -> None:
    words = {"query": "sum(" + IMPORT + ")", "time": "2026-03-11T11:00:00Z"}
    by_form = house.client.post("/api/v1/query", data=words)
    assert by_form.json() == house.client.get("/api/v1/query", params=words).json()
    words |= {"start": f"{AT - 60}", "end": f"{AT}", "step": "30", "lookback_delta": "1h"}
    by_form = house.client.post("/api/v1/query_range", data=words)
    assert len(by_form.json()["data"]["result"][0]["values"]) == 3
    found = house.client.post("/api/v1/series", data={"match[]": [IMPORT, "nothing"]})
    assert [one["device"] for one in found.json()["data"]] == ["grid"]
    found = house.client.post("/api/v1/labels", data={"match[]": "nothing"})
    assert found.json()["data"] == []
    # The form comes before the address.
    found = house.client.post("/api/v1/query?query=1", data={"query": "2"})
    assert found.json()["data"]["result"][1] == "2"


def test_body_that_is_no_form_is_refused(house: Application) -> None:
    answer = house.client.post("/api/v1/query", json={"query": "1"})
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = house.client.post("/api/v1/query", content=b"query=\xff", headers=form)
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
    many = "&".join(f"a{number}=1" for number in range(2000))
    answer = house.client.post("/api/v1/query", content=many, headers=form)
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
    large = "query=" + "1" * (2 << 20)
    assert house.client.post("/api/v1/query", content=large, headers=form).status_code == 413


def test_page_of_somebody_else_may_not_send_forms(house: Application) -> None:
    headers = {"Origin": "http://evil.example"}
    answer = house.client.post("/api/v1/query", data={"query": "1"}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "words", "error"),
    [
        ("query", {}, 'invalid parameter "query": parse error'),
        ("query", {"query": "sum("}, 'invalid parameter "query": parse error'),
        ("query", {"query": "1", "time": "noon"}, 'invalid parameter "time"'),
        ("query", {"query": "1", "time": "nan"}, 'invalid parameter "time"'),
        ("query", {"query": "1", "time": "1e300"}, 'invalid parameter "time"'),
        ("query", {"query": "1", "time": "2026-03-10"}, 'invalid parameter "time"'),
        ("query", {"query": "1", "lookback_delta": "0"}, "lookback_delta"),
        ("query_range", {"query": "1", "end": 1, "step": 1}, 'invalid parameter "start"'),
        ("query_range", {"query": "1", "start": 2, "end": 1, "step": 1}, "before start time"),
        ("query_range", {"query": "1", "start": 1, "end": 2}, 'invalid parameter "step"'),
        ("query_range", {"query": "1", "start": 1, "end": 2, "step": 0}, "zero or negative"),
        ("query_range", {"query": "1", "start": 1, "end": 2, "step": -1}, "zero or negative"),
        ("query_range", {"query": "1", "start": 1, "end": 2, "step": 1e-9}, "zero or negative"),
        ("query_range", {"query": "1", "start": 0, "end": 11001, "step": 1}, "11,000 points"),
        ("query_range", {"query": "x[5m]", "start": 0, "end": 1, "step": 1}, "range vector"),
        ("query_range", {"query": '"x"', "start": 0, "end": 1, "step": 1}, '"string"'),
        ("series", {}, "no match[] parameter provided"),
        ("series", {"match[]": "x[5m]"}, "no selector"),
        ("labels", {"match[]": "{"}, "parse error"),
        ("labels", {"start": "x"}, 'invalid parameter "start"'),
        ("label/a-b/values", {}, "invalid label name"),
        ("label/site/values", {"limit": "-1"}, "limit"),
    ],
)
def test_wrong_words_are_bad_data(
    house: Application, path: str, words: dict[str, Any], error: str
) -> None:
    body = refuse(house, path, 400, **words)
    assert body["errorType"] == "bad_data"
    assert error in body["error"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("stddev(x)", "the aggregation stddev is not supported"),
        ("deriv(x[5m])", "the function deriv is not supported"),
        ("x[1h:5m]", "a subquery"),
        ('sum({site="home"} + 0)', "same labelset"),
    ],
)
def test_what_is_not_answered_is_an_execution_error(
    house: Application, query: str, error: str
) -> None:
    body = refuse(house, "query", 422, query=query)
    assert body["errorType"] == "execution"
    assert error in body["error"]


def test_largest_number_of_steps_is_answered(house: Application) -> None:
    found = ask(house, "query_range", query="1", start=0, end=11000, step=1)
    assert len(found["result"][0]["values"]) == 11_001


def test_names_labels_and_series(house: Application) -> None:
    assert ask(house, "labels") == ["__name__", "device", "site"]
    assert ask(house, "label/device/values") == ["grid", "kettle", "roof"]
    assert ask(house, "label/device/values", limit=2) == ["grid", "kettle"]
    assert ask(house, "label/device/values", limit=0) == ["grid", "kettle", "roof"]
    assert ask(house, "label/nothing/values") == []
    words = {"match[]": ['{device="roof"}', '{__name__=~".*power.*"}'], "start": AT, "end": AT}
    assert ask(house, "label/__name__/values", **words) == [
        "wattscope_active_power_watts",
        "wattscope_energy_production_joules_total",
    ]
    assert ask(house, "series", **words) == [
        {"__name__": "wattscope_active_power_watts", "device": "kettle", "site": "home"},
        {"__name__": "wattscope_energy_production_joules_total", "device": "roof", "site": "home"},
    ]


def test_metadata_tells_type_and_unit(house: Application) -> None:
    found = ask(house, "metadata", metric=IMPORT)
    assert found == {
        IMPORT: [{"type": "counter", "help": "Energy imported [joules].", "unit": "joules"}]
    }
    assert ask(house, "metadata")["wattscope_active_power_watts"][0]["type"] == "gauge"
    assert len(ask(house, "metadata", limit=2)) == 2


def test_names_are_those_of_the_scrape(house: Application) -> None:
    scraped = house.client.get("/metrics").text
    one = next(line for line in scraped.splitlines() if line.startswith(f"{IMPORT}{{"))
    found = ask(house, "query", query=one.partition("} ")[0] + "}")
    assert float(found["result"][0]["value"][1]) == float(one.partition("} ")[2])


def test_series_ends_when_its_newest_value_is_too_old(house: Application) -> None:
    """There are no stale markers: only age ends a series."""
    for age_s, n_series in ((299, 1), (300, 0)):
        found = ask(house, "query", query=IMPORT, time=AT + age_s)
        assert len(found["result"]) == n_series, age_s
    found = ask(house, "query", query=IMPORT, time=AT + 3000, lookback_delta="1h")
    assert len(found["result"]) == 1
    assert ask(house, "query", query=f"absent({IMPORT})", time=AT + 300)["result"]


def test_build_tells_whose_rules_are_followed(house: Application) -> None:
    assert ask(house, "status/buildinfo")["version"] == "3.0.0"


def test_other_paths_are_not_there(house: Application) -> None:
    house.problem("/api/v1/query_exemplars", 404)
    house.problem("/api/v1/rules", 404)


@pytest.fixture
def bounded_house(tmp_path: Path) -> Iterator[Application]:
    bounds = Bounds(n_series=3, n_points=1000, n_rows=100, n_window_rows=50)
    renames = (Rename("import_kwh", "grid", "energy_import_wh", "kWh"),)
    options = PrometheusOptions(renames, Edition.V2, bounds=bounds)

    def change(services: Services) -> Services:
        return dataclasses.replace(services, prometheus=options)

    with open_application(
        tmp_path, now=NOW, settings=HOUSE, fill=fill_house, change=change
    ) as application:
        yield application


def test_questions_that_cost_too_much_are_refused_in_words(bounded_house: Application) -> None:
    for query, error in {
        '{site="home"}': "more than 3",
        f"rate({IMPORT}[1d])": "one window of 1 series holds more than 50 readings",
        f"count_over_time({IMPORT}[10h] offset 30h) + count_over_time({IMPORT}[10h] offset 20h)"
        f" + count_over_time({IMPORT}[10h] offset 10h)": "more than 100 readings",
    }.items():
        body = refuse(bounded_house, "query", 422, query=query)
        assert body["errorType"] == "execution"
        assert error in body["error"]
    body = refuse(bounded_house, "query_range", 422, query=IMPORT, start=0, end=5000, step=1)
    assert "1 series at 5001 steps are more than 1,000 values" in body["error"]


def test_names_of_ones_own_are_asked_as_they_are_scraped(bounded_house: Application) -> None:
    for name in ("import_kwh", "import_kwh_total"):
        found = ask(bounded_house, "query", query=name)
        assert found["result"] == [{"metric": {"__name__": name}, "value": [AT, "1032"]}]
    types = ask(bounded_house, "metadata")
    assert types["import_kwh"][0]["type"] == "unknown"
    assert types["import_kwh_total"][0]["type"] == "counter"
    assert ask(bounded_house, "status/buildinfo")["version"] == "2.42.0"


def test_store_that_is_away_is_unavailable(
    own_house: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_words: object) -> Batch:
        raise TransientError("the database is away")

    monkeypatch.setattr(type(own_house.storage.store), "read_raw", fail)
    answer = own_house.client.get("/api/v1/query", params={"query": IMPORT})
    assert (answer.status_code, answer.json()["errorType"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
