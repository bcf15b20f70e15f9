"""Register maps as TOML: what a file in ``profiles/`` with ``protocol = "modbus"`` tells.

::

    title = "Eastron SDM630"        words for a screen
    protocol = "modbus"             or "sunspec": the device itself tells its registers
    kind = "meter"                  a DeviceKind
    function = 4                    3 holding, 4 input registers; of all that do not say otherwise
    type = "float32"                likewise; int16 uint16 int32 uint32 int64 uint64 float32 float64
    order = "ABCD"                  likewise; ABCD CDAB BADC DCBA, left out ABCD
    max_block = 80                  registers that the device gives at once, left out 125
    is_production = true            what it counts is generated, left out false
    rollover_wh = 655360            where its energy registers begin again at zero [Wh]

    [registers]
    voltage_l1_v = 0x0000                                   quantity = address, from 0
    energy_import_wh = { address = 0x0048, unit = "kWh" }   with unit, scale, offset, type, order,
                                                            function, missing and poll
    Valve = { address = 80, unit = "%" }                    a measurement of its own

A raw number times ``scale`` plus ``offset`` is in ``unit``, left out the quantity's base unit.
``missing`` lists bit patterns that stand for "no value", such as ``[0x8000]``. Parsing reads no
file, lists all faults at once, and names the nearest valid key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wattscope.compute.decode.table_reader import TableReader, is_finite, suggest
from wattscope.compute.modbus.measurement_names import find_measurement
from wattscope.core.errors import SettingsError
from wattscope.core.quantities import QUANTITIES, find_quantity
from wattscope.core.registers import (
    MAX_ADDRESS,
    MAX_BLOCK,
    ByteOrder,
    Register,
    RegisterMap,
    RegisterType,
)
from wattscope.core.topology import DeviceKind
from wattscope.core.units import list_units

PROTOCOLS: Final = ("modbus", "sunspec")
_KEYS: Final = ("title", "protocol", "kind", "max_block", "is_production", "rollover_wh")
_DEFAULTS: Final = ("function", "type", "order")
_ENTRY_KEYS: Final = ("address", "unit", "scale", "offset", "missing", "poll", *_DEFAULTS)


def is_register_map(table: Mapping[str, Any]) -> bool:
    """Whether a profile describes registers, rather than messages or files."""
    return table.get("protocol") in PROTOCOLS


def parse_register_map(name: str, table: Mapping[str, Any]) -> RegisterMap:
    """The register map that a parsed TOML file tells.

    Args:
        name: The file's name without its ending; the type that meters refer to.
        table: The parsed file.

    Raises:
        SettingsError: Anything is wrong; all faults are listed.
    """
    reader = _MapReader()
    found = reader.read_map(name, table)
    if reader.faults:
        raise SettingsError(reader.faults, where=f"profile {name}")
    return found


class _MapReader(TableReader):
    """Reads one register map."""

    def read_map(self, name: str, table: Mapping[str, Any]) -> RegisterMap:
        """The map; meaningless once there are faults."""
        self.check_keys(table, (*_KEYS, *_DEFAULTS, "registers"), "")
        is_sunspec = self.read_choice(table, "protocol", PROTOCOLS, "") == "sunspec"
        kind = self.read_choice(table, "kind", tuple(k.value for k in DeviceKind), "")
        entries = self.read_table(table, "registers")
        if is_sunspec and entries:
            self.faults.append("registers: a SunSpec device tells its own; remove them")
        if not is_sunspec and not entries:
            self.faults.append("registers: missing; name at least one")
        registers = {key: self._read_entry(key, entries[key], table) for key in entries}
        self._check_quantities(registers)
        return RegisterMap(
            name=name,
            title=self.read_text(table, "title", ""),
            registers=tuple(registers.values()),
            kind=DeviceKind(kind) if kind else DeviceKind.METER,
            is_production=self.read_flag(table, "is_production")
            if "is_production" in table
            else False,
            rollover_wh=self._read_rollover(table),
            max_block=self._read_integer(table, "max_block", "", 1, MAX_BLOCK, MAX_BLOCK),
            is_sunspec=is_sunspec,
        )

    def _check_quantities(self, registers: Mapping[str, Register]) -> None:
        """Refuse a quantity that two entries tell under names of their own."""
        owners: dict[str, str] = {}
        for key, register in registers.items():
            owner = owners.setdefault(register.quantity, key)
            if register.quantity and owner != key:
                self.faults.append(
                    f"registers.{key}: is {register.quantity}, as {owner} is; remove one"
                )

    def _read_rollover(self, table: Mapping[str, Any]) -> float | None:
        number = table.get("rollover_wh")
        if number is None or (is_finite(number) and number > 0):
            return None if number is None else float(number)
        self.faults.append("rollover_wh: must be a number of Wh above 0")
        return None

    def _read_entry(self, key: str, entry: object, defaults: Mapping[str, Any]) -> Register:
        where = f"registers.{key}."
        if isinstance(entry, int) and not isinstance(entry, bool):
            entry = {"address": entry}
        if not isinstance(entry, Mapping):
            self.faults.append(f"{where[:-1]}: must be an address, or a table with one")
            entry = {"address": 0}
        self.check_keys(entry, _ENTRY_KEYS, where)
        shared = {word: defaults[word] for word in _DEFAULTS if word in defaults}
        own = {**shared, **entry}
        kind = self.read_choice(own, "type", tuple(one.value for one in RegisterType), where)
        order = "ABCD"
        if "order" in own:
            order = self.read_choice(own, "order", tuple(one.value for one in ByteOrder), where)
        quantity, factor, offset = self._read_meaning(key, own, where)
        found_type = RegisterType(kind) if kind else RegisterType.INT16
        last = MAX_ADDRESS + 1 - found_type.n_registers
        return Register(
            quantity=quantity,
            function=self._read_integer(own, "function", where, 3, 4),
            address=self._read_integer(own, "address", where, 0, last),
            type=found_type,
            order=ByteOrder(order) if order else ByteOrder.ABCD,
            factor=factor,
            offset=offset,
            missing=self._read_missing(own, found_type, where),
            poll=self.read_text(own, "poll", where) if "poll" in own else None,
        )

    def _read_meaning(
        self, key: str, entry: Mapping[str, Any], where: str
    ) -> tuple[str, float, float]:
        """Quantity, factor and offset to its base unit."""
        numbers = []
        for word, default in (("scale", 1.0), ("offset", 0.0)):
            number = entry.get(word, default)
            if not is_finite(number) or (word == "scale" and not number):
                self.faults.append(f"{where}{word}: must be a number other than 0")
                number = default
            numbers.append(float(number))
        known = find_quantity(key)
        unit = entry.get("unit", known.unit if known is not None else "")
        if not isinstance(unit, str):
            self.faults.append(f"{where}unit: must be a text such as kWh")
            unit = ""
        meaning = find_measurement(key, unit)
        if meaning is None:
            if known is not None:
                valid = ", ".join(list_units(known.unit))
                self.faults.append(f"{where}unit: {unit!r} does not measure it; use {valid}")
            else:
                near = suggest(key, tuple(QUANTITIES))
                self.faults.append(f"registers.{key}: no quantity can be named so; {near}")
            return "", 1.0, 0.0
        quantity, conversion = meaning
        scale, offset = numbers
        factor = scale if conversion.factor == 1.0 else multiply(scale, conversion.factor)
        return quantity.name, factor, offset * conversion.factor + conversion.offset

    def _read_integer(  # bounds and default belong together
        self,
        table: Mapping[str, Any],
        key: str,
        where: str,
        low: int,
        high: int,
        default: int | None = None,
    ) -> int:
        number = table.get(key, default)
        if isinstance(number, int) and not isinstance(number, bool) and low <= number <= high:
            return number
        self.faults.append(f"{where}{key}: {number!r} is not an integer from {low} to {high}")
        return low

    def _read_missing(
        self, entry: Mapping[str, Any], kind: RegisterType, where: str
    ) -> tuple[int, ...]:
        patterns = entry.get("missing", [])
        patterns = patterns if isinstance(patterns, list) else [patterns]
        bound = 1 << (16 * kind.n_registers)
        for one in patterns:
            if isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < bound:
                self.faults.append(
                    f"{where}missing: {one!r} is no bit pattern of a {kind.value}, 0 to {bound - 1}"
                )
                return ()
        return tuple(patterns)


def multiply(scale: float, factor: float) -> float:
    """The product as the nearest short decimal: 0.1 times 1000 is 100, and 0.01 kWh are 10 Wh.

    >>> multiply(0.001, 1000.0), multiply(0.1, 1000.0)
    (1.0, 100.0)
    """
    return float(f"{scale * factor:.15g}")
