"""Reads the table ``[values]`` of a profile: which path is which quantity in which unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from wattscope.compute.decode import grid_meter_json
from wattscope.compute.decode.json_path import Path, parse_path
from wattscope.compute.decode.route import ValuePath
from wattscope.compute.decode.table_reader import TableReader, is_finite, suggest
from wattscope.core.quantities import QUANTITIES
from wattscope.core.units import Conversion, find_conversion, list_units

_NEED_VALUES: Final = frozenset(
    {"itron", "grid_meter_json", "zigbee2mqtt", "esphome", "json_map", "victron"}
)
_BY_PATH: Final = frozenset({"json_map", "zigbee2mqtt", "tasmota"})
_WITHOUT_VALUES: Final = frozenset({"panel_json", "shelly_gen1", "shelly_gen2", "dsmr_p1", "sml"})
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")


class ValueReader(TableReader):
    """Reads value paths, and gathers every fault."""

    def read_path(self, text: object, where: str) -> Path:
        path = parse_path(text) if isinstance(text, str) else None
        if path is None:
            self.faults.append(f"{where}: {text!r} is no path such as meters[0].power")
        return path or ()

    def read_values(
        self, table: Mapping[str, Any], direction: Mapping[str, str], decoder: str
    ) -> tuple[ValuePath, ...]:
        if decoder in _NEED_VALUES and not table:
            self.faults.append(f"values: missing; decoder {decoder} takes its quantities from it")
        if decoder in _WITHOUT_VALUES and table:
            self.faults.append(f"values: decoder {decoder} knows its quantities; remove them")
        values = [self._read_value(key, table[key], direction, decoder) for key in table]
        if decoder != "grid_meter_json":
            return tuple(values)
        self.check_keys(table, grid_meter_json.SOURCES, "values.")
        order = grid_meter_json.SOURCES
        return tuple(
            sorted(values, key=lambda v: order.index(v.source) if v.source in order else 9)
        )

    def _read_value(
        self, source: str, entry: object, direction: Mapping[str, str], decoder: str
    ) -> ValuePath:
        where = f'values."{source}"'
        nothing = ValuePath(source, (), "", Conversion("", 1.0))
        if not isinstance(entry, Mapping):
            self.faults.append(f"{where}: must be a table such as {{ quantity = …, unit = … }}")
            return nothing
        self.check_keys(entry, ("quantity", "unit", "scale", "time"), f"{where}.")
        path: Path = self.read_path(source, where) if decoder in _BY_PATH else ()
        quantity = self._read_quantity(entry, direction, where)
        conversion = self._read_conversion(entry, quantity, where)
        time: Path = ()
        if "time" in entry:
            time = self.read_path(entry["time"], f"{where}.time")
            if decoder not in {"", "json_map"}:
                self.faults.append(f"{where}.time: only decoder json_map reads it")
        return ValuePath(source, path, quantity, conversion, time)

    def _read_quantity(
        self, entry: Mapping[str, Any], direction: Mapping[str, str], where: str
    ) -> str:
        text = self.read_text(entry, "quantity", f"{where}.")
        for word in _PLACEHOLDER.findall(text):
            if word not in direction:
                self.faults.append(
                    f"{where}.quantity: {{{word}}} is not in [direction]; "
                    f"{suggest(word, tuple(direction))}"
                )
        name = _PLACEHOLDER.sub(lambda match: direction.get(match[1], "import"), text)
        if text and name not in QUANTITIES:
            self.faults.append(
                f"{where}.quantity: {name!r} is not in the catalogue; "
                f"{suggest(name, tuple(QUANTITIES))}"
            )
        return name if name in QUANTITIES else ""

    def _read_conversion(self, entry: Mapping[str, Any], quantity: str, where: str) -> Conversion:
        """Scale first, then unit: a raw value times ``scale`` is in ``unit``."""
        base_unit = QUANTITIES[quantity].unit if quantity else ""
        scale = entry.get("scale", 1.0)
        if not is_finite(scale) or not scale:
            self.faults.append(f"{where}.scale: must be a number other than 0")
            scale = 1.0
        unit = entry.get("unit", base_unit)
        conversion = find_conversion(unit, base_unit) if isinstance(unit, str) else None
        if conversion is None:
            if quantity:
                valid = ", ".join(list_units(base_unit))
                self.faults.append(f"{where}.unit: {unit!r} does not measure it; use {valid}")
            return Conversion(base_unit, 1.0)
        return Conversion(base_unit, conversion.factor * scale, conversion.offset)
