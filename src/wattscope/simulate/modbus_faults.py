"""The ways in which meters and gateways misbehave, so that a reader can be shown each of them.

Each fault is a row of ``FAULTS``. Whatever a faulty answer carries as registers is made of
``POISON`` bytes, so that a test can prove that none of it was stored; the faults that no client can
tell carry what their row says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from wattscope.compute.modbus.values import decode_value
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Framing
from wattscope.core.registers import RegisterMap
from wattscope.simulate.modbus_exchange import Exchange

POISON: Final = 0xDB
"""Every byte of a wrong answer's registers: far from what any meter tells, in every byte order."""
DRIP_S: Final = 0.02
"""Distance of the bytes of a slow reply [s], at least."""


class Ending(Enum):
    """What a fault does to the connection."""

    CLOSE = "close"
    RESET = "reset"
    """RST: the other side loses what it has not read yet."""
    HANG = "hang"
    """Nothing is ever answered on this connection again."""
    REFUSE = "refuse"
    """The port is closed for a while, and with it all connections."""


Step = bytes | float | Ending
"""What is sent, or for how long nothing is [s], or how the connection ends."""


class Layer(Enum):
    """Where a fault happens."""

    REGISTERS = "registers"
    """The frame is right, what it holds is not."""
    FRAME = "frame"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Chance:
    """What faults may draw on."""

    random: random.Random
    late_s: float
    """How long a late reply takes [s]: longer than readers wait."""
    previous: Exchange | None
    """The request before this one on the same connection."""
    right: bytes
    """The PDU of the right answer."""


Spoil = Callable[[Exchange, Chance], tuple[Step, ...]]

