"""Profiles: what a TOML file in ``profiles/`` tells about the messages of one kind of device.

::

    title = "Grid meter, JSON"              words for a screen
    decoder = "grid_meter_json"             a name in DECODERS
    topics = ["energy/meters/#"]            MQTT filters with + and #
    kind = "meter"                          a DeviceKind
    has_clock = true                        whether messages state their instant
    interval_s = 300                        expected time between readings [s]
    rollover_wh = 655360                    where its energy registers begin again at zero [Wh]
    [device]    topic_level, payload, name  where the device's key is
    [time]      path, unit                  where the instant is, what a number counts
    [direction] delivered = "export"        fills {delivered} in the quantities below
    [values]    "path" = { quantity, unit, scale, time }
    [ranges]    quantity = [lowest, highest]   a reading beyond is set aside [base unit]
    [options]   choices of the one decoder

Parsing reads no file. It lists all faults at once, and an unknown key is an error that names the
nearest valid one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, Final, cast

from wattscope.compute.decode import DECODERS
from wattscope.compute.decode.clock import TimeUnit
from wattscope.compute.decode.json_path import Path
from wattscope.compute.decode.route import ClockPath, DevicePattern, Route, ValuePath
from wattscope.compute.decode.table_reader import is_finite, suggest
from wattscope.compute.decode.value_reader import ValueReader
from wattscope.core.errors import SettingsError
from wattscope.core.quantities import QUANTITIES
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import DeviceKind, is_safe_name

_KEYS: Final = (
    *("title", "decoder", "topics", "kind", "has_clock", "interval_s", "rollover_wh"),
    *("device", "time", "direction", "values", "ranges", "options"),
)
_OPTIONS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "esphome": {"match": ("exact", "suffix")},
    "grid_meter_json": {"energy_stamp": ("start", "end")},
    "shelly_gen1": {"channels": ("auto", "phases", "devices")},
}
_OWN_DEVICE: Final = frozenset({"zigbee2mqtt", "victron", "dsmr_p1", "sml"})
"""Formats whose topics name the device by more than one level, or whose messages name it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The messages of one kind of device."""

    name: str
    title: str
    decoder: str
    topics: tuple[str, ...]
    """MQTT filters; a message belongs to the profile when one of them matches."""
    kind: DeviceKind
    has_clock: bool
    """Whether messages state their instant; without one, the instant of receipt stands."""
    interval_s: float | None
    """Expected time between readings [s]; None when it varies."""
    rollover_wh: float | None
    """At what the registers of energy begin again at zero [Wh]; None when they never do. Narrow
    counters are common: 655.36 kWh is 16 bits of 10 Wh, 838.8608 kWh is 23 bits of 0.1 Wh."""
    direction: Mapping[str, str]
    """The device's own words for its registers, to ``import`` or ``export``."""
    values: tuple[ValuePath, ...]
    ranges: Mapping[str, tuple[float, float]]
    """Lowest and highest value of a quantity that is taken [base unit]."""
    device_pattern: DevicePattern
    clock: ClockPath
    options: Mapping[str, str]

    def build_route(self, zone: tzinfo) -> Route:
        """The route of this profile's messages at a site of that zone."""
        interval_us = round((self.interval_s or 0.0) * US_PER_S)
        return Route(
            self.name,
            zone,
            self.device_pattern,
            self.values,
            self.clock,
            self.options,
            interval_us,
        )


