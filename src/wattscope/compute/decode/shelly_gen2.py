"""Decodes Shelly devices of the second generation and later (Plus, Pro, Gen3, Gen4).

::

    <device>/status/<component>:<n>   one component's whole status
    <device>/events/rpc               NotifyStatus, NotifyFullStatus: components under params
    <device>/status/...               the answer of Shelly.GetStatus, relayed as it is

Energies are Wh everywhere (vendor's documentation of EMData, EM1Data, Switch and PM1). Instance
0 of a component is the device itself; instance ``n`` is a device ``<device>:n`` of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wattscope.compute.decode.clock import read_optional_instant
from wattscope.compute.decode.json_path import ABSENT, Path, find, parse_path
from wattscope.compute.decode.route import Decoded, Route, check_name, read_device
from wattscope.compute.decode.strict_json import excerpt, parse_object
from wattscope.compute.decode.values import Found, collect
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Reading
from wattscope.core.units import Conversion
from wattscope.ports import RawMessage

_PHASES: Final = (("a", "l1"), ("b", "l2"), ("c", "l3"))


def _build_em() -> dict[str, str]:
    """Keys of the three-phase meter; frequency is taken from the first phase that has it."""
    names = {
        "total_act_power": "active_power_w",
        "total_aprt_power": "apparent_power_va",
        "total_current": "current_a",
        "n_current": "current_n_a",
    }
    for letter, line in _PHASES:
        names |= {
            f"{letter}_act_power": f"active_power_{line}_w",
            f"{letter}_aprt_power": f"apparent_power_{line}_va",
            f"{letter}_voltage": f"voltage_{line}_v",
            f"{letter}_current": f"current_{line}_a",
            f"{letter}_pf": f"power_factor_{line}",
            f"{letter}_freq": "frequency_hz",
        }
    return names


def _build_em_data() -> dict[str, str]:
    names = {"total_act": "energy_import_wh", "total_act_ret": "energy_export_wh"}
    for letter, line in _PHASES:
        names |= {
            f"{letter}_total_act_energy": f"energy_import_{line}_wh",
            f"{letter}_total_act_ret_energy": f"energy_export_{line}_wh",
        }
    return names


_SINGLE: Final = {
    "voltage": "voltage_v",
    "current": "current_a",
    "pf": "power_factor",
    "freq": "frequency_hz",
}
_SWITCH: Final = {
    "apower": "active_power_w",
    **_SINGLE,
    "aenergy.total": "energy_import_wh",
    "ret_aenergy.total": "energy_export_wh",
    "temperature.tC": "temperature_c",
}
_NAMES: Final[dict[str, dict[str, str]]] = {
    "em": _build_em(),
    "emdata": _build_em_data(),
    "em1": {"act_power": "active_power_w", "aprt_power": "apparent_power_va", **_SINGLE},
    "em1data": {
        "total_act_energy": "energy_import_wh",
        "total_act_ret_energy": "energy_export_wh",
    },
    "switch": _SWITCH,
    "pm1": _SWITCH,
    "cover": _SWITCH,
    "light": _SWITCH,
    "temperature": {"tC": "temperature_c"},
}
_METHODS: Final = frozenset({"NotifyStatus", "NotifyFullStatus"})


def _lay_out(names: dict[str, str]) -> tuple[tuple[str, Path, str, Conversion], ...]:
    return tuple(
        (key, parse_path(key) or (), name, Conversion(QUANTITIES[name].unit, 1.0))
        for key, name in names.items()
    )


_COMPONENTS: Final = {kind: _lay_out(names) for kind, names in _NAMES.items()}


def decode(message: RawMessage, route: Route) -> Decoded:
    """One reading for each instance of a component that measures."""
    channel, _, topic_key = message.topic.rpartition("/")
    is_event = message.topic.endswith("/events/rpc")
    if not is_event and not channel.endswith("/status"):
        return Ignored("neither status nor an event")
    device = read_device(message.topic, route.device_pattern)
    if isinstance(device, Rejection):
        return device
    document = parse_object(message.payload)
    if isinstance(document, Rejection):
        return document
    if is_event:
        return _decode_event(document, device, route)
    if any(_split(key) for key in document):
        return _decode_status(document, device, _find_stamp(document), route)
    return _decode_status({topic_key: document}, device, None, route)


def _decode_event(document: dict[str, Any], device: str, route: Route) -> Decoded:
    """What a notification tells under ``params``; partial, so that absent keys mean nothing."""
    method = document.get("method")
    if method not in _METHODS:
        return Ignored("an event, not a status")
    params = document.get("params")
    if not isinstance(params, Mapping):
        return Rejection(ReasonCode.MISSING_FIELD, "the notification has no params")
    return _decode_status(params, device, params.get("ts"), route)


def _decode_status(status: Mapping[str, Any], device: str, stamp: object, route: Route) -> Decoded:
    """The readings of all components of a status, one for each instance."""
    measured_at_us = read_optional_instant(stamp, route.clock.unit, route.zone)
    if isinstance(measured_at_us, Rejection):
        return measured_at_us
    broken = [key for key, part in status.items() if _split(key) and not _is_component(part)]
    if broken:
        return Rejection(ReasonCode.WRONG_TYPE, f"{excerpt(broken[0])} is no JSON object")
    readings: list[Reading] = []
    refused: Rejection | None = None
    for instance, parts in _group(status).items():
        name = check_name(device if instance == "0" else f"{device}:{instance}")
        columns = collect(parts)
        if isinstance(name, Rejection):
            return name
        if isinstance(columns, Rejection):
            # One channel without a value does not spoil the others.
            if columns.code is not ReasonCode.NO_VALUE:
                return columns
            refused = columns
        elif columns is not None:
            readings.append(Reading(name, measured_at_us, *columns))
    if readings:
        return tuple(readings)
    return refused or Ignored("a status without a measured value")


def _group(status: Mapping[str, Any]) -> dict[str, list[Found]]:
    """The raw values by instance number, meters before switches."""
    groups: dict[str, list[Found]] = {}
    for kind, layout in _COMPONENTS.items():
        for key, component in status.items():
            split = _split(key)
            if split is None or split[0] != kind or not isinstance(component, Mapping):
                continue
            parts = groups.setdefault(split[1], [])
            for name, path, quantity, conversion in layout:
                raw = find(component, path)
                if raw is not ABSENT:
                    parts.append(Found(f"{key}.{name}", quantity, conversion, raw))
    return groups


def _is_component(part: object) -> bool:
    """Whether a component's status has the form of one; null says that it was removed."""
    return part is None or isinstance(part, Mapping)


def _split(key: str) -> tuple[str, str] | None:
    """Kind and instance number of a component's key; None for components that do not measure."""
    kind, colon, instance = key.partition(":")
    is_known = kind in _COMPONENTS and colon and instance.isascii() and instance.isdigit()
    return (kind, instance) if is_known and len(instance) <= 4 else None


def _find_stamp(document: dict[str, Any]) -> object:
    """The instant of a whole status; null until the device has heard from a time server."""
    return find(document, ("sys", "unixtime"))
