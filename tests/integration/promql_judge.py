"""The same readings in our store and in a real Prometheus, and the same questions to both."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import math
import random
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.scraped import get, wait_until
from tests.servers import LOOPBACK, ServerMissingError, find_program, run_prometheus
from tests.web.applications import Application, open_application, put
from wattscope.assembly.storage import Storage
from wattscope.compute.prometheus_renames import Rename
from wattscope.compute.promql.tree import NAME, Edition
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.settings import Settings
from wattscope.web.prometheus_options import PrometheusOptions
from wattscope.web.prometheus_rows import look_up_rows

START_S = 1_773_014_400
"""2026-03-09T00:00:00Z"""
SPAN_S = 3 * 3600
RENAME = Rename("own_power_kw", "even", "active_power_w", "kW")
DEVICES = ("even", "minutes", "shaky", "holes", "late", "seldom")
"""Instants that fall on edges of windows, and ones that never do; gaps; a start in the middle."""
Rows = list[tuple[int, float | None]]
Points = dict[tuple[tuple[str, str], ...], dict[float, float]]
_PHASES = ("l1", "l2", "l3")


def fill(storage: Storage) -> None:
    """Six devices at two sites; values are whole eighths, so that sums of them are exact."""
    chance = random.Random(20260309)
    for site in ("north", "south"):
        storage.registry.put_site(Site(site, site, "UTC"))
    for number, device in enumerate(DEVICES):
        site = "north" if number % 2 else "south"
        storage.registry.put_device(Device(device, site, device, DeviceKind.METER))
        instants = _list_instants(device, chance)
        for quantity in ("active_power_w", *(f"active_power_{one}_w" for one in _PHASES)):
            put(storage, device, quantity, _wander(instants, chance, 500.0 * (number + 1)))
        put(storage, device, "voltage_v", _wander(instants, chance, 230.0))
        put(storage, device, "temperature_c", _wander(instants, chance, 0.0))
        put(storage, device, "state_of_charge_pct", _wander(instants, chance, 50.0, 10.0))
        put(storage, device, "energy_import_wh", _count_up(instants, chance, 0.0, 0.01))
        put(storage, device, "energy_export_wh", _count_up(instants, chance, 4e6, 0.0))


def _list_instants(device: str, chance: random.Random) -> list[int]:
    """Instants of a device [ms after the start]."""
    whole = {"even": 15_000, "minutes": 60_000, "late": 20_000, "holes": 10_000, "seldom": 240_000}
    if device == "shaky":
        found = [0]
        while found[-1] < SPAN_S * 1000:
            found.append(found[-1] + chance.randrange(3_000, 40_000))
        return found
    found = list(range(0, SPAN_S * 1000 + 1, whole[device]))
    if device == "late":
        found = [one for one in found if one > SPAN_S * 500]
    if device == "holes":
        found = [one for one in found if one // 600_000 % 3]
    if device == "seldom":
        found = [one + 7_123 for one in found]
    return found


def _wander(
    instants: list[int], chance: random.Random, middle: float, width: float = 100.0
) -> Rows:
    """A gauge; now and then there is no value, which is no sample."""
    return [
        (
            START_S * 1_000_000 + at * 1000,
            None
            if chance.random() < 0.02
            else middle + round(chance.uniform(-1, 1) * width * 8) / 8,
        )
        for at in instants
    ]


def _count_up(instants: list[int], chance: random.Random, start: float, resets: float) -> Rows:
    total, rows = start, Rows()
    for at in instants:
        total = 0.0 if chance.random() < resets else total + chance.randrange(0, 80) / 8
        rows.append((START_S * 1_000_000 + at * 1000, total))
    return rows


@dataclass(frozen=True, slots=True)
class Judge:
    """Both, with the same readings."""

    application: Application
    port: int

    def ask_ours(self, path: str, words: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and answer of ours, to a form."""
        answer = self.application.client.post(f"/api/v1/{path}", data=dict(words))
        return answer.status_code, json.loads(answer.text)

    def ask_theirs(self, path: str, words: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and answer of Prometheus."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        with contextlib.closing(connection):
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"/api/v1/{path}", urllib.parse.urlencode(words), kind)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def compare(self, path: str, words: Mapping[str, str]) -> tuple[list[str], int]:
        """Where the two answers differ, and how many numbers were compared."""
        our_status, ours = self.ask_ours(path, words)
        their_status, theirs = self.ask_theirs(path, words)
        if our_status != their_status:
            return [f"{our_status} {str(ours)[:200]}, not {their_status} {str(theirs)[:200]}"], 0
        if their_status != 200:
            same = ours["errorType"] == theirs["errorType"]
            return ([] if same else [f"{ours}, not {theirs}"]), 0
        if ours["data"]["resultType"] != theirs["data"]["resultType"]:
            return [f"{ours['data']['resultType']}, not {theirs['data']['resultType']}"], 0
        return _compare_points(_read_points(ours["data"]), _read_points(theirs["data"]))


