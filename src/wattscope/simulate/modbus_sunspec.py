"""A SunSpec device: the marker, the common model, its own models, the end, from 40000 on.

::

    40000 "SunS" │ 1 │ 66 │ maker … serial │ 103 │ 50 │ … │ 160 │ 48 │ … │ 0xFFFF │ 0

Written from the model definitions of the SunSpec Alliance (models 1, 103, 113, 160, 203; Apache
2.0), by point, in their order. Integers are told with a scale factor, which stands in the same
model and is fixed here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import US_PER_S
from wattscope.simulate.modbus_bank import ValuesAt

BASE: Final = 40_000
"""First register of the marker."""
INVERTER: Final = (103, 160)
FLOAT_INVERTER: Final = (113, 160)
METER: Final = (203,)
N_STRINGS: Final = 2

_MARKER: Final = b"SunS"
_END: Final = bytes.fromhex("ffff0000")
_NOT_THERE: Final = {
    "int16": b"\x80\x00",
    "uint16": b"\xff\xff",
    "enum16": b"\xff\xff",
    "sunssf": b"\x80\x00",
    "acc32": b"\0\0\0\0",
    "uint32": b"\xff\xff\xff\xff",
    "bitfield32": b"\xff\xff\xff\xff",
    "float32": b"\x7f\xc0\0\0",
    "pad": b"\x80\x00",
}
"""Patterns for "not implemented" (SunSpec Information Model Specification 1.9, 4.2)."""
_BOUNDS: Final = {
    "int16": (-0x7FFF, 0x7FFF),
    "uint16": (0, 0xFFFE),
    "enum16": (0, 0xFFFE),
    "uint32": (0, 0xFFFFFFFE),
    "bitfield32": (0, 0xFFFFFFFE),
}


class Point(NamedTuple):
    """One point of a model."""

    kind: str
    """Type, as SunSpec names it."""
    quantity: str = ""
    """What it tells; empty where this device has no such value."""
    exponent: int = 0
    """Scale factor: a value is the number times ten to this; of a ``sunssf`` its own value."""
    factor: float = 1.0
    """From the base unit to that of the point, such as 100 for per cent."""


def _phases(kind: str, stem: str, unit: str, exponent: int) -> list[Point]:
    return [Point(kind, f"{stem}_l{n}_{unit}", exponent) for n in (1, 2, 3)]


def _nothing(kind: str, count: int) -> list[Point]:
    return [Point(kind)] * count


_INVERTER_STATE: Final = [
    Point("enum16", "operating_state"),
    Point("enum16"),
    Point("bitfield32", "event_flags"),
    Point("bitfield32", "event_flags"),
    *_nothing("bitfield32", 4),
]
_MODEL_103: Final = [
    Point("uint16", "current_a", -2),
    *_phases("uint16", "current", "a", -2),
    Point("sunssf", exponent=-2),
    *_nothing("uint16", 3),
    *_phases("uint16", "voltage", "v", -1),
    Point("sunssf", exponent=-1),
    Point("int16", "production_power_w"),
    Point("sunssf"),
    Point("uint16", "frequency_hz", -2),
    Point("sunssf", exponent=-2),
    Point("int16", "apparent_power_va"),
    Point("sunssf"),
    Point("int16", "reactive_power_var"),
    Point("sunssf"),
    Point("int16", "power_factor", -1, 100.0),
    Point("sunssf", exponent=-1),
    Point("acc32", "energy_production_wh"),
    Point("sunssf"),
    Point("uint16", "dc_current_a", -2),
    Point("sunssf", exponent=-2),
    Point("uint16", "dc_voltage_v", -1),
    Point("sunssf", exponent=-1),
    Point("int16", "dc_power_w"),
    Point("sunssf"),
    Point("int16", "temperature_c", -1),
    Point("int16", "heat_sink_temperature_c", -1),
    *_nothing("int16", 2),
    Point("sunssf", exponent=-1),
    *_INVERTER_STATE,
]
_MODEL_113: Final = [
    Point("float32", "current_a"),
    *_phases("float32", "current", "a", 0),
    *_nothing("float32", 3),
    *_phases("float32", "voltage", "v", 0),
    Point("float32", "production_power_w"),
    Point("float32", "frequency_hz"),
    Point("float32", "apparent_power_va"),
    Point("float32", "reactive_power_var"),
    Point("float32", "power_factor", factor=100.0),
    Point("float32", "energy_production_wh"),
    Point("float32", "dc_current_a"),
    Point("float32", "dc_voltage_v"),
    Point("float32", "dc_power_w"),
    Point("float32", "temperature_c"),
    Point("float32", "heat_sink_temperature_c"),
    *_nothing("float32", 2),
    *_INVERTER_STATE,
]
_MODEL_203: Final = [
    Point("int16", "current_a", -2),
    *_phases("int16", "current", "a", -2),
    Point("sunssf", exponent=-2),
    Point("int16", "voltage_v", -1),
    *_phases("int16", "voltage", "v", -1),
    *_nothing("int16", 4),
    Point("sunssf", exponent=-1),
    Point("int16", "frequency_hz", -2),
    Point("sunssf", exponent=-2),
    Point("int16", "active_power_w", 1),
    *_phases("int16", "active_power", "w", 1),
    Point("sunssf", exponent=1),
    Point("int16", "apparent_power_va", 1),
    *_phases("int16", "apparent_power", "va", 1),
    Point("sunssf", exponent=1),
    Point("int16", "reactive_power_var", 1),
    *_phases("int16", "reactive_power", "var", 1),
    Point("sunssf", exponent=1),
    Point("int16", "power_factor", -1, 100.0),
    *(Point("int16", f"power_factor_l{n}", -1, 100.0) for n in (1, 2, 3)),
    Point("sunssf", exponent=-1),
    Point("acc32", "energy_export_wh"),
    *_phases("acc32", "energy_export", "wh", 0),
    Point("acc32", "energy_import_wh"),
    *_phases("acc32", "energy_import", "wh", 0),
    Point("sunssf"),
    *_nothing("acc32", 8),
    Point("sunssf"),
    *_nothing("acc32", 16),
    Point("sunssf"),
    Point("bitfield32"),
]
_MODEL_160_HEAD: Final = [
    Point("sunssf", exponent=-2),
    Point("sunssf", exponent=-1),
    Point("sunssf"),
    Point("sunssf"),
    Point("bitfield32"),
]
_MODELS: Final[Mapping[int, Sequence[Point]]] = {
    103: _MODEL_103,
    113: _MODEL_113,
    203: _MODEL_203,
}


class SunSpecBank:
    """The registers of a SunSpec device, holding registers only."""

    def __init__(
        self,
        models: Sequence[int],
        values_at: ValuesAt,
        *,
        base: int = BASE,
        serial: str = "1",
        refresh_us: int = US_PER_S,
    ) -> None:
        """``models`` follow the common one, such as ``INVERTER``.

        Raises:
            SettingsError: A model that is not served here.
        """
        unknown = [model for model in models if model not in _MODELS and model != 160]
        if unknown:
            raise SettingsError(
                f"SunSpec model {unknown[0]} is not served; there are 103, 113, 160 and 203"
            )
        self._models = models
        self._values_at = values_at
        self._base = base
        self._serial = serial
        self._refresh_us = refresh_us
        self._images: dict[int, bytes] = {}

    def read(self, function: int, address: int, count: int, at_us: int) -> bytes | None:
        """A slice of the chain as of that second."""
        if function != 3:
            return None
        stamp = at_us // self._refresh_us
        image = self._images.get(stamp)
        if image is None:
            image = self._draw(self._values_at(stamp * self._refresh_us))
            while len(self._images) > 1:
                del self._images[min(self._images)]
            self._images[stamp] = image
        return self._cut(image, address, count)

    def read_unavailable(self, function: int, address: int, count: int) -> bytes | None:
        """The same chain with every value not implemented."""
        return self._cut(self._draw({}), address, count) if function == 3 else None

    def _cut(self, image: bytes, address: int, count: int) -> bytes | None:
        first = 2 * (address - self._base)
        if first < 0 or first + 2 * count > len(image):
            return None
        return image[first : first + 2 * count]

    def _draw(self, values: Mapping[str, float]) -> bytes:
        chain = _MARKER + _frame_model(1, _write_common(self._serial))
        for model in self._models:
            if model == 160:
                chain += _frame_model(160, _write_strings(values))
                continue
            points = _MODELS[model]
            chain += _frame_model(model, b"".join(write_point(one, values) for one in points))
        return chain + _END


def points_of(models: Sequence[int]) -> dict[str, Point]:
    """What a device with these models tells, by quantity."""
    points = [point for model in models for point in _MODELS.get(model, ())]
    if 160 in models:
        points += [one for n in range(1, N_STRINGS + 1) for one in _string_points(n)]
    return {point.quantity: point for point in points if point.quantity}


def write_point(point: Point, values: Mapping[str, float]) -> bytes:
    """The registers of one point; what does not fit stays at the bound.

    >>> write_point(Point("uint16", "voltage_v", -1), {"voltage_v": 230.1}).hex()
    '08fd'
    """
    if point.kind == "sunssf":
        return struct.pack(">h", point.exponent)
    value = values.get(point.quantity, math.nan) * point.factor
    if math.isnan(value):
        return _NOT_THERE[point.kind]
    if point.kind == "float32":
        return struct.pack(">f", value)
    number = round(value / 10.0**point.exponent)
    if point.kind == "acc32":
        return (number % (1 << 32)).to_bytes(4, "big")
    low, high = _BOUNDS[point.kind]
    width = len(_NOT_THERE[point.kind])
    return max(low, min(number, high)).to_bytes(width, "big", signed=low < 0)


def _frame_model(number: int, body: bytes) -> bytes:
    return struct.pack(">HH", number, len(body) // 2) + body


def _write_common(serial: str) -> bytes:
    texts = (("Wattscope", 16), ("Virtual", 16), ("", 8), ("1", 8), (serial, 16))
    words = b"".join(text.encode().ljust(2 * size, b"\0") for text, size in texts)
    return words + b"\0\1" + _NOT_THERE["pad"]


def _string_points(number: int) -> list[Point]:
    return [
        Point("uint16", f"dc_current_s{number}_a", -2),
        Point("uint16", f"dc_voltage_s{number}_v", -1),
        Point("uint16", f"dc_power_s{number}_w"),
        *(Point(kind) for kind in ("acc32", "uint32", "int16", "enum16", "bitfield32")),
    ]


def _write_strings(values: Mapping[str, float]) -> bytes:
    """Model 160: one module for each string of panels."""
    body = b"".join(write_point(one, values) for one in _MODEL_160_HEAD)
    body += struct.pack(">HH", N_STRINGS, 0xFFFF)
    for number in range(1, N_STRINGS + 1):
        body += struct.pack(">H", number) + f"String {number}".encode().ljust(16, b"\0")
        body += b"".join(write_point(one, values) for one in _string_points(number))
    return body
