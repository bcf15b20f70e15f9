"""Every question of every dashboard is put to a live server, and has rows; the numbers are ours."""

from __future__ import annotations

import contextlib
import math
import os
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from tests.influx_server import InfluxServer, run_influx
from tests.integration.grafana_pasts import NOW_S, open_past
from tests.integration.grafana_questions import (
    Asked,
    Chosen,
    Period,
    fill_influxql,
    fill_promql,
    fill_sql,
    list_questions,
    list_variables,
)
from tests.integration.scraped import Prometheus, get, run_exporter, wait_until
from tests.servers import ServerMissingError, run_postgres, run_prometheus
from tests.timescale_server import TIMESCALE_VARIABLE, run_timescale
from tests.web.applications import Application
from wattscope.cli.options import read_recipe
from wattscope.settings import parse_settings
from wattscope.stores.postgres.options import PostgresStoreOptions
from wattscope.stores.postgres.server import Edition
from wattscope.stores.postgres.store import PostgresStore

pytestmark = pytest.mark.integration

PERIODS = {"home": "America/Denver", "solar": "Europe/Madrid"}
BERLIN = "Europe/Berlin"
ONE = {
    "home": "xcel_itron_5",
    "solar": "Panel-003",
    "modbus": "feed",
    "grid": "1000000000",
    "heatpump": "heatpump",
}
"""A device that is chosen alone in a second round."""
NAMED = {"modbus": "wattscope-plant"}


@pytest.fixture(scope="module", params=sorted(ONE))
def past(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Application]]:
    """The past of each recipe, behind Wattscope's own API."""
    recipe = request.param
    with open_past(recipe, tmp_path_factory.mktemp(recipe)) as application:
        yield recipe, application


@contextlib.contextmanager
def reported(missing: type[Exception] = ServerMissingError) -> Iterator[contextlib.ExitStack]:
    """A stack of servers; one that is not installed skips the test."""
    with contextlib.ExitStack() as stack:
        try:
            yield stack
        except missing as error:
            pytest.skip(str(error))


# ---------------------------------------------------------------- Wattscope itself


def ask_ours(application: Application, asked: Asked, chosen: Chosen, zone: str) -> list[Any]:
    """The series of an answer."""
    period = asked.find_period(NOW_S, zone)
    step_s = asked.find_step_s(period)
    words = {"query": fill_promql(asked.target["expr"], chosen, period, step_s)}
    if asked.target["instant"]:
        path, words["time"] = "query", str(NOW_S)
    else:
        path = "query_range"
        start_s = period.start_s // step_s * step_s
        words |= {"start": str(start_s), "end": str(NOW_S), "step": str(step_s)}
    answer = application.client.post(f"/api/v1/{path}", data=words)
    assert answer.status_code == 200, f"{asked.name}: {answer.text}\n{words['query']}"
    found: list[Any] = answer.json()["data"]["result"]
    return found


def read_values(series: list[Any]) -> list[float]:
    return [float(value) for one in series for _, value in one.get("values") or [one.get("value")]]


def ask_number(application: Application, board: str, title: str, zone: str) -> float:
    """What a tile shows."""
    [asked] = [one for one in list_questions(board) if one.panel["title"] == title]
    [value] = read_values(ask_ours(application, asked, {}, zone))
    return value


def test_every_panel_over_wattscope_has_rows(past: tuple[str, Application]) -> None:
    recipe, application = past
    zone = PERIODS.get(recipe, BERLIN)
    n_asked = 0
    everything: Chosen = {}
    for chosen in (everything, {"site": [read_recipe(recipe).site.id], "device": [ONE[recipe]]}):
        for asked in list_questions(NAMED.get(recipe, f"wattscope-{recipe}")):
            values = read_values(ask_ours(application, asked, chosen, zone))
            assert [one for one in values if math.isfinite(one)], asked.name
            n_asked += 1
    assert n_asked >= 20


def test_variables_over_wattscope_list_sites_and_devices(past: tuple[str, Application]) -> None:
    recipe, application = past
    for variable in list_variables(NAMED.get(recipe, f"wattscope-{recipe}")):
        metric, _, label = variable["definition"][len("label_values(") : -1].rpartition(", ")
        selector = metric.replace("$site", ".+")
        found = application.get(f"/api/v1/label/{label}/values", **{"match[]": selector})["data"]
        wanted = {"site": read_recipe(recipe).site.id, "device": ONE[recipe]}
        assert wanted[variable["name"]] in found


