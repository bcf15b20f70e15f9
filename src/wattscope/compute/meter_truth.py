"""Whether what a meter says can be true: its values against each other, and against its parent's.

Values that a meter gives at one instant have to fit. Each check tolerates what two classes of
meters and the time between two readings explain; what is beyond is a contradiction, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PHASES = ("l1", "l2", "l3")
_SUM_SHARE, _SUM_W = 0.05, 20.0
"""Three phases are read one after the other: while a load changes they do not add up."""
_APPARENT_SHARE, _APPARENT_W = 0.10, 50.0
_DEAD_SHARE = 0.5
"""A phase below this share of the highest one is dead or its fuse is blown."""
_ALIVE_V = 50.0
_REST_SHARE, _REST_ABSOLUTE = 0.05, 20.0


def find_contradictions(values: Mapping[str, float]) -> list[str]:
    """What cannot be true of values of one meter at one instant, each in words.

    Args:
        values: By name of quantity, in base units; what the meter does not tell is absent.
    """
    checks = (_check_phase_sum, _check_dead_phase, _check_apparent_power)
    return [words for check in checks for words in [check(values)] if words is not None]


def _of_phases(values: Mapping[str, float], stem: str, unit: str) -> list[float] | None:
    found = [values.get(f"{stem}_{phase}_{unit}") for phase in PHASES]
    known = [one for one in found if one is not None]
    return known if len(known) == len(PHASES) else None


def _check_phase_sum(values: Mapping[str, float]) -> str | None:
    phases, total = _of_phases(values, "active_power", "w"), values.get("active_power_w")
    if phases is None or total is None:
        return None
    apart = abs(sum(phases) - total)
    if apart <= max(_SUM_W, _SUM_SHARE * sum(map(abs, phases))):
        return None
    return f"its phases make {sum(phases):.0f} W, it says {total:.0f} W"


def _check_dead_phase(values: Mapping[str, float]) -> str | None:
    phases = _of_phases(values, "voltage", "v")
    if phases is None or max(phases) < _ALIVE_V:
        return None
    dead = [
        f"{phase.upper()} ({volts:.0f} V)"
        for phase, volts in zip(PHASES, phases, strict=True)
        if volts < _DEAD_SHARE * max(phases)
    ]
    return f"no voltage on {' and '.join(dead)}" if dead else None


def _check_apparent_power(values: Mapping[str, float]) -> str | None:
    """No load takes more active power than voltage times current."""
    for phase in PHASES:
        names = (f"active_power_{phase}_w", f"voltage_{phase}_v", f"current_{phase}_a")
        power, volts, amperes = (values.get(name) for name in names)
        if power is None or volts is None or amperes is None:
            continue
        most = abs(volts * amperes)
        if abs(power) > most + max(_APPARENT_W, _APPARENT_SHARE * most):
            return (
                f"{phase.upper()} says {power:.0f} W, "
                f"but {volts:.0f} V and {amperes:.1f} A allow {most:.0f} W"
            )
    return None


@dataclass(frozen=True, slots=True)
class Remainder:
    """A meter against the meters right below it."""

    whole: float
    parts: float
    """What is below it uses, less what is below it makes."""

    @property
    def rest(self) -> float:
        """What no sub-meter saw; negative where they say more than the meter above them."""
        return self.whole - self.parts

    @property
    def is_contradiction(self) -> bool:
        """Whether the sub-meters say more than classes and instants of the meters explain."""
        scale = max(abs(self.whole), abs(self.parts))
        return self.rest < -max(_REST_ABSOLUTE, _REST_SHARE * scale)


def find_remainder(
    whole: float | None, parts: Sequence[float | None], *, is_producer: Sequence[bool]
) -> Remainder | None:
    """The rest of a meter after its sub-meters; None where one of them is unknown.

    Args:
        whole: What the meter above says.
        parts: What each meter right below it says, power or energy.
        is_producer: Whether what it counts is generated, for each of them.
    """
    known = [one for one in parts if one is not None]
    if whole is None or len(known) != len(parts) or not parts:
        return None
    signs = [-1.0 if makes else 1.0 for makes in is_producer]
    return Remainder(whole, sum(s * one for s, one in zip(signs, known, strict=True)))