_ALL: Final = frozenset({Framing.TCP, Framing.RTU_OVER_TCP, Framing.RTU})
_TCP: Final = frozenset({Framing.TCP})
_STREAMS: Final = frozenset({Framing.TCP, Framing.RTU_OVER_TCP})
_WITH_CRC: Final = frozenset({Framing.RTU_OVER_TCP, Framing.RTU})


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One way to misbehave."""

    words: str
    """What it does."""
    layer: Layer
    spoil: Spoil | None = None
    """What is sent instead; None where it is not done for each request by itself."""
    framings: frozenset[Framing] = _ALL
    """Where it can happen."""
    told_on: frozenset[Framing] = _ALL
    """Where a correct client can tell that it got no answer; empty: nowhere."""


def _poisoned(exchange: Exchange, *, more: int = 0) -> bytes:
    """The PDU of a reply that holds nothing but poison."""
    count = exchange.span[1] if exchange.span else 1
    return exchange.tell(bytes([POISON]) * max(0, 2 * (count + more)))


def _drip(exchange: Exchange, chance: Chance) -> tuple[Step, ...]:
    frame = exchange.wrap(_poisoned(exchange))
    pause_s = max(DRIP_S, chance.late_s / len(frame))
    return tuple(step for byte in frame for step in (pause_s, bytes((byte,))))


def _garbage(_exchange: Exchange, chance: Chance) -> tuple[Step, ...]:
    noise = bytearray(chance.random.randbytes(chance.random.randint(9, 64)))
    noise[2] |= 0x80  # never protocol 0
    return (bytes(noise),)


def _previous(_exchange: Exchange, chance: Chance) -> tuple[Step, ...]:
    before = chance.previous
    if before is None:
        return ()
    return (before.wrap(_poisoned(before)),)


def _glue(exchange: Exchange, chance: Chance) -> tuple[Step, ...]:
    """The right reply, and in the same packet one that nobody asked for."""
    return (exchange.wrap(chance.right) + exchange.wrap(_poisoned(exchange)),)


def _reset(exchange: Exchange, _chance: Chance) -> tuple[Step, ...]:
    frame = exchange.wrap(_poisoned(exchange))
    return (frame[: max(1, len(frame) // 2)], 0.005, Ending.RESET)


def _bad_crc(exchange: Exchange, _chance: Chance) -> tuple[Step, ...]:
    frame = bytearray(exchange.wrap(_poisoned(exchange)))
    frame[-1] ^= 0xFF
    return (bytes(frame),)


def _refusing(code: int) -> FaultKind:
    return FaultKind(
        f"exception {code}",
        Layer.FRAME,
        lambda exchange, _: (exchange.wrap(exchange.refuse(code)),),
    )


def _wrapped(
    words: str, wrap: Callable[[Exchange], bytes], framings: frozenset[Framing] = _ALL
) -> FaultKind:
    """A frame that is wrong in one place."""
    return FaultKind(words, Layer.FRAME, lambda exchange, _: (wrap(exchange),), framings)


FAULTS: Final[Mapping[str, FaultKind]] = {
    "silent": FaultKind("no answer to the request", Layer.FRAME, lambda _e, _c: ()),
    "half_open": FaultKind(
        "the connection stays, and nothing is answered on it any more",
        Layer.CONNECTION,
        lambda _e, _c: (Ending.HANG,),
        _STREAMS,
    ),
    "slow": FaultKind(
        "one byte each 20 ms or slower, until it is too late", Layer.FRAME, _drip, told_on=_TCP
    ),
    "late": FaultKind(
        "the reply comes when nobody waits for it any more",
        Layer.FRAME,
        lambda exchange, chance: (chance.late_s, exchange.wrap(_poisoned(exchange))),
        told_on=_TCP,
    ),
    "garbage": FaultKind("9 to 64 bytes of noise", Layer.FRAME, _garbage),
    "wrong_transaction": _wrapped(
        "another transaction id",
        lambda e: e.wrap(_poisoned(e), transaction=e.transaction ^ 0x5555),
        _TCP,
    ),
    "old_transaction": _wrapped(
        "the transaction id of the request before",
        lambda e: e.wrap(_poisoned(e), transaction=(e.transaction - 1) & 0xFFFF),
        _TCP,
    ),
    "zero_transaction": _wrapped(
        "transaction id 0", lambda e: e.wrap(_poisoned(e), transaction=0), _TCP
    ),
    "wrong_protocol": _wrapped(
        "another protocol id than 0", lambda e: e.wrap(_poisoned(e), protocol=0x1234), _TCP
    ),
    "wrong_unit": _wrapped(
        "the unit id of a neighbour", lambda e: e.wrap(_poisoned(e), unit=(e.unit + 1) & 0xFF)
    ),
    "wrong_function": _wrapped(
        "the other reading function",
        lambda e: e.wrap(bytes((e.function ^ 7,)) + _poisoned(e)[1:]),
    ),
    "too_few": _wrapped("one register less", lambda e: e.wrap(_poisoned(e, more=-1))),
    "too_many": _wrapped("one register more", lambda e: e.wrap(_poisoned(e, more=1))),
    "length_60000": _wrapped(
        "a header that announces 60,000 bytes",
        lambda e: e.wrap(_poisoned(e), length=60_000),
        _TCP,
    ),
    "length_0": _wrapped(
        "a header that announces 0 bytes", lambda e: e.wrap(_poisoned(e), length=0), _TCP
    ),
    "bad_crc": FaultKind("a wrong checksum", Layer.FRAME, _bad_crc, _WITH_CRC),
    **{f"exception_{code}": _refusing(code) for code in (1, 2, 3, 4, 5, 6, 8, 10, 11)},
    "previous": FaultKind("the reply to the request before", Layer.FRAME, _previous, told_on=_TCP),
    "glued": FaultKind("the right reply with a second, wrong one behind it", Layer.FRAME, _glue),
    "reset": FaultKind("half a reply, then RST", Layer.CONNECTION, _reset, _STREAMS),
    "accept_close": FaultKind(
        "connections are accepted and closed at once", Layer.CONNECTION, None, _STREAMS
    ),
    "refused": FaultKind(
        "the port is closed for 2 s, and with it all connections",
        Layer.CONNECTION,
        lambda _e, _c: (Ending.REFUSE,),
        _STREAMS,
    ),
    "stale": FaultKind(
        "the registers of the moment in which the fault began",
        Layer.REGISTERS,
        told_on=frozenset(),
    ),
    "swapped": FaultKind(
        "the words of each pair of registers in the other order",
        Layer.REGISTERS,
        told_on=frozenset(),
    ),
    "unavailable": FaultKind(
        "the patterns for no value (NaN, 0x8000, 0xFFFF)",
        Layer.REGISTERS,
        told_on=frozenset(),
    ),
    "zeros": FaultKind("zeros, as after a restart", Layer.REGISTERS, told_on=frozenset()),
}
"""Name to what it does."""


@dataclass(frozen=True, slots=True)
class FaultMix:
    """How often a unit misbehaves, and how."""

    rates: Mapping[str, float]
    """Fault to the share of requests that meet it, 0 to 1; together at most 1."""
    seed: int = 0
    random: random.Random = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        faults = [
            f"fault {name!r} is unknown; there are {', '.join(FAULTS)}"
            for name in self.rates
            if name not in FAULTS
        ]
        if not all(0 < rate <= 1 for rate in self.rates.values()) or self.total > 1 + 1e-9:
            faults.append("fault rates must be above 0, and together at most 1")
        if faults:
            raise SettingsError(faults)
        chance = random.Random(self.seed)  # noqa: S311  # reproducible on purpose, protects nothing
        object.__setattr__(self, "random", chance)

    @property
    def total(self) -> float:
        """Share of requests that meet any fault."""
        return sum(self.rates.values())

    def draw(self, framing: Framing) -> str | None:
        """The fault of the next request; None for a right answer."""
        mark = self.random.random()
        for name, rate in self.rates.items():
            mark -= rate
            if mark < 0:
                kind = FAULTS[name]
                is_drawn_here = name != "accept_close" and framing in kind.framings
                return name if is_drawn_here else None
        return None

    def is_closed_at_once(self) -> bool:
        """Whether the next connection is closed as soon as it is accepted."""
        rate = self.rates.get("accept_close", 0.0)
        return rate > 0 and self.random.random() < rate


def parse_faults(
    words: Iterable[str], framing: Framing = Framing.TCP, *, seed: int = 0
) -> FaultMix | None:
    """The mix that options such as ``bad_crc:0.1`` tell; without a rate it is 1.

    ``any`` stands for all faults in equal parts, ``told`` for those that a client can tell.

    Args:
        words: As a person writes them.
        framing: Of the meter, for the mixtures.
        seed: Another number, other moments.

    Returns:
        None without any.

    Raises:
        SettingsError: An unknown fault, or rates that cannot be.

    >>> parse_faults(["silent:0.25", "wrong_unit:0.5"]).rates
    {'silent': 0.25, 'wrong_unit': 0.5}
    """
    rates: dict[str, float] = {}
    for word in words:
        name, _, rate_text = word.partition(":")
        try:
            rate = float(rate_text or 1)
        except ValueError:
            raise SettingsError([f"fault {word!r}: {rate_text!r} is no rate; write 0.1"]) from None
        names = [name]
        if name in {"any", "told"}:
            names = list_faults(framing, is_told=name == "told")
        for one in names:
            rates[one] = rates.get(one, 0.0) + rate / len(names)
    return FaultMix(rates, seed) if rates else None


def list_faults(framing: Framing, *, is_told: bool = False) -> list[str]:
    """Faults that can happen with a framing, or only those that a client can tell there."""
    return [
        name
        for name, kind in FAULTS.items()
        if framing in kind.framings and (not is_told or framing in kind.told_on)
    ]


def poison_values(register_map: RegisterMap) -> dict[str, float]:
    """What a reader would make of the registers of a wrong answer, if it believed one."""
    return {
        one.quantity: decode_value(bytes([POISON]) * 2 * one.type.n_registers, one)
        for one in register_map.registers
    }
