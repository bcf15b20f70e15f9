"""``/api/meters`` and what goes with it: Modbus meters, registers, poll groups and types."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from wattscope.compute.modbus.endpoint_rows import name_meter
from wattscope.compute.modbus.register_rows import name_register
from wattscope.compute.modbus.row_reader import Row
from wattscope.core.errors import UnknownNameError
from wattscope.core.fleet import Meter, RowFault
from wattscope.core.quantities import find_quantity
from wattscope.core.registers import RegisterMap
from wattscope.web.problems import CHANGE_RESPONSES, PROBLEM_RESPONSES, UNREADY_RESPONSES
from wattscope.web.services import MeterDesk, MeterLook, Services

_Text = Annotated[str | None, Field(max_length=256)]
_Number = Annotated[float | None, Field(allow_inf_nan=False)]
MeterId = Annotated[str, Path(max_length=200)]


class NoModbusError(UnknownNameError):
    """No source polls meters, so there is no meter book."""

    code = "no_modbus"


class MeterCells(BaseModel):
    """A row of ``energy_meters``; what is left out or null is as docs/modbus-meters.md says."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(max_length=256, examples=["192.168.1.113"])
    type: str = Field(max_length=64, examples=["sdm630"])
    port: int | None = Field(default=502, description="null or anything for a serial port")
    slave_address: int = 1
    description: _Text = None
    device: _Text = None
    kind: _Text = None
    site: _Text = None
    parent: _Text = None
    rating_w: _Number = None
    is_production: bool | None = None
    is_direction_swapped: bool | None = None
    framing: _Text = None
    baud: int | None = None
    parity: _Text = None
    stop_bits: int | None = None
    poll: _Text = Field(default=None, examples=["10s"])
    timeout_s: _Number = None
    is_enabled: bool | None = None
    is_tid_ignored: bool | None = None


