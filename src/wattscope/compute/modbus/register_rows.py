"""Rows of the table ``registers`` as register maps.

Columns of the table as an existing installation has it: ``type``, ``register_address``,
``measurement_name``, ``data_unit``, ``data_type`` (1 int16, 2 int32, 3 float32),
``function_code`` (3 holding, 4 input), ``word_order`` and ``byte_order`` (1 little, 2 big). Beyond
these: ``value_type``, ``scale``, ``value_offset``, ``missing_value``, ``poll_group`` and
``quantity``. A raw number times ``scale`` plus ``value_offset`` is in ``data_unit``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wattscope.compute.decode.table_reader import suggest
from wattscope.compute.modbus.map_file import multiply
from wattscope.compute.modbus.measurement_names import find_measurement
from wattscope.compute.modbus.place_rows import Places
from wattscope.compute.modbus.row_reader import Row, RowReader, show_cell
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import RowFault
from wattscope.core.quantities import QUANTITIES, Quantity, find_quantity
from wattscope.core.registers import (
    MAX_ADDRESS,
    ByteOrder,
    Register,
    RegisterMap,
    RegisterType,
)
from wattscope.core.units import Conversion, find_conversion, list_units

REGISTERS: Final = "registers"
DATA_TYPES: Final = {1: RegisterType.INT16, 2: RegisterType.INT32, 3: RegisterType.FLOAT32}
"""Numbers of ``data_type``."""
_LITTLE: Final = 1
_ORDERS: Final = {
    (False, False): ByteOrder.ABCD,
    (True, False): ByteOrder.CDAB,
    (False, True): ByteOrder.BADC,
    (True, True): ByteOrder.DCBA,
}
"""Whether words, and whether bytes come little end first."""
_NO_CONVERSION: Final = Conversion("", 1.0)


@dataclass(frozen=True, slots=True)
class SqlMaps:
    """The types that the table describes."""

    maps: dict[str, RegisterMap]
    """By type; those with at least one usable row."""
    broken: frozenset[str]
    """Types all of whose rows are left out."""
    faults: tuple[RowFault, ...]


def read_register_rows(rows: Sequence[Row], places: Places) -> SqlMaps:
    """The maps of all types, with the faults of the rows that are left out.

    Args:
        rows: In the order in which they count: of two rows of a type for one quantity, the first
            is kept.
        places: Poll groups that rows may name.
    """
    kept: dict[str, dict[str, Register]] = {}
    named: set[str] = set()
    faults: list[RowFault] = []
    for row in rows:
        reader = _RegisterReader(row, places)
        kind, register = reader.read()
        named.add(kind)
        if not reader.faults:
            mine = kept.setdefault(kind, {})
            older = mine.setdefault(register.quantity, register)
            if older is not register:
                reader.faults.append(
                    f"{register.quantity} of this type is told by register {older.address} "
                    f"already, which is kept; remove one, or tell them apart in column quantity"
                )
        if reader.faults:
            faults.append(RowFault(REGISTERS, name_register(row), "; ".join(reader.faults)))
    maps = {
        kind: RegisterMap(kind, kind, tuple(sorted(found.values(), key=_place)))
        for kind, found in kept.items()
    }
    return SqlMaps(maps, frozenset(named - set(maps) - {""}), tuple(faults))


def name_register(row: Row) -> str:
    """What names a row for a person, and no other row of the table."""
    words = " ".join(str(row[one]) for one in ("type", "measurement_name") if row.get(one))
    return f"{row.get('id', '?')} ({show_cell(words)[1:-1]})"


def _place(register: Register) -> tuple[int, int]:
    return register.function, register.address


class _RegisterReader(RowReader):
    """Reads one row of registers."""

    def __init__(self, row: Row, places: Places) -> None:
        super().__init__(row)
        self._places = places

    def read(self) -> tuple[str, Register]:
        """The type and its register; meaningless once there are faults."""
        for column, words in (
            ("type", "the device type that it belongs to"),
            ("register_address", "the address on the wire, from 0"),
            ("measurement_name", "what it measures"),
            ("function_code", "3 for holding registers, 4 for input registers"),
        ):
            self.need(column, words)
        kind = self.read_text("type", max_length=64) or ""
        value_type = self._read_type()
        quantity, conversion = self._read_meaning()
        scale = self.read_number("scale")
        if scale == 0.0:
            self.faults.append("scale 0 makes every value nothing; leave it empty, or give 0.1")
        offset = self.read_number("value_offset") or 0.0
        scale = 1.0 if scale is None else scale
        return kind, Register(
            quantity=quantity.name,
            function=self.read_integer("function_code", 3, 4) or 3,
            address=self._read_address(value_type),
            type=value_type,
            order=self._read_order(),
            factor=scale if conversion.factor == 1.0 else multiply(scale, conversion.factor),
            offset=offset * conversion.factor + conversion.offset,
            missing=self._read_missing(value_type),
            poll=self._read_poll(),
        )

    def _read_type(self) -> RegisterType:
        word = self.read_choice("value_type", tuple(one.value for one in RegisterType))
        if word is not None:
            return RegisterType(word)
        if self.is_null("value_type"):
            self.need("data_type", "1 int16, 2 int32 or 3 float32, or a value_type")
        number = self.read_integer("data_type", 1, 3, hint=" (int16, int32, float32)")
        return DATA_TYPES[number or 1]

    def _read_address(self, value_type: RegisterType) -> int:
        last = MAX_ADDRESS + 1 - value_type.n_registers
        hint = "; it is that on the wire, from 0: 40001 of many manuals is 0"
        return self.read_integer("register_address", 0, last, hint=hint) or 0

    def _read_order(self) -> ByteOrder:
        word, byte = (
            self.read_integer(one, 1, 2, hint=" (1 little, 2 big)") == _LITTLE
            for one in ("word_order", "byte_order")
        )
        return _ORDERS[word, byte]

    def _read_meaning(self) -> tuple[Quantity, Conversion]:
        """The quantity, and the conversion to its base unit."""
        nothing = next(iter(QUANTITIES.values())), _NO_CONVERSION
        unit = self.read_text("data_unit", max_length=32) or ""
        override = self.read_text("quantity", max_length=64)
        name = override or self.read_text("measurement_name", max_length=64)
        if name is None:
            return nothing
        known = find_quantity(name)
        if override is not None and known is None:
            hint = suggest(name, tuple(QUANTITIES))
            self.faults.append(f"quantity {show_cell(name)} is unknown; {hint}")
            return nothing
        if override is not None and known is not None:
            conversion = find_conversion(unit or known.unit, known.unit)
            meaning = None if conversion is None else (known, conversion)
        else:
            meaning = find_measurement(name, unit)
        if meaning is not None:
            return meaning
        if known is not None:
            valid = ", ".join(list_units(known.unit)) or known.unit
            self.faults.append(
                f"data_unit {show_cell(unit)} does not measure {known.name}; use {valid}"
            )
        else:
            self.faults.append(
                f"measurement_name {show_cell(name)} with data_unit {show_cell(unit)} names no "
                "quantity; use letters, digits and _, or fill in column quantity"
            )
        return nothing

    def _read_missing(self, value_type: RegisterType) -> tuple[int, ...]:
        """Bit patterns such as ``0x8000`` or ``-32768``, several with commas between."""
        text = self.read_text("missing_value")
        if text is None:
            return ()
        bound = 1 << (16 * value_type.n_registers)
        patterns = []
        for part in text.split(","):
            try:
                number = int(part.strip(), 0)
            except ValueError:
                number = bound
            if not -bound // 2 <= number < bound:
                self.faults.append(
                    f"missing_value {show_cell(part.strip())} is no bit pattern of a "
                    f"{value_type.value}; write it as 0x8000"
                )
                return ()
            patterns.append(number % bound)
        return tuple(patterns)

    def _read_poll(self) -> str | None:
        text = self.read_text("poll_group")
        if text is None:
            return None
        try:
            return self._places.find_schedule(text)
        except SettingsError as fault:
            self.faults.append(f"poll_group: {fault}")
            return None
