"""A few numbers become the tree of a plant."""

from __future__ import annotations

from wattscope.compute.panel_arrays import PanelArray, lay_out
from wattscope.core.topology import DeviceKind


def test_panels_are_dealt_out_to_strings_and_inverters() -> None:
    devices = lay_out(
        PanelArray(
            "roof", count=7, per_string=2, strings_per_inverter=2, plant="Plant", rating_w=300.0
        )
    )
    tree = {one.id: one.parent for one in devices}
    assert tree == {
        "Plant": None,
        "Inverter-1": "Plant",
        "String-1": "Inverter-1",
        "Panel-001": "String-1",
        "Panel-002": "String-1",
        "String-2": "Inverter-1",
        "Panel-003": "String-2",
        "Panel-004": "String-2",
        "Inverter-2": "Plant",
        "String-3": "Inverter-2",
        "Panel-005": "String-3",
        "Panel-006": "String-3",
        "String-4": "Inverter-2",
        "Panel-007": "String-4",
    }
    kinds = {one.id.rstrip("0123456789-"): one.kind for one in devices}
    assert kinds == {
        "Plant": DeviceKind.PLANT,
        "Inverter": DeviceKind.INVERTER,
        "String": DeviceKind.STRING,
        "Panel": DeviceKind.PANEL,
    }
    assert {one.rating_w for one in devices if one.kind is DeviceKind.PANEL} == {300.0}


def test_micro_inverters_have_a_panel_each_and_no_strings() -> None:
    devices = lay_out(PanelArray("roof", count=2, strings_per_inverter=1))
    assert [(one.id, one.parent) for one in devices] == [
        ("Inverter-1", None),
        ("Panel-001", "Inverter-1"),
        ("Inverter-2", None),
        ("Panel-002", "Inverter-2"),
    ]


def test_panels_may_stand_alone_and_be_counted_from_anywhere() -> None:
    devices = lay_out(PanelArray("roof", count=2, first=99, panels="east/#", inverters=""))
    assert [(one.id, one.parent) for one in devices] == [("east/99", None), ("east/100", None)]
