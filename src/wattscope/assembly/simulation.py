"""A recipe's simulator, and the Modbus meters that it plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from wattscope.assembly.storage import build_site, list_known_devices
from wattscope.broker import find_free_port, is_port_taken
from wattscope.compute.modbus.map_file import is_register_map, parse_register_map
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import MAX_UNIT, Endpoint, Framing, Line
from wattscope.core.registers import RegisterMap
from wattscope.core.topology import DeviceKind
from wattscope.plugins import PLUGINS, load_plugin
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import MeterSettings, Settings, find_array_faults
from wattscope.simulate.simulator import Plan, ServedMeter, Simulator

SUNSPEC: Final = "sunspec"
"""Type of devices that tell their registers themselves."""
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")
_LAST_UNIT: Final = 247
"""Highest unit on a serial line (Modbus over Serial Line 1.02, 2.2)."""


def build_simulator(
    recipe: str,
    settings: Settings,
    library: ProfileLibrary,
    *,
    changes: Mapping[str, Any] | None = None,
    interval_s: float | None = None,
) -> Simulator:
    """The simulator of a recipe.

    Args:
        recipe: Its name.
        settings: Those of the recipe.
        library: For the types of its meters.
        changes: Keys of ``[simulate]`` to change.
        interval_s: Time between two instants [s]; None as the recipe says.

    Raises:
        SettingsError: The recipe has no simulator, or its settings are wrong.
    """
    if recipe not in PLUGINS["simulator"]:
        known = ", ".join(PLUGINS["simulator"])
        raise SettingsError([f"recipe {recipe!r} has no simulator; there is {known}"])
    simulate = load_plugin("simulator", recipe)
    table = {**settings.simulate, **(changes or {})}
    meters = [serve_meter(meter, library) for meter in settings.meters if meter.host in _LOCAL]
    plan = Plan(
        table,
        settings.site.time_zone,
        meters,
        interval_s,
        build_site(settings),
        list_known_devices(settings),
    )
    simulator: Simulator = simulate(plan)
    return simulator


def change_panels(settings: Settings, count: int) -> Settings:
    """Settings with so many panels, all as those of the first array.

    Raises:
        SettingsError: There is no array, or so many panels cannot be.
    """
    if not settings.arrays:
        raise SettingsError(["this recipe has no panels; --panels is for solar"])
    array = msgspec.structs.replace(settings.arrays[0], count=count)
    changed = msgspec.structs.replace(settings, arrays=(array,))
    faults = find_array_faults(changed)
    if faults:
        raise SettingsError(faults)
    return changed


def serve_meter(meter: MeterSettings, library: ProfileLibrary) -> ServedMeter:
    """A meter of the settings as one that is played."""
    found = read_map(meter.type, library)
    if meter.is_production or meter.kind == DeviceKind.INVERTER.value:
        found = replace(found, is_production=True)
    line = None
    if meter.framing == Framing.RTU.value:
        line = Line(meter.baud, meter.parity, meter.stop_bits)
    endpoint = Endpoint(meter.host, meter.port, Framing(meter.framing), line)
    return ServedMeter(meter.id, found, endpoint, meter.unit)


def read_map(name: str, library: ProfileLibrary) -> RegisterMap:
    """The register map of a type of meter.

    Raises:
        SettingsError: No such profile, or one of another protocol.
    """
    if name == SUNSPEC and SUNSPEC not in library.names():
        return RegisterMap(SUNSPEC, "SunSpec", (), is_sunspec=True)
    table = library.read(name)
    if not is_register_map(table):
        raise SettingsError([f"profile {name!r} describes no registers; choose one that does"])
    return parse_register_map(name, table)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where meters of some profiles are served."""

    host: str
    port: int
    unit: int
    """Unit of the first one; the next ones follow."""
    framing: Framing
    copies: int = 1
    """Meters of each profile."""
    line: Line | None = None
    """Of a serial port, whose path is ``host``."""


def place_profiles(
    profiles: Sequence[str], place: Placement, library: ProfileLibrary
) -> list[ServedMeter]:
    """One meter or more of each profile, unit after unit; a full port is followed by the next.

    Raises:
        SettingsError: A profile that does not exist, or a unit that cannot be.
    """
    if not 0 <= place.unit <= MAX_UNIT:
        raise SettingsError([f"unit {place.unit} is not between 0 and {MAX_UNIT}"])
    meters: list[ServedMeter] = []
    port, unit = place.port, place.unit
    for name in profiles:
        register_map = read_map(name, library)
        for _ in range(place.copies):
            if meters and unit > _LAST_UNIT:
                if place.line is not None:
                    raise SettingsError([f"a serial line has no unit above {_LAST_UNIT}"])
                port, unit = port + 1, 1
            endpoint = Endpoint(place.host, port, place.framing, place.line)
            device = f"{name}-{len(meters) + 1}"
            meters.append(ServedMeter(device, register_map, endpoint, unit))
            unit += 1
    return meters


def choose_meter_ports(settings: Settings) -> dict[int, int]:
    """Free ports for those of the recipe's own meters that are taken: old to new."""
    wanted = {meter.port for meter in settings.meters if meter.host in _LOCAL}
    return {
        port: find_free_port("127.0.0.1")
        for port in sorted(wanted)
        if is_port_taken("127.0.0.1", port)
    }


def move_meter_ports(settings: Settings, moved: Mapping[int, int]) -> Settings:
    """Settings whose local meters listen elsewhere.

    Args:
        settings: The recipe's.
        moved: Old port to new.
    """
    meters = tuple(
        msgspec.structs.replace(meter, port=moved.get(meter.port, meter.port))
        if meter.host in _LOCAL
        else meter
        for meter in settings.meters
    )
    return msgspec.structs.replace(settings, meters=meters)
