"""``/api/meters/scan`` and ``/api/meters/test-read``: looking at meters before they are added."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wattscope.core.errors import TransientError
from wattscope.core.quantities import find_quantity, unit_of
from wattscope.web.meters import NoModbusError
from wattscope.web.problems import CHANGE_RESPONSES, PROBLEM_RESPONSES, UNREADY_RESPONSES
from wattscope.web.services import CommissionDesk, Services

LONGEST_SCAN_S = 90.0
"""A scan that takes longer is given up [s]."""
HostQuery = Annotated[str, Query(min_length=1, max_length=253, examples=["192.168.1.113"])]
PortQuery = Annotated[int | None, Query(ge=1, le=65_535)]


class TestReadCells(BaseModel):
    """Which unit to read once, and as what."""

    __test__ = False
    model_config = ConfigDict(extra="forbid")

    host: str = Field(min_length=1, max_length=253, examples=["192.168.1.113"])
    port: int = Field(default=502, ge=0, le=65_535)
    unit: int = Field(default=1, ge=0, le=255)
    framing: str = Field(default="auto", max_length=16)
    type: str = Field(max_length=64, examples=["sdm630"])


def build_commission_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(
        prefix="/api", tags=["meters"], responses=PROBLEM_RESPONSES | UNREADY_RESPONSES
    )

    def find_desk() -> CommissionDesk:
        if services.commission is None:
            raise NoModbusError(
                'no source polls meters; add [[sources]] with type = "modbus" to the settings, '
                "see docs/modbus-meters.md"
            )
        return services.commission

    @router.post("/meters/scan", responses=CHANGE_RESPONSES)
    async def scan(
        host: HostQuery,
        port: PortQuery = None,
        units: Annotated[str | None, Query(max_length=64, examples=["1-16,126"])] = None,
    ) -> dict[str, Any]:
        """Look for meters at an address; nothing but reading is sent, and nothing is saved."""
        desk = find_desk()
        try:
            async with asyncio.timeout(LONGEST_SCAN_S):
                found, n_tried = await desk.list_units(host, port, units)
        except TimeoutError as fault:
            raise TransientError(
                f"looking at {host} took longer than {LONGEST_SCAN_S:g} s; name the port, or "
                "fewer units"
            ) from fault
        return {"found": [_describe_unit(one) for one in found], "tried": n_tried}

    @router.post("/meters/test-read", responses=CHANGE_RESPONSES)
    async def test_read(cells: TestReadCells) -> dict[str, Any]:
        """Read a unit once; nothing is saved."""
        values, faults = await find_desk().read_values(
            cells.host, cells.port, cells.framing, cells.unit, cells.type
        )
        return {"values": describe_values(values), "faults": list(faults)}

    return router


def describe_values(values: Mapping[str, float]) -> list[dict[str, Any]]:
    """Values with their words; null where the unit has none."""
    described = []
    for name, value in values.items():
        quantity = find_quantity(name)
        described.append(
            {
                "quantity": name,
                "title": name if quantity is None else quantity.title,
                "unit": unit_of(name),
                "value": value if math.isfinite(value) else None,
            }
        )
    return described


def _describe_unit(found: Any) -> dict[str, Any]:  # noqa: ANN401  # a FoundUnit, of the sources' room
    best, identity = found.best, found.identity
    return {
        "address": found.endpoint.address,
        "port": found.endpoint.port,
        "framing": found.endpoint.framing.value,
        "unit": found.unit,
        "answers_to_all": found.answers_to_all,
        "type": "" if best is None else best.map.name,
        "title": "answers, but no known type makes sense" if best is None else best.map.title,
        "score": 0.0 if best is None else best.score,
        "values": [] if best is None else describe_values(best.values),
        "identity": None
        if identity is None
        else " ".join(
            one for one in (identity.manufacturer, identity.model, identity.serial) if one
        ),
        "others": [
            {"type": one.map.name, "title": one.map.title, "score": one.score}
            for one in found.others
        ],
    }
