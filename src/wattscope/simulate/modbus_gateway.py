"""What a virtual unit, or a gateway with several, answers to a request: rightly, or as told to err.

It knows neither sockets nor time: ``modbus_server.py`` and ``modbus_serial.py`` send what is
answered here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from wattscope.core.fleet import Framing
from wattscope.core.registers import MAX_BLOCK
from wattscope.simulate.modbus_bank import Bank
from wattscope.simulate.modbus_exchange import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    NO_TARGET,
    Exchange,
)
from wattscope.simulate.modbus_faults import (
    FAULTS,
    Chance,
    FaultMix,
    Layer,
    Step,
)
from wattscope.simulate.modbus_line import LineClock

LATE_S: Final = 3.0
"""How late a late reply is [s]."""


@dataclass(slots=True)
class VirtualUnit:
    """One meter; its misbehaviour may be changed while it is served."""

    bank: Bank
    faults: FaultMix | None = None
    n_requests: int = 0
    """Requests that reached it."""
    n_spoilt: int = 0
    """Of those, the ones that met a fault."""
    frozen_us: int | None = None
    """Instant whose registers it repeats; None while it tells those of now."""


@dataclass(slots=True)
class VirtualGateway:
    """Units behind one port or serial line."""

    units: Mapping[int, VirtualUnit]
    """By unit identifier."""
    framing: Framing
    """TCP, RTU over TCP, or RTU."""
    line: LineClock | None = None
    """The RS-485 line behind it; None answers at once."""
    late_s: float = LATE_S
    now_us: Callable[[], int] = lambda: time.time_ns() // 1000
    _chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311  # noise

    def answer(self, exchange: Exchange, previous: Exchange | None) -> tuple[Step, ...]:
        """What is to be sent for a request.

        Args:
            exchange: The request.
            previous: The one before it on the same connection.
        """
        unit = self.units.get(exchange.unit)
        if unit is None:
            if self.framing is Framing.TCP:
                return (exchange.wrap(exchange.refuse(NO_TARGET)),)
            return ()
        unit.n_requests += 1
        fault = None if unit.faults is None else unit.faults.draw(self.framing)
        if fault is None:
            unit.frozen_us = None
            return (exchange.wrap(self._reply(unit, exchange)),)
        unit.n_spoilt += 1
        return self._spoil(fault, unit, exchange, previous)

    def is_closed_at_once(self) -> bool:
        """Whether a connection that was just accepted is closed again."""
        return any(one.faults and one.faults.is_closed_at_once() for one in self.units.values())

    def is_refusing(self) -> bool:
        """Whether a unit wants the port closed for as long as it has this fault."""
        return any(
            one.faults and one.faults.rates.get("refused", 0.0) >= 1 for one in self.units.values()
        )

    def _reply(self, unit: VirtualUnit, exchange: Exchange, at_us: int | None = None) -> bytes:
        """The PDU of a right answer as of an instant [µs]."""
        span = exchange.span
        if span is None:
            is_cut = exchange.function in {3, 4}
            return exchange.refuse(ILLEGAL_VALUE if is_cut else ILLEGAL_FUNCTION)
        address, count = span
        if not 1 <= count <= MAX_BLOCK:
            return exchange.refuse(ILLEGAL_VALUE)
        instant_us = self.now_us() if at_us is None else at_us
        registers = unit.bank.read(exchange.function, address, count, instant_us)
        if registers is None:
            return exchange.refuse(ILLEGAL_ADDRESS)
        return exchange.tell(registers)

    def _spoil(
        self, fault: str, unit: VirtualUnit, exchange: Exchange, previous: Exchange | None
    ) -> tuple[Step, ...]:
        kind = FAULTS[fault]
        if kind.layer is Layer.REGISTERS:
            return (exchange.wrap(self._misread(fault, unit, exchange)),)
        right = self._reply(unit, exchange)
        if kind.spoil is None:
            return (exchange.wrap(right),)
        return kind.spoil(exchange, Chance(self._chance, self.late_s, previous, right))

    def _misread(self, fault: str, unit: VirtualUnit, exchange: Exchange) -> bytes:
        """The PDU of a right frame with wrong registers in it."""
        if fault == "stale" and unit.frozen_us is None:
            unit.frozen_us = self.now_us()
        at_us = unit.frozen_us if fault == "stale" else None
        right = self._reply(unit, exchange, at_us)
        if exchange.span is None or right[0] != exchange.function or fault == "stale":
            return right
        registers = right[2:]
        if fault == "zeros":
            return exchange.tell(bytes(len(registers)))
        if fault == "swapped":
            return exchange.tell(_swap_words(registers))
        nothing = unit.bank.read_unavailable(exchange.function, *exchange.span)
        return exchange.tell(nothing or registers)


def _swap_words(registers: bytes) -> bytes:
    """Each pair of registers in the other order.

    >>> _swap_words(bytes.fromhex("aabbccdd1122")).hex()
    'ccddaabb1122'
    """
    pairs = [registers[at : at + 4] for at in range(0, len(registers), 4)]
    return b"".join(pair[2:] + pair[:2] for pair in pairs)