def read_energy_wh(application: Application, quantity: str, start_s: int) -> float:
    """What the program itself says: the sum of its quarters of an hour since an instant."""
    table = application.storage.store.query(
        "SELECT sum(energy_wh) FROM rollup_15m WHERE quantity = ? AND epoch(bucket_start) >= ?",
        (quantity, start_s),
    )
    return float(table.rows[0][0])


TODAY_TILES = {
    "home": ("wattscope-home", "Bought today", "energy_import_wh"),
    "solar": ("wattscope-solar", "Energy today", "production_power_w"),
    "grid": ("wattscope-grid", "Energy today", "energy_import_wh"),
    "heatpump": ("wattscope-heatpump", "Energy today", "energy_total_wh"),
}


def test_today_is_the_local_day_as_the_program_has_it(past: tuple[str, Application]) -> None:
    """On this day Europe's clocks went back: 16 hours since midnight, by the clock 15."""
    recipe, application = past
    if recipe not in TODAY_TILES:
        return
    board, title, quantity = TODAY_TILES[recipe]
    zone = PERIODS.get(recipe, BERLIN)
    since_s = NOW_S - 16 * 3600 if recipe != "home" else NOW_S - 8 * 3600
    shown = ask_number(application, board, title, zone)
    expected = read_energy_wh(application, quantity, since_s) / 1000
    assert expected > 0.1
    assert shown == pytest.approx(expected, rel=0.01)
    # And 24 hours are something else.
    day = read_energy_wh(application, quantity, NOW_S - 86400) / 1000
    assert abs(day - shown) > 0.05 * shown or recipe == "solar"


def test_power_now_is_that_of_the_newest_readings(past: tuple[str, Application]) -> None:
    recipe, application = past
    tiles = {"home": "Power now", "solar": "Power now", "grid": "Load now", "heatpump": "Power now"}
    if recipe not in tiles:
        return
    quantity = "production_power_w" if recipe == "solar" else "active_power_w"
    table = application.storage.store.query(
        "SELECT sum(v) FROM (SELECT arg_max(value, measured_at) AS v FROM readings "
        "WHERE quantity = ? GROUP BY device)",
        (quantity,),
    )
    shown = ask_number(application, f"wattscope-{recipe}", tiles[recipe], BERLIN)
    expected = table.rows[0][0] / (1000 if recipe == "heatpump" else 1)
    assert shown == pytest.approx(expected, rel=1e-9)


def test_energy_by_day_adds_up_to_what_registers_grew_by(past: tuple[str, Application]) -> None:
    recipe, application = past
    if recipe not in {"home", "heatpump", "grid"}:
        return
    [asked] = [
        one
        for one in list_questions(f"wattscope-{recipe}")
        if one.panel["type"] == "barchart" and one.target["refId"] == "A"
    ]
    series = ask_ours(application, asked, {}, BERLIN)
    start_s = NOW_S - 16 * 3600
    today = sum(float(value) for at, value in series[0]["values"] if start_s <= at < NOW_S)
    quantity = "energy_total_l1_wh" if recipe == "heatpump" else "energy_import_wh"
    expected = read_energy_wh(application, quantity, start_s) / 1000
    assert today == pytest.approx(expected, rel=0.02)


def test_the_highest_quarters_are_those_of_the_program(past: tuple[str, Application]) -> None:
    recipe, application = past
    if recipe != "grid":
        return
    [asked] = [
        one
        for one in list_questions("wattscope-grid")
        if one.panel["title"] == "Highest quarters of an hour"
    ]
    [series] = ask_ours(application, asked, {}, BERLIN)
    shown = sorted((float(value) for _, value in series["values"]), reverse=True)[:10]
    table = application.storage.store.query(
        "SELECT sum(mean) AS load FROM rollup_15m WHERE quantity = 'active_power_w' "
        "GROUP BY bucket_start ORDER BY 1 DESC LIMIT 10"
    )
    # A window of PromQL holds its end, a quarter of an hour its beginning.
    assert shown == pytest.approx([row[0] for row in table.rows], rel=0.02)


# ---------------------------------------------------------------- PostgreSQL, TimescaleDB


