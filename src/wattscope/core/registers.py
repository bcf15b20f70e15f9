"""Registers of Modbus devices: where a value lies, how it is written, and what it measures.

::

    RegisterMap   what one type of device has          (a file in profiles/, or rows in SQL)
      Register    one value: function, address, type, order, scale, quantity

Addresses are those on the wire, from 0 (Modbus Application Protocol 1.1b3, section 4.4): the
number 40001 of many manuals is holding register 0, 30001 is input register 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wattscope.core.topology import DeviceKind

MAX_ADDRESS = 0xFFFF
MAX_BLOCK = 125
"""Registers in one reply at most (Modbus Application Protocol 1.1b3, section 6.3)."""


class RegisterType(Enum):
    """How the bits of a value are read."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    """IEEE 754, single precision."""
    FLOAT64 = "float64"
    """IEEE 754, double precision."""

    @property
    def n_registers(self) -> int:
        """Registers of 16 bits that a value takes."""
        return int(self.value[-2:]) // 16

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point number."""
        return self.value.startswith("float")


class ByteOrder(Enum):
    """In which order the bytes of a value come, named by where those of 0xABCD stand.

    Values of 64 bits follow the same rule over four registers.
    """

    ABCD = "ABCD"
    """Most significant register first, as the standard has each register: most devices."""
    CDAB = "CDAB"
    """Least significant register first ("word swap")."""
    BADC = "BADC"
    """Most significant register first, the bytes within each turned round."""
    DCBA = "DCBA"
    """All bytes turned round ("little endian")."""


@dataclass(frozen=True, slots=True)
class Register:
    """One value of a device: ``base = raw * factor + offset``."""

    quantity: str
    """Name that ``find_quantity`` knows."""
    function: int
    """3: holding registers, 4: input registers."""
    address: int
    """First register, 0 to 65535."""
    type: RegisterType
    order: ByteOrder = ByteOrder.ABCD
    factor: float = 1.0
    """To the base unit of the quantity; 0.1 means that the raw integer counts tenths."""
    offset: float = 0.0
    """[base unit], added after the factor."""
    missing: tuple[int, ...] = ()
    """Bit patterns that stand for "no value", as unsigned integers of the value's width."""
    poll: str | None = None
    """Poll group; None: that of the device."""

    @property
    def end(self) -> int:
        """First address after the value."""
        return self.address + self.type.n_registers


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """What one type of device has to tell."""

    name: str
    """The device type, as ``energy_meters.type`` names it."""
    title: str
    """Words for a screen."""
    registers: tuple[Register, ...]
    """Each quantity once."""
    kind: DeviceKind = DeviceKind.METER
    is_production: bool = False
    """Whether what it counts is generated rather than used."""
    rollover_wh: float | None = None
    """At what its registers of energy begin again at zero [Wh]; None when they never do."""
    max_block: int = MAX_BLOCK
    """Registers that the device gives in one reply, at most 125."""
    is_sunspec: bool = False
    """Whether the registers are found at the device itself, from its chain of SunSpec models."""
