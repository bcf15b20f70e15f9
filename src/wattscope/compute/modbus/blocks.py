"""Read plans: which registers of a device are read together.

A request costs its own bytes, the reply's overhead and the device's turn-around before any
register is told, so registers are read in few large blocks, across gaps that nobody asked for
where that is cheaper. What a device refuses is split until the refusing range is known, and then
left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from wattscope.compute.modbus.frames import ReadRequest
from wattscope.core.registers import MAX_BLOCK, Register

OVERHEAD_CHARS: Final = 20
"""Characters of one more request: 8 of the request, 5 around the reply, two gaps of 3.5."""
DEFAULT_GAP: Final = 10
"""Registers of a gap worth reading while nothing was measured: the break-even without
turn-around, 20 characters at two a register."""


@dataclass(frozen=True, slots=True)
class LineCost:
    """What requests cost on a line, as measured."""

    char_s: float
    """Time of one character on the wire [s]; 0 where the wire costs nothing that can be seen."""
    turn_around_s: float
    """Time of a request beyond its characters [s]."""

    @property
    def worthwhile_gap(self) -> int:
        """The longest gap that is read rather than spanned by a second request [registers]."""
        if self.char_s <= 0:
            return MAX_BLOCK
        return int((OVERHEAD_CHARS * self.char_s + self.turn_around_s) / (2 * self.char_s))


@dataclass(frozen=True, slots=True)
class Span:
    """Registers ``[start, end)`` of one function."""

    function: int
    start: int
    end: int

    def overlaps(self, other: Span) -> bool:
        """Whether both share a register."""
        is_same = self.function == other.function
        return is_same and self.start < other.end and other.start < self.end


@dataclass(slots=True)
class Refusals:
    """What a device does not give, learned from its refusals.

    A refused block is cut at its middle value, and each half is asked for by itself the next time.
    A value that is refused alone does not exist there: it is left out, no block spans it any
    more, and the cuts that led to it are taken back.
    """

    cuts: set[tuple[int, int]] = field(default_factory=set)
    """Function and address at which a block ends and the next one begins."""
    absent: list[Span] = field(default_factory=list)
    """Values that the device refuses."""

    def learn(self, request: ReadRequest, registers: Iterable[Register]) -> None:
        """Remember that a request was refused.

        Args:
            request: What was asked.
            registers: All registers that are wanted of the device.
        """
        span = Span(request.function, request.address, request.address + request.count)
        starts = sorted(
            {r.address for r in registers if Span(r.function, r.address, r.end).overlaps(span)}
        )
        cut = (span.function, starts[len(starts) // 2]) if len(starts) > 1 else None
        # A cut within a value that others overlap cannot make its block smaller.
        if cut is not None and cut not in self.cuts:
            self.cuts.add(cut)
            return
        self.absent.append(span)
        self.cuts = {cut for cut in self.cuts if cut[0] != span.function}

    def join(self) -> None:
        """Take back all cuts: what was refused for a moment is asked for as a whole again."""
        self.cuts.clear()

    def is_absent(self, register: Register) -> bool:
        """Whether the device is known not to have a register."""
        own = Span(register.function, register.address, register.end)
        return any(own.overlaps(span) for span in self.absent)

    def forbids(self, span: Span) -> bool:
        """Whether a block over a span would hold what was refused."""
        return any(
            function == span.function and span.start < address < span.end
            for function, address in self.cuts
        ) or any(span.overlaps(absent) for absent in self.absent)


def plan_blocks(
    registers: Iterable[Register],
    unit: int,
    *,
    max_block: int = MAX_BLOCK,
    max_gap: int = DEFAULT_GAP,
    refusals: Refusals | None = None,
) -> tuple[ReadRequest, ...]:
    """The requests that read all registers, in order of function and address.

    Always: no value is split between two requests, for its halves could be of two instants.
    Never: a block is longer than ``max_block``, spans a gap of more than ``max_gap`` registers,
    or holds what the device refuses.

    Args:
        registers: What is wanted, in any order.
        unit: Unit identifier, 0 to 255.
        max_block: Registers in one reply at most.
        max_gap: Registers between two wanted ones that are read along.
        refusals: What the device is known not to give.
    """
    known = refusals or Refusals()
    wanted = sorted({(r.function, r.address, r.end) for r in registers if not known.is_absent(r)})
    requests: list[ReadRequest] = []
    start = end = function = -1
    for one_function, one_start, one_end in wanted:
        is_near = one_function == function and one_start - end <= max_gap
        new_end = max(end, one_end)
        if (
            is_near
            and new_end - start <= max_block
            and not known.forbids(Span(function, start, new_end))
        ):
            end = new_end
            continue
        if function >= 0:
            requests.append(ReadRequest(unit, function, start, end - start))
        function, start, end = one_function, one_start, one_end
    if function >= 0:
        requests.append(ReadRequest(unit, function, start, end - start))
    return tuple(requests)
