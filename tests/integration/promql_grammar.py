"""Makes questions in PromQL, the same ones for the same seed: all that docs/prometheus.md lists.

Left out on purpose, for two right answers may differ there: jumps (``floor`` of a quotient, which
the last bit decides), ``topk`` among equals, and differences of what is equal but for rounding.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

GAUGES = (
    "wattscope_active_power_watts",
    "wattscope_phase_active_power_watts",
    "wattscope_voltage_volts",
    "wattscope_temperature_celsius",
    "wattscope_state_of_charge_ratio",
)
STEADY = "wattscope_energy_export_joules_total"
"""It is never reset, and never near zero."""
COUNTERS = ("wattscope_energy_import_joules_total", STEADY)
_OVER_TIME = ("avg", "min", "max", "sum", "count", "last", "present")
_RANGES = ("1m", "90s", "5m", "10m", "15m30s", "1h")
_OFFSETS = ("", "", "", " offset 5m", " offset 17s", " offset -2m", " offset 1h")
_ARITHMETIC = ("+", "-", "*", "/")
_COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
_NUMBERS = ("2", "0.5", "230", "-1", "1e3", "0")


@dataclass
class Grammar:
    """Questions of one seed."""

    seed: int
    devices: tuple[str, ...]
    own_name: str = ""
    """A name without labels, beside the others; empty: none."""
    counters: tuple[str, ...] = COUNTERS
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def question(self) -> str:
        """One question."""
        return self.scalar(3) if self.chance.random() < 0.25 else self.vector(3)

    def pick(self, *words: str) -> str:
        return self.chance.choice(words)

    def one_of(self, *makers: Callable[[], str]) -> str:
        return self.chance.choice(makers)()

    def scalar(self, depth: int) -> str:
        if depth <= 0 or self.chance.random() < 0.5:
            return self.pick(*_NUMBERS, "time()")
        return self.one_of(
            *[
                lambda: f"scalar(sum({self.selector(GAUGES)}))",
                lambda: f"({self.scalar(depth - 1)} + {self.scalar(depth - 1)})",
                lambda: f"({self.scalar(depth - 1)} > bool {self.scalar(depth - 1)})",
                lambda: f"-{self.pick(*_NUMBERS[:3])}",
                lambda: f"{self.pick(*_NUMBERS)} ^ 2",
            ]
        )

    def vector(self, depth: int) -> str:
        if depth <= 0 or self.chance.random() < 0.15:
            return self.leaf()
        return self.one_of(
            *[
                self.leaf,
                lambda: self.aggregate(depth),
                lambda: self.aggregate(depth),
                lambda: self.with_scalar(depth),
                lambda: self.with_vector(depth),
                lambda: self.of_set(depth),
                lambda: self.function(depth),
            ]
        )

    def matchers(self) -> str:
        device = self.chance.choice(self.devices)
        some = "|".join(self.chance.sample(self.devices, 2))
        every = "|".join(self.devices)
        always = f'device=~"{every}"'
        return self.pick(
            always,
            always,
            always,
            f'device="{device}"',
            f'{always},device!="{device}"',
            f'device=~"{some}"',
            f'{always},device!~"{device[0]}.*"',
            f'{always},site="north"',
            f'{always},phase=""',
            f'{always},phase!=""',
            f'{always},phase=~"l[12]|x.+"',
            f'{always},site=~"s.{{2}}th",phase!~"l3|"',
        )

    def selector(self, names: tuple[str, ...], suffix: str = "") -> str:
        name = self.chance.choice(names)
        offset = self.pick(*_OFFSETS)
        if self.own_name and self.chance.random() < 0.05:
            return f"{self.own_name}{suffix}{offset}"
        if self.chance.random() < 0.05:
            return f'{{__name__="{name}",{self.matchers()}}}{suffix}{offset}'
        if self.chance.random() < 0.03 and not suffix:
            return f'{{__name__=~"wattscope_(active_power|voltage)_.+",{self.matchers()}}}{offset}'
        return f"{name}{{{self.matchers()}}}{suffix}{offset}"

    def leaf(self) -> str:
        span = f"[{self.pick(*_RANGES)}]"
        return self.one_of(
            *[
                lambda: self.selector(GAUGES + COUNTERS),
                lambda: f"irate({self.selector(self.counters, span)})",
                lambda: f"rate({self.selector(self.counters, span)})",
                lambda: f"increase({self.selector(self.counters, span)})",
                lambda: f"{self.pick('delta', 'idelta')}({self.selector(GAUGES, span)})",
                lambda: f"{self.pick('changes', 'resets')}({self.selector(self.counters, span)})",
                lambda: self.over_time(GAUGES, span),
                lambda: self.over_time(COUNTERS, span),
            ]
        )

    def over_time(self, names: tuple[str, ...], span: str) -> str:
        return f"{self.pick(*_OVER_TIME)}_over_time({self.selector(names, span)})"

    def aggregate(self, depth: int) -> str:
        by = self.pick(
            "", "by (device)", "by (site)", "by (phase, site)", "without (device)", "without ()"
        )
        if self.chance.random() < 0.2:
            selector = self.selector(GAUGES[:3])
            return f"{self.pick('topk', 'bottomk')} {by} ({self.pick('1', '2', '0')}, {selector})"
        name = self.pick("sum", "avg", "min", "max", "count", "group")
        return f"{name} {by} ({self.vector(depth - 1)})"

    def with_scalar(self, depth: int) -> str:
        operator = self.pick(*_ARITHMETIC, *_COMPARISONS, "% ", "^")
        vector = f"({self.vector(depth - 1)})"
        if operator in _COMPARISONS:
            operator += self.pick("", " bool")
        if operator in {"% ", "^"}:
            return f"{self.selector(GAUGES)} {operator} 2"
        sides = [vector, f"({self.scalar(1)})"]
        self.chance.shuffle(sides)
        return f" {operator} ".join(sides)

    def with_vector(self, depth: int) -> str:
        operator = self.pick(*_ARITHMETIC, *_COMPARISONS)
        if operator in _COMPARISONS:
            operator += self.pick("", " bool")
        if self.chance.random() < 0.4:
            matching = self.pick("", "ignoring (phase)", "on (device)", "on (device, site)")
            left, right = self.selector(GAUGES), self.selector(GAUGES)
            return f"{left} {operator} {matching} {right}"
        if self.chance.random() < 0.4:
            many = self.selector((GAUGES[1],))
            one = f"max by (device, site) ({self.selector((GAUGES[0],))})"
            include = self.pick("", "(site)")
            if self.chance.random() < 0.5:
                return f"{many} {operator} on (device) group_left {include} {one}"
            return f"{one} {operator} on (device) group_right {include} {many}"
        left = f"max by (device) ({self.vector(depth - 1)})"
        right = f"sum by (device) ({self.leaf()})"
        return f"{left} {operator} {self.pick('', 'on (device)', 'ignoring (site)')} {right}"

    def of_set(self, depth: int) -> str:
        operator = self.pick("and", "or", "unless")
        matching = self.pick("", "on (device)", "ignoring (phase)", "on ()")
        filtered = f"{self.selector(GAUGES)} > {self.pick(*_NUMBERS)}"
        return f"({self.vector(depth - 1)}) {operator} {matching} ({filtered})"

    def function(self, depth: int) -> str:
        inner = self.vector(depth - 1)
        selector = self.selector(GAUGES)
        return self.pick(
            f"abs({inner})",
            f"-({inner})",
            f"clamp({inner}, -10, {self.pick(*_NUMBERS)})",
            f"clamp_min({inner}, {self.scalar(1)})",
            f"clamp_max({inner}, 100)",
            f"ceil({selector})",
            f"floor({selector})",
            f"round({selector}, {self.pick('0.5', '5', '2')})",
            f"round({selector})",
            f"sgn({selector})",
            f"sqrt(abs({inner}))",
            f"ln(abs({inner}) + 1)",
            f"absent({selector})",
            f"vector({self.scalar(1)})",
            f"sort_desc({selector})",
        )
