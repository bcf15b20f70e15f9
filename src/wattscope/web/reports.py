"""``/api/reports``: tables to keep or print, the same as ``wattscope report`` prints."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from wattscope.web.daily_days import (
    REPORT_COLUMNS,
    ReportOrder,
    list_report_rows,
    report_days,
)
from wattscope.web.numbers import CSV_RESPONSES, csv_response
from wattscope.web.problems import PROBLEM_RESPONSES
from wattscope.web.services import Services


def build_report_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/reports", tags=["reports"], responses=PROBLEM_RESPONSES)

    @router.get("/daily", response_model=None, responses=CSV_RESPONSES)
    def read_daily_report(
        device: Annotated[str | None, Query(description="Left out: all that tell energy")] = None,
        first: Annotated[
            str | None, Query(alias="from", examples=["2026-05-01"], description="Local date")
        ] = None,
        last: Annotated[
            str | None, Query(alias="to", examples=["2026-05-31"], description="Itself included")
        ] = None,
        outdoor: Annotated[str | None, Query(description="Device of the temperature")] = None,
        format: Annotated[str, Query(pattern="^(json|csv)$")] = "json",  # noqa: A002  # the word of the API
        *,
        with_today: bool = False,
    ) -> dict[str, Any] | Response:
        """One row a local day: register readings, energy [kWh], phases, temperature, state."""
        order = ReportOrder(device, first, last, outdoor, with_today)
        reports = report_days(services.store, services.book, order, services.now_us())
        if format == "csv":
            return csv_response("daily-report", REPORT_COLUMNS, list_report_rows(reports))
        return {
            "devices": [
                {
                    "device": report.device.id,
                    "quantity": report.quantity,
                    "outdoor": report.outdoor,
                    "days": [
                        dict(zip(REPORT_COLUMNS[1:], row[1:], strict=True))
                        for row in list_report_rows([report])
                    ],
                }
                for report in reports
            ]
        }

    return router