@pytest.fixture(scope="module", params=["plain", "timescale"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a PostgreSQL, and of a TimescaleDB where there is one."""
    with reported() as stack:
        if request.param == "plain":
            yield stack.enter_context(run_postgres())
        elif os.environ.get(TIMESCALE_VARIABLE):
            yield stack.enter_context(run_timescale("timescale"))
        else:
            pytest.skip(f"{TIMESCALE_VARIABLE} names no server")


@pytest.mark.parametrize("recipe", ["grid", "solar"])
def test_every_panel_over_postgresql_has_rows(recipe: str, database: str, tmp_path: Path) -> None:
    with open_past(recipe, tmp_path / recipe) as application:
        registry = application.storage.registry
        rows = application.storage.store.read_raw(list(range(1, 2000)), 0, 2**60)
        with (
            contextlib.closing(PostgresStore(registry, PostgresStoreOptions(database))) as store,
            psycopg.connect(database, autocommit=True) as connection,
        ):
            connection.execute("DROP SCHEMA IF EXISTS wattscope CASCADE")
            has_time_bucket = store.open().edition is not Edition.PLAIN
            store.load(rows)
            store.flush()
            answers = ask_postgres(connection, recipe, timescale=has_time_bucket)
        zone_start_s = NOW_S - 16 * 3600
        quantity = {"grid": "energy_import_wh", "solar": "production_power_w"}[recipe]
        expected = read_energy_wh(application, quantity, zone_start_s) / 1000
    [[today]] = answers["Energy today"]
    # Its newest quarter of an hour is not kept yet.
    assert expected * 0.95 <= today <= expected * (1 + 1e-9)
    if recipe == "grid":
        peaks = [row[2] for row in answers["Highest quarters of an hour"]]
        assert len(peaks) == 10
        months = answers["Energy by month and meter"]
        assert {row[0] for row in months} == {"2026-10"}
        assert len(months) == 30


def ask_postgres(
    connection: psycopg.Connection[Any], recipe: str, *, timescale: bool
) -> dict[str, list[Any]]:
    """The rows of each panel, as Grafana's data source asks for them."""
    board = f"timescaledb-{recipe}"
    chosen: dict[str, list[str]] = {}
    for variable in list_variables(board):
        text = fill_sql(variable["query"], chosen, Period(0, NOW_S), 60, timescale=timescale)
        chosen[variable["name"]] = [row[0] for row in connection.execute(text.encode()).fetchall()]
        assert chosen[variable["name"]], variable["name"]
    answers = {}
    for asked in list_questions(board):
        period = asked.find_period(NOW_S, BERLIN)
        step_s = asked.find_step_s(period)
        text = fill_sql(asked.target["rawSql"], chosen, period, step_s, timescale=timescale)
        cursor = connection.execute(text.encode())
        rows = cursor.fetchall()
        columns = [one.name for one in cursor.description or ()]
        assert rows, f"{asked.name}\n{text}"
        assert any(row[-1] is not None for row in rows), asked.name
        if asked.target["format"] == "time_series":
            assert columns[0] == "time", asked.name
            assert [row[0] for row in rows] == sorted(row[0] for row in rows), asked.name
        answers[asked.panel["title"]] = rows
    return answers


# ---------------------------------------------------------------- InfluxDB

ENDPOINTS = {
    "active_power_w": "Instantaneous_Demand",
    "energy_import_wh": "Current_Summation_Received",
    "energy_export_wh": "Current_Summation_Delivered",
}


def write_meter(application: Application, influx: InfluxServer) -> None:
    """What Telegraf writes of the messages of the meter, with ``deploy/telegraf/telegraf.conf``."""
    for quantity, endpoint in ENDPOINTS.items():
        series = application.storage.registry.ensure_series("xcel_itron_5", quantity)
        batch = application.storage.store.read_raw([series], 0, 2**60)
        topic = f"homeassistant/sensor/xcel_itron_5/{endpoint}/state"
        tags = f"meter,device=xcel_itron_5,quantity={endpoint},topic={topic}"
        pairs = zip(batch.measured_at_us.tolist(), batch.value.tolist(), strict=True)
        influx.write("\n".join(f"{tags} value={value!r} {at}000" for at, value in pairs))


def test_every_panel_over_influxdb_has_rows(tmp_path: Path) -> None:
    (tmp_path / "influx").mkdir()
    with reported() as stack:
        influx = stack.enter_context(run_influx(tmp_path / "influx"))
        application = stack.enter_context(open_past("home", tmp_path / "home"))
        write_meter(application, influx)
        zone = PERIODS["home"]
        [variable] = list_variables("influxdb-home")
        [listed] = influx.ask(variable["query"])
        chosen = {"device": [value for _, value in listed["values"]]}
        assert chosen == {"device": ["xcel_itron_5"]}
        answers = {}
        for asked in list_questions("influxdb-home"):
            period = asked.find_period(NOW_S, zone)
            text = fill_influxql(asked.target["query"], chosen, period, asked.find_step_s(period))
            series = influx.ask(text)
            values = [row[1] for one in series for row in one["values"] if row[1] is not None]
            assert values, f"{asked.name}\n{text}"
            answers[asked.panel["title"], asked.target["refId"]] = values
            # A tag that nobody writes would be noticed.
            assert influx.ask(text.replace('"device" =~', '"sensor_type" =~')) == []
        expected = read_energy_wh(application, "energy_import_wh", NOW_S - 8 * 3600) / 1000
        whole = read_energy_wh(application, "energy_import_wh", 0) / 1000
    [today] = answers["Bought today", "A"]
    assert today == pytest.approx(expected, rel=0.005)
    assert sum(answers["Energy by day", "A"]) == pytest.approx(whole, rel=0.005)


# ---------------------------------------------------------------- Prometheus

METER = {
    "active_power_w": 1846.0,
    **{f"active_power_l{n}_w": 615.0 for n in (1, 2, 3)},
    "energy_total_wh": 1_234_000.0,
    **{f"energy_total_l{n}_wh": 411_000.0 for n in (1, 2, 3)},
    "frequency_hz": 50.02,
    "power_factor": 0.93,
}
SITE = """
sources = []
[broker]
embedded = false
[site]
id = "heatpump"
time_zone = "Europe/Berlin"
[[devices]]
id = "heatpump"
kind = "heat_pump"
interval_s = 1
"""


def test_every_panel_over_a_prometheus_that_scrapes_us_has_rows(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(
        parse_settings(SITE), prometheus=read_recipe("heatpump").prometheus
    )
    (tmp_path / "prometheus").mkdir()
    with reported() as stack:
        exporter = stack.enter_context(run_exporter(tmp_path / "data", settings, METER))
        port = stack.enter_context(run_prometheus(tmp_path / "prometheus", exporter.port))
        wait_until(lambda: get(port, "/-/ready")[0] == 200, "Prometheus is ready")
        server = Prometheus(port)
        counted = "count_over_time(wago_energy_total_kwh[5m])"
        wait_until(lambda: (server.value(counted) or 0) >= 5, "five scrapes")
        wait_until(
            lambda: server.value("wattscope_energy_total_today_joules") is not None, "today is told"
        )
        [variable] = list_variables("prometheus-heatpump")
        words = urllib.parse.urlencode({"match[]": "wago_power_total_kw"})
        assert variable["definition"] == "label_values(wago_power_total_kw, instance)"
        [instance] = server.read(f"/api/v1/label/instance/values?{words}")
        everything: Chosen = {}
        for chosen in (everything, {"instance": [instance]}):
            for asked in list_questions("prometheus-heatpump"):
                values = read_values(ask_prometheus(server, asked, chosen))
                assert [one for one in values if math.isfinite(one)], asked.name
                if asked.panel["title"] == "Power now":
                    assert values == [1.846]


def ask_prometheus(server: Prometheus, asked: Asked, chosen: Chosen) -> list[Any]:
    end_s = int(time.time())
    period = asked.find_period(end_s, BERLIN)
    step_s = asked.find_step_s(period)
    words = {"query": fill_promql(asked.target["expr"], chosen, period, step_s)}
    if asked.target["instant"]:
        path = "query"
    else:
        path = "query_range"
        # Its points end now: a test has no time to wait for the next multiple of a step.
        start_s = end_s - period.length_s // step_s * step_s
        words |= {"start": str(start_s), "end": str(end_s), "step": str(step_s)}
    found: list[Any] = server.read(f"/api/v1/{path}?{urllib.parse.urlencode(words)}")["result"]
    return found