def parse_profile(name: str, table: Mapping[str, Any]) -> Profile:
    """The profile that a parsed TOML file tells.

    Args:
        name: The file's name without its ending.
        table: The parsed file.

    Raises:
        SettingsError: Anything is wrong; all faults are listed.
    """
    reader = _ProfileReader()
    profile = reader.read_profile(name, table)
    if reader.faults:
        raise SettingsError(reader.faults, where=f"profile {name}")
    return profile


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT filter matches a topic (MQTT 3.1.1, section 4.7).

    >>> topic_matches("sensors/+/readings", "sensors/p1/readings")
    True
    >>> topic_matches("energy/#", "energy"), topic_matches("#", "$SYS/uptime")
    (True, False)
    """
    if topic.startswith("$") and topic_filter[:1] in {"+", "#"}:
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return position == len(wanted) - 1
        if position >= len(levels) or level not in {"+", levels[position]}:
            return False
    return len(wanted) == len(levels)


class _ProfileReader(ValueReader):
    """Reads one profile."""

    def read_profile(self, name: str, table: Mapping[str, Any]) -> Profile:
        """The profile; meaningless once there are faults."""
        self.check_keys(table, _KEYS, "")
        decoder = self.read_choice(table, "decoder", tuple(DECODERS), "")
        direction = self._read_direction(self.read_table(table, "direction"))
        values = self.read_values(self.read_table(table, "values"), direction, decoder)
        return Profile(
            name=name,
            title=self.read_text(table, "title", ""),
            decoder=decoder,
            topics=self._read_topics(table.get("topics")),
            kind=self._read_kind(table),
            has_clock=self.read_flag(table, "has_clock"),
            interval_s=self._read_positive(table, "interval_s", "seconds"),
            rollover_wh=self._read_positive(table, "rollover_wh", "Wh"),
            direction=MappingProxyType(direction),
            values=values,
            ranges=MappingProxyType(self._read_ranges(self.read_table(table, "ranges"))),
            device_pattern=self._read_device(table, decoder),
            clock=self._read_clock(self.read_table(table, "time"), decoder),
            options=self._read_options(table, decoder),
        )

    def _read_kind(self, table: Mapping[str, Any]) -> DeviceKind:
        kind = self.read_choice(table, "kind", tuple(k.value for k in DeviceKind), "")
        return DeviceKind(kind) if kind else DeviceKind.METER

    def _read_positive(self, table: Mapping[str, Any], key: str, unit: str) -> float | None:
        number = table.get(key)
        if number is None:
            return None
        if is_finite(number) and number > 0:
            return float(number)
        self.faults.append(f"{key}: must be a number of {unit} above 0")
        return None

    def _read_topics(self, topics: object) -> tuple[str, ...]:
        if not isinstance(topics, list) or not topics:
            self.faults.append('topics: must be a list of MQTT filters, such as ["sensors/+"]')
            return ()
        for topic in topics:
            if not isinstance(topic, str) or not _is_filter(topic):
                self.faults.append(f"topics: {topic!r} is no MQTT filter; + and # are whole levels")
        return tuple(str(topic) for topic in topics)

    def _read_direction(self, table: Mapping[str, Any]) -> dict[str, str]:
        return {
            word: self.read_choice(table, word, ("import", "export"), "direction.")
            for word in table
        }

    def _read_ranges(self, table: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
        ranges: dict[str, tuple[float, float]] = {}
        for name, limits in table.items():
            if name not in QUANTITIES:
                near = suggest(name, tuple(QUANTITIES))
                self.faults.append(f"ranges.{name}: is not in the catalogue; {near}")
            elif (
                not isinstance(limits, list)
                or len(limits) != 2
                or not all(is_finite(one) for one in limits)
                or not limits[0] < limits[1]
            ):
                unit = QUANTITIES[name].unit
                self.faults.append(f"ranges.{name}: must be [lowest, highest] in {unit}")
            else:
                ranges[name] = (float(limits[0]), float(limits[1]))
        return ranges

    def _read_device(self, profile: Mapping[str, Any], decoder: str) -> DevicePattern:
        where = "device."
        table = self.read_table(profile, "device")
        self.check_keys(table, ("name", "payload", "topic_level"), where)
        name, payload, level = (table.get(k) for k in ("name", "payload", "topic_level"))
        path: Path = ()
        if name is not None and not (isinstance(name, str) and is_safe_name(name)):
            self.faults.append(f"{where}name: {name!r} cannot be a device's name")
        if payload is not None:
            path = self.read_path(payload, f"{where}payload")
        if level is not None and (isinstance(level, bool) or not isinstance(level, int)):
            self.faults.append(f"{where}topic_level: must be an integer, from 0")
        if not profile.get("device") and decoder not in _OWN_DEVICE:
            self.faults.append("device: missing; add topic_level, payload or name")
        return DevicePattern(cast("str | None", name), path, cast("int | None", level))

    def _read_clock(self, table: Mapping[str, Any], decoder: str) -> ClockPath:
        self.check_keys(table, ("path", "unit"), "time.")
        path: Path = ()
        if "path" in table:
            path = self.read_path(table["path"], "time.path")
            if decoder not in {"", "json_map"}:
                self.faults.append(f"time.path: decoder {decoder} knows its own place")
        unit = TimeUnit.SECONDS.value
        if "unit" in table:
            unit = self.read_choice(table, "unit", tuple(u.value for u in TimeUnit), "time.")
        return ClockPath(path, TimeUnit(unit or TimeUnit.SECONDS.value))

    def _read_options(self, profile: Mapping[str, Any], decoder: str) -> Mapping[str, str]:
        table = self.read_table(profile, "options")
        if table.get("energy_stamp") == "end" and "interval_s" not in profile:
            self.faults.append(
                'options.energy_stamp: "end" needs interval_s, to know the beginning'
            )
        valid = _OPTIONS.get(decoder, {})
        self.check_keys(table, valid, "options.")
        return MappingProxyType(
            {
                key: self.read_choice(table, key, valid[key], "options.")
                for key in table
                if key in valid
            }
        )


def _is_filter(text: str) -> bool:
    """Whether a text is an MQTT filter: + and # alone on their level, # last, no NUL."""
    levels = text.split("/")
    return (
        bool(text)
        and "\0" not in text
        and all(level in {"+", "#"} or not set(level) & {"+", "#"} for level in levels)
        and "#" not in levels[:-1]
    )
