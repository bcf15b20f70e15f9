"""``/api/sites`` and ``/api/devices``: what there is, what it said last, and its history."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from wattscope.compute.staleness import stale_after_s
from wattscope.core.errors import QueryError
from wattscope.core.explanation import Explanation
from wattscope.core.quantities import QUANTITIES, find_quantity, unit_of
from wattscope.core.reading import Quality
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, format_utc, load_zone
from wattscope.core.topology import Device
from wattscope.web.numbers import CSV_RESPONSES, csv_response, number
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services
from wattscope.web.spans import check_span, read_instant

MAX_RAW_POINTS = 200_000
_POINT_COLUMNS = (
    "t",
    "mean",
    "min",
    "max",
    "first",
    "last",
    "count",
    "increase",
    "energy_wh",
    "coverage",
)


def build_device_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["devices"], responses=PROBLEM_RESPONSES)

    @router.get("/sites")
    def list_sites() -> dict[str, Any]:
        """Sites with their zone, currency and pages."""
        return {
            "sites": [
                {name: getattr(site, name) for name in site.__slots__}
                | {"recipes": list(services.pages)}
                for site in services.list_sites()
            ]
        }

    @router.get("/devices")
    def list_devices() -> dict[str, Any]:
        """Devices with the newest value of each of their quantities."""
        by_device = _series_by_device(services)
        return {
            "devices": [
                describe_device(services, device, by_device.get(device.id, []))
                for device in services.book.list_devices()
            ]
        }

    @router.get("/devices/{device_id:path}/readings", response_model=None, responses=CSV_RESPONSES)
    def read_readings(
        device_id: str,
        quantity: str,
        start: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, or a local date")] = None,
        interval: Annotated[str, Query(description="raw, 1m, 15m, 1h or 1d")] = "15m",
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
        *,
        explain: Annotated[
            bool, Query(description="add plan: which parts are kept and which computed; JSON only")
        ] = False,
    ) -> dict[str, Any] | Response:
        """History of one quantity: raw values, or buckets with mean, extremes and coverage."""
        device = services.find_device(device_id)
        series = services.find_series(device, quantity)
        zone = load_zone(services.find_site(device.site).time_zone)
        end_us = read_instant(end, zone) if end else services.now_us()
        start_us = read_instant(start, zone) if start else end_us - US_PER_DAY
        check_span(start_us, end_us)
        if interval == "raw":
            points, columns = _read_raw(services, series, start_us, end_us)
        else:
            points, columns = _read_buckets(services, series, interval, start_us, end_us)
        if format == "csv":
            rows = [[point[name] for name in columns] for point in points]
            return csv_response(f"{quantity}-{format_utc(start_us)[:10]}", columns, rows)
        answer = {
            "device": device.id,
            "quantity": quantity,
            "unit": unit_of(quantity),
            "interval": interval,
            "start": format_utc(start_us),
            "end": format_utc(end_us),
            "points": points,
        }
        if explain:
            answer |= describe_plan(services.store.explain([series], interval, start_us, end_us))
        return answer

    # After the route above: an id may hold slashes, as zigbee2mqtt's names do.
    @router.get("/devices/{device_id:path}")
    def read_device(device_id: str) -> dict[str, Any]:
        """One device."""
        device = services.find_device(device_id)
        return describe_device(services, device, _series_by_device(services).get(device.id, []))

    return router


def describe_plan(explanation: Explanation) -> dict[str, Any]:
    """The steps of an answer, and one line that says the same."""
    return {
        "plan_summary": explanation.summarise(),
        "plan": [
            {
                "from": step.origin,
                "start": format_utc(step.start_us),
                "end": format_utc(step.end_us),
                "spans": step.n_spans,
                "series": step.n_series,
            }
            for step in explanation.steps
        ],
    }


def _series_by_device(services: Services) -> dict[str, list[tuple[int, str]]]:
    by_device: dict[str, list[tuple[int, str]]] = {}
    for series in services.book.list_series():
        by_device.setdefault(series.device, []).append((series.id, series.quantity.name))
    return by_device


def describe_device(
    services: Services, device: Device, series: list[tuple[int, str]]
) -> dict[str, Any]:
    """A device with its newest values, in the order of the catalogue."""
    order = {name: place for place, name in enumerate(QUANTITIES)}
    quantities = []
    newest_us: int | None = None
    for number_of, name in sorted(
        series, key=lambda pair: (order.get(pair[1], len(order)), pair[1])
    ):
        latest = services.live.latest(number_of)
        quantity = find_quantity(name)
        if quantity is None:
            continue
        if latest is not None:
            newest_us = latest[0] if newest_us is None else max(newest_us, latest[0])
        quantities.append(
            {
                "name": name,
                "title": quantity.title,
                "unit": quantity.unit,
                "kind": quantity.kind.value,
                "value": None if latest is None else number(latest[1]),
                "measured_at": None if latest is None else format_utc(latest[0]),
            }
        )
    limit_s = stale_after_s(device)
    age_s = None if newest_us is None else max(0.0, (services.now_us() - newest_us) / US_PER_S)
    return {
        "id": device.id,
        "site": device.site,
        "name": device.name,
        "kind": device.kind.value,
        "parent": device.parent,
        "rating_w": device.rating_w,
        "tilt_deg": device.tilt_deg,
        "azimuth_deg": device.azimuth_deg,
        "latitude": device.latitude,
        "longitude": device.longitude,
        "last_measured_at": None if newest_us is None else format_utc(newest_us),
        "age_s": age_s,
        "is_stale": age_s is None or age_s > limit_s,
        "stale_after_s": limit_s,
        "quantities": quantities,
    }


def _read_raw(
    services: Services, series: int, start_us: int, end_us: int
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    batch = services.store.read_raw([series], start_us, end_us)
    if len(batch) > MAX_RAW_POINTS:
        raise QueryError(
            f"{len(batch)} raw values are more than {MAX_RAW_POINTS}; ask for a shorter span, "
            "or for interval=1m"
        )
    points = [
        {"t": format_utc(t), "value": number(value), "quality": _name_quality(quality)}
        for t, value, quality in zip(
            batch.measured_at_us.tolist(),
            batch.value.tolist(),
            batch.quality.tolist(),
            strict=True,
        )
    ]
    return points, ("t", "value", "quality")


def _name_quality(quality: int) -> str:
    flags = [flag.name.lower() for flag in Quality(quality) if flag.name]
    return " ".join(flags) or "good"


def _read_buckets(
    services: Services, series: int, interval: str, start_us: int, end_us: int
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    rollup = services.store.roll_up([series], interval, start_us, end_us)
    points = []
    for at in range(len(rollup.series_id)):
        count = int(rollup.count[at])
        points.append(
            {
                "t": format_utc(int(rollup.bucket_start_us[at])),
                "mean": number(float(rollup.sum[at]) / count) if count else None,
                "min": number(float(rollup.min[at])),
                "max": number(float(rollup.max[at])),
                "first": number(float(rollup.first[at])),
                "last": number(float(rollup.last[at])),
                "count": count,
                "increase": number(float(rollup.increase[at])),
                "energy_wh": number(float(rollup.energy_wh[at])),
                "coverage": number(float(rollup.coverage[at])),
            }
        )
    return points, _POINT_COLUMNS
