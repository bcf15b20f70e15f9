"""Every point that is read lies where the model files have it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wattscope.compute.modbus.sunspec_models import MODELS, Model, Point
from wattscope.core.quantities import find_quantity
from wattscope.core.units import find_conversion

ALL_POINTS = [
    (model_id, point)
    for model_id, model in MODELS.items()
    for point in (*model.points, *model.module_points)
]
UNITS = {"Pct": "%", "WH": "Wh", "Var": "var", "Varh": "varh", "C": "°C", "%WHRtg": "%", "PF": ""}


def _place(group: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The points of a group with their offsets."""
    offset = 0
    for point in group["points"]:
        yield offset, point
        offset += point["size"]


def _read_groups(shared_data: Path, model_id: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
    path = shared_data / "modbus-maps" / "sunspec" / f"model_{model_id}.json"
    group = json.loads(path.read_text(encoding="utf-8"))["group"]
    modules = group.get("groups", [])
    return group, modules[0] if modules else None


@pytest.mark.parametrize("model_id", MODELS)
def test_points_are_those_of_the_model_file(model_id: int, shared_data: Path) -> None:
    group, module = _read_groups(shared_data, model_id)
    fixed = {point["name"]: (offset, point) for offset, point in _place(group)}
    at = dict(_place(group))
    model = MODELS[model_id]
    assert sum(point["size"] for point in group["points"]) == 2 + model.length
    for points, known in (
        (model.points, fixed),
        (model.module_points, _name_points(module)),
    ):
        for point in points:
            offset, told = known[point.name]
            assert (offset, told["type"], told["size"]) == (
                point.offset,
                point.type.value,
                point.type.n_registers,
            ), point
            scale_at = None if point.scale_at is None else at[point.scale_at]["name"]
            assert scale_at == told.get("sf"), point
            _check_unit(point, told.get("units", ""))
    _check_modules(model, module, at)


def _name_points(group: dict[str, Any] | None) -> dict[str, tuple[int, dict[str, Any]]]:
    return {point["name"]: (offset, point) for offset, point in _place(group or {"points": []})}


def _check_unit(point: Point, unit: str) -> None:
    """The power of ten that is added turns the model's unit into that of the quantity."""
    quantity = find_quantity(point.quantity.format(n=1))
    assert quantity is not None
    spoken = UNITS.get(unit, unit)
    if spoken == "%" and not quantity.unit:
        assert point.power == -2
        return
    assert point.power == 0
    conversion = find_conversion(spoken, quantity.unit)
    assert conversion is not None, point
    assert conversion.factor == 1.0


def _check_modules(model: Model, module: dict[str, Any] | None, at: dict[int, Any]) -> None:
    if not model.module_length:
        assert not model.module_points
        return
    assert module is not None
    assert sum(point["size"] for point in module["points"]) == model.module_length
    assert at[model.n_modules_at]["name"] in {"N", "NPrt"}


def test_states_of_the_newer_inverter_model_are_those_of_the_older_from_zero(
    shared_data: Path,
) -> None:
    states = {}
    for model_id, name in ((103, "St"), (701, "InvSt")):
        group, _ = _read_groups(shared_data, model_id)
        (point,) = (one for one in group["points"] if one["name"] == name)
        states[model_id] = {s["name"]: s["value"] for s in point["symbols"]}
    assert states[701].pop("RUNNING") == states[103].pop("MPPT") - 1
    assert {name: value + 1 for name, value in states[701].items()} == states[103]


@pytest.mark.parametrize("model_id", MODELS)
def test_model_names_each_quantity_once(model_id: int) -> None:
    model = MODELS[model_id]
    names = [point.quantity for point in (*model.points, *model.module_points)]
    assert len(set(names)) == len(names) > 0
    assert all(("{n}" in point.quantity) for point in model.module_points)
    assert not any(re.search(r"[{}]", point.quantity) for point in model.points)


@pytest.mark.parametrize(("model_id", "point"), ALL_POINTS, ids=lambda part: str(part)[:24])
def test_point_lies_within_its_model(model_id: int, point: Point) -> None:
    model = MODELS[model_id]
    room = model.module_length if point in model.module_points else 2 + model.length
    assert 0 <= point.offset <= room - point.type.n_registers
    if point.scale_at is not None:
        assert 2 <= point.scale_at < 2 + model.length
