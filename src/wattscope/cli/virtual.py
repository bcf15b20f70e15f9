"""Options of ``simulate`` that are about virtual Modbus meters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from wattscope.assembly.simulation import Placement, place_profiles
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Framing, Line
from wattscope.plugins import load_plugin
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.simulate.modbus_bank import Gaps
from wattscope.simulate.modbus_line import LineTiming
from wattscope.simulate.modbus_site import ServeOptions
from wattscope.simulate.site_simulators import ModbusSimulator, simulate_profiles

_PANEL = "Virtual Modbus meters"
_BAUD = 9600
_SERVED_FRAMINGS = (Framing.TCP, Framing.RTU_OVER_TCP, Framing.RTU)


def _option(*names: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*names, help=text, rich_help_panel=_PANEL)
    return option


ProfileOption = Annotated[
    list[str] | None,
    _option("--profile", text="Type of meter, such as sdm630; may be repeated."),
]
MeterHostOption = Annotated[str, _option("--host", text="Address to listen on.")]
MeterPortOption = Annotated[int, _option("--port", text="TCP port of the first meter.")]
UnitOption = Annotated[int, _option("--unit", text="Unit of the first meter.")]
CopiesOption = Annotated[int, _option("--copies", text="Meters of each type.")]
FramingOption = Annotated[str, _option("--framing", text="tcp, rtu_over_tcp or rtu.")]
SerialOption = Annotated[
    Path | None, _option("--serial", text="Serve RTU on this serial port instead.")
]
FaultOption = Annotated[
    list[str] | None,
    _option(
        "--fault",
        text="Misbehave: NAME or NAME:RATE; any and told stand for mixtures. "
        "solar: KIND:PANEL, KIND:PANEL:START or KIND:PANEL:START:END.",
    ),
]
GapsOption = Annotated[
    Gaps, _option("--gaps", text="What is read between registers: zero, or a refusal.")
]
BaudOption = Annotated[
    int | None, _option("--baud", text="Take the time of an RS-485 line; 9600 on a serial port.")
]
ParityOption = Annotated[str, _option("--parity", text="Of that line: N, E or O.")]
TurnAroundOption = Annotated[
    str, _option("--turn-around", text="Time of a meter before its reply, such as 20ms.")
]


@dataclass(frozen=True, slots=True)
class VirtualChoice:
    """What the options tell."""

    profiles: tuple[str, ...]
    host: str
    port: int
    unit: int
    copies: int
    framing: str
    serial: Path | None
    faults: tuple[str, ...]
    gaps: Gaps
    baud: int | None
    parity: str
    turn_around: str
    seed: int

    @property
    def is_told(self) -> bool:
        """Whether anything of a meter was told, so that a recipe over MQTT cannot be meant."""
        return bool(self.profiles or self.serial or self.baud)

    def build(self, library: ProfileLibrary) -> ModbusSimulator:
        """Meters of the profiles, instead of a recipe's.

        Raises:
            SettingsError: An option that cannot be.
        """
        names = {framing.value: framing for framing in _SERVED_FRAMINGS}
        if self.framing not in names:
            raise SettingsError([f"framing {self.framing!r} is not {', '.join(names)}"])
        framing, line, host = names[self.framing], None, self.host
        if self.serial is not None:
            framing, line, host = Framing.RTU, self._line(), str(self.serial)
        elif framing is Framing.RTU:
            raise SettingsError(["framing rtu needs a serial port; name it with --serial"])
        port = 0 if self.serial is not None else self.port
        place = Placement(host, port, self.unit, framing, self.copies, line)
        meters = place_profiles(self.profiles, place, library)
        return simulate_profiles(meters, seed=self.seed)

    def options(self) -> ServeOptions:
        """How the meters are served.

        Raises:
            SettingsError: An option that cannot be, or the extra ``serial`` is not installed.
        """
        turn_around_s = parse_seconds(self.turn_around)
        timing = None
        # A real serial port takes its own time.
        if self.serial is None and (self.baud is not None or turn_around_s):
            timing = LineTiming(self._line(), turn_around_s)
        options = ServeOptions(self.gaps, self.faults, self.seed, timing)
        if self.serial is not None:
            options = replace(options, serve_serial=load_plugin("serial_server", "rtu"))
        return options

    def _line(self) -> Line:
        baud = _BAUD if self.baud is None else self.baud
        if baud < 1 or self.parity not in {"N", "E", "O"}:
            raise SettingsError(["baud must be above 0, and parity N, E or O"])
        return Line(baud, self.parity)


def parse_seconds(text: str) -> float:
    """Seconds of ``20ms``, ``0.5s`` or a bare number of seconds.

    Raises:
        SettingsError: Not such a time.

    >>> parse_seconds("20ms"), parse_seconds("1.5")
    (0.02, 1.5)
    """
    number, scale = text.strip(), 1.0
    if number.endswith("ms"):
        number, scale = number[:-2], 0.001
    elif number.endswith("s"):
        number = number[:-1]
    try:
        seconds = float(number) * scale
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise SettingsError([f"time {text!r} is not understood; write 20ms or 0.5s, at most 60s"])
    return seconds