class RegisterCells(BaseModel):
    """A row of ``registers``; what is left out or null is as docs/modbus-meters.md says."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(max_length=64, examples=["sdm630"])
    register_address: int = Field(examples=[52])
    measurement_name: str = Field(max_length=64, examples=["activePower"])
    data_unit: _Text = Field(default=None, examples=["W"])
    data_type: int | None = Field(default=None, description="1 int16, 2 int32, 3 float32")
    function_code: int = Field(default=3, description="3 holding, 4 input registers")
    word_order: int | None = Field(default=None, description="1 little, 2 big")
    byte_order: int | None = Field(default=None, description="1 little, 2 big")
    value_type: _Text = None
    scale: _Number = None
    value_offset: _Number = None
    missing_value: _Text = None
    poll_group: _Text = None
    quantity: _Text = None


class GroupCells(BaseModel):
    """When the meters and registers of a poll group are read."""

    model_config = ConfigDict(extra="forbid")

    schedule: str = Field(max_length=128, examples=["1m", "*/15 * * * *"])


def build_meter_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(
        prefix="/api", tags=["meters"], responses=PROBLEM_RESPONSES | UNREADY_RESPONSES
    )

    def find_desk() -> MeterDesk:
        if services.meters is None:
            raise NoModbusError(
                'no source polls meters; add [[sources]] with type = "modbus" to the settings, '
                "see docs/modbus-meters.md"
            )
        return services.meters

    _add_meter_routes(router, find_desk)
    _add_register_routes(router, find_desk)
    _add_group_routes(router, find_desk)

    @router.get("/meter-types")
    def read_types() -> dict[str, Any]:
        """What a meter may be: profiles, and types of the table registers."""
        desk = find_desk()
        maps = desk.list_maps(desk.look())
        return {"types": [_describe_map(found, origin) for found, origin in maps]}

    return router


def _add_meter_routes(router: APIRouter, find_desk: Callable[[], MeterDesk]) -> None:
    @router.get("/meters")
    def read_meters() -> dict[str, Any]:
        """All meters, with what was left out and why."""
        desk = find_desk()
        look = desk.look()
        return {
            "book": {"kind": desk.kind, "where": desk.where},
            "meters": _describe_meters(look),
            "faults": [_describe_fault(one) for one in look.fleet.faults],
        }

    @router.get("/meters/{meter_id}")
    def read_meter(meter_id: MeterId) -> dict[str, Any]:
        """One meter."""
        return _find_meter(find_desk().look(), meter_id)

    @router.post("/meters", status_code=201, responses=CHANGE_RESPONSES)
    def add_meter(cells: MeterCells) -> dict[str, Any]:
        """Put a meter in; it is read from its next instant on."""
        desk = find_desk()
        name = desk.add_meter(cells.model_dump())
        return _find_meter(desk.look(), name)

    @router.put("/meters/{meter_id}", responses=CHANGE_RESPONSES)
    def put_meter(meter_id: MeterId, cells: MeterCells) -> dict[str, Any]:
        """Write a meter anew; its id stays where ``device`` is left out."""
        desk = find_desk()
        name = desk.put_meter(meter_id, cells.model_dump())
        return _find_meter(desk.look(), name)

    @router.delete("/meters/{meter_id}", responses=CHANGE_RESPONSES)
    def remove_meter(meter_id: MeterId) -> dict[str, Any]:
        """Take a meter out; its readings stay."""
        find_desk().remove_meter(meter_id)
        return {"removed": meter_id}


def _add_register_routes(router: APIRouter, find_desk: Callable[[], MeterDesk]) -> None:
    @router.get("/registers")
    def read_registers(
        type_: Annotated[str | None, Query(alias="type", max_length=64)] = None,
    ) -> dict[str, Any]:
        """Rows of the table registers, of one type or all."""
        look = find_desk().look()
        return {
            "registers": [
                _describe_register(look, row)
                for row in look.rows.registers
                if type_ is None or row.get("type") == type_
            ]
        }

    @router.post("/registers", status_code=201, responses=CHANGE_RESPONSES)
    def add_register(cells: RegisterCells) -> dict[str, Any]:
        """Put a register in."""
        desk = find_desk()
        number = desk.add_register(cells.model_dump())
        return _find_register(desk.look(), number)

    @router.put("/registers/{number}", responses=CHANGE_RESPONSES)
    def put_register(number: int, cells: RegisterCells) -> dict[str, Any]:
        """Write a register anew."""
        desk = find_desk()
        desk.put_register(number, cells.model_dump())
        return _find_register(desk.look(), number)

    @router.delete("/registers/{number}", responses=CHANGE_RESPONSES)
    def remove_register(number: int) -> dict[str, Any]:
        """Take a register out."""
        find_desk().remove_registers([number])
        return {"removed": number}


def _add_group_routes(router: APIRouter, find_desk: Callable[[], MeterDesk]) -> None:
    @router.get("/poll-groups")
    def read_groups() -> dict[str, Any]:
        """Names of schedules."""
        rows = find_desk().look().rows.groups
        return {"poll_groups": [_plain_row(row) for row in rows]}

    @router.put("/poll-groups/{name}", responses=CHANGE_RESPONSES)
    def put_group(name: Annotated[str, Path(max_length=64)], cells: GroupCells) -> dict[str, Any]:
        """Make a poll group, or give it another schedule."""
        find_desk().put_group(name, cells.schedule)
        return {"name": name, "schedule": cells.schedule}

    @router.delete("/poll-groups/{name}", responses=CHANGE_RESPONSES)
    def remove_group(name: Annotated[str, Path(max_length=64)]) -> dict[str, Any]:
        """Take a poll group out that nobody names."""
        find_desk().remove_group(name)
        return {"removed": name}


def _describe_meters(look: MeterLook) -> list[dict[str, Any]]:
    """Meters of the settings, then the rows of the table."""
    polled = {meter.device.id: meter for meter in look.fleet.meters}
    listed = [
        _describe_meter(name, None, polled[name], None) for name in polled.keys() - set(look.names)
    ]
    listed.sort(key=lambda one: str(one["id"]))
    for row, name in zip(look.rows.meters, look.names, strict=True):
        fault = look.find_fault("energy_meters", name_meter(row))
        listed.append(_describe_meter(name, row, polled.get(name), fault))
    return listed


def _describe_meter(
    name: str, row: Row | None, meter: Meter | None, fault: str | None
) -> dict[str, Any]:
    return {
        "id": name,
        "is_in_settings": row is None,
        "is_polled": meter is not None,
        "fault": fault,
        "row": None if row is None else _plain_row(row),
        "polled": None if meter is None else _describe_polling(meter),
    }


def _describe_polling(meter: Meter) -> dict[str, Any]:
    """What is read of a meter, where and when."""
    device = meter.device
    return {
        "name": device.name,
        "kind": device.kind.value,
        "site": device.site,
        "parent": device.parent,
        "rating_w": device.rating_w,
        "is_production": device.is_production,
        "type": meter.map.name,
        "title": meter.map.title,
        "address": meter.endpoint.address,
        "framing": meter.endpoint.framing.value,
        "unit": meter.unit,
        "timeout_s": meter.timeout_s,
        "groups": [
            {"schedule": one.schedule, "quantities": sorted(one.quantities)} for one in meter.groups
        ],
    }


def _find_meter(look: MeterLook, name: str) -> dict[str, Any]:
    found = next((one for one in _describe_meters(look) if one["id"] == name), None)
    if found is None:
        raise UnknownNameError(f"meter {name!r} does not exist; see /api/meters")
    return found


def _describe_register(look: MeterLook, row: Row) -> dict[str, Any]:
    return _plain_row(row) | {"fault": look.find_fault("registers", name_register(row))}


def _find_register(look: MeterLook, number: int) -> dict[str, Any]:
    for row in look.rows.registers:
        if row.get("id") == number:
            return _describe_register(look, row)
    raise UnknownNameError(f"register {number} does not exist; see /api/registers")


def _describe_map(found: RegisterMap, origin: str) -> dict[str, Any]:
    quantities = [find_quantity(one.quantity) for one in found.registers]
    return {
        "name": found.name,
        "title": found.title,
        "kind": found.kind.value,
        "origin": origin,
        "is_sunspec": found.is_sunspec,
        "quantities": [
            {"name": one.name, "title": one.title, "unit": one.unit}
            for one in quantities
            if one is not None
        ],
    }


def _describe_fault(fault: RowFault) -> dict[str, Any]:
    return {
        "table": fault.table,
        "row": fault.row,
        "reason": fault.reason,
        "is_warning": fault.is_warning,
    }


def _plain_row(row: Row) -> dict[str, Any]:
    """A row as JSON can say it, whatever somebody put into it."""
    return {name: _plain_cell(cell) for name, cell in row.items()}


def _plain_cell(cell: object) -> object:
    if cell is None or isinstance(cell, bool | int | str):
        return cell
    if isinstance(cell, float) and isfinite(cell):
        return cell
    return str(cell)