def _read_points(content: dict[str, Any]) -> Points:
    if content["resultType"] in {"scalar", "string"}:
        pairs = {(): [content["result"]]}
    else:
        pairs = {
            tuple(sorted(one["metric"].items())): one.get("values") or [one["value"]]
            for one in content["result"]
        }
        assert len(pairs) == len(content["result"]), "the same labels twice"
    return {
        labels: {float(at): float(value) for at, value in values}
        for labels, values in pairs.items()
    }


def _compare_points(ours: Points, theirs: Points) -> tuple[list[str], int]:
    if set(ours) != set(theirs):
        return [f"series {sorted(set(ours) ^ set(theirs))[:4]} are only in one"], 0
    n_points, faults = 0, []
    for labels, points in theirs.items():
        if set(points) != set(ours[labels]):
            faults.append(f"{labels}: steps {sorted(set(points) ^ set(ours[labels]))[:4]}")
            continue
        n_points += len(points)
        for at, value in points.items():
            own = ours[labels][at]
            is_same = math.isclose(own, value, rel_tol=1e-9) or own == value
            if not is_same and not (math.isnan(own) and math.isnan(value)):
                faults.append(f"{labels} at {at}: {own!r}, not {value!r}")
    return faults, n_points


@contextlib.contextmanager
def open_judge(folder: Path, edition: Edition) -> Iterator[Judge]:
    """Both, until the end of the block.

    Raises:
        ServerMissingError: Prometheus is not installed.
    """
    promtool = find_program("promtool")
    if promtool is None:
        message = "Prometheus is not installed (apt install prometheus)"
        raise ServerMissingError(message)
    options = PrometheusOptions(renames=(RENAME,), edition=edition)
    settings = Settings(sources=())
    with open_application(
        folder / "ours",
        settings=settings,
        fill=fill,
        change=lambda services: dataclasses.replace(services, prometheus=options),
    ) as application:
        text = folder / "readings.txt"
        text.write_text(write_readings(application.storage), encoding="utf-8")
        blocks = folder / "tsdb"
        subprocess.run(
            [promtool, "tsdb", "create-blocks-from", "openmetrics", text, blocks],
            check=True,
            capture_output=True,
        )
        with run_prometheus(folder, None) as port:
            wait_until(lambda: get(port, "/-/ready")[0] == 200, "Prometheus is ready")
            yield Judge(application, port)


def write_readings(storage: Storage) -> str:
    """All usable readings in the OpenMetrics text format, under the names of ``/metrics``."""
    rows = look_up_rows(storage.store, storage.registry, (RENAME,))
    lines = []
    for one in sorted(rows.series, key=lambda series: series.labels):
        batch = rows.read([one.id], 0, 2**60)
        usable = batch.take(batch.is_usable)
        values = (usable.value - one.scale.offset) * one.scale.factor / one.scale.divisor
        labels = ",".join(f'{name}="{value}"' for name, value in one.labels if name != NAME)
        sample = f"{dict(one.labels)[NAME]}{{{labels}}}"
        lines += [
            f"{sample} {value!r} {at / 1e6:.3f}"
            for at, value in zip(usable.measured_at_us.tolist(), values.tolist(), strict=True)
        ]
    return "\n".join([*lines, "# EOF", ""])
