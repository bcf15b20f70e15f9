"""A fleet source over a folder, as the program builds it."""

from __future__ import annotations

from pathlib import Path

from wattscope.assembly.meter_desk import BookDesk
from wattscope.assembly.meter_fleet import FleetSource, build_fleet_source
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import MeterSettings, RegistrySettings, Settings, SourceSettings

GRID = MeterSettings(id="grid", host="10.0.0.1", type="sdm630")


def open_source(
    folder: Path, *meters: MeterSettings, url: str | None = None, poll: str = "10s"
) -> FleetSource:
    """What a program with these settings reads its fleet from."""
    settings = Settings(
        sources=(SourceSettings(name="modbus", type="modbus", poll=poll),),
        meters=meters,
        registry=RegistrySettings(url=url),
    )
    return build_fleet_source(settings, folder, ProfileLibrary())


def open_desk(folder: Path, *meters: MeterSettings, url: str | None = None) -> BookDesk:
    """The desk over the same."""
    return BookDesk(open_source(folder, *meters, url=url))
