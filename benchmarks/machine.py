"""What processes cost: CPU time and memory, read from ``/proc`` (Linux only)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def list_tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(folder.name)] = int(_read_fields(int(folder.name))[1])
    tree = [root]
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def find_children(root: int, name: str) -> list[int]:
    """Children of a process that run a program of this name."""
    found = []
    for pid in list_tree(root):
        with contextlib.suppress(OSError):
            if (_PROC / str(pid) / "comm").read_text().strip() == name:
                found.append(pid)
    return found


def find_postmaster(backend: int) -> tuple[int, ...]:
    """The root of the PostgreSQL that a backend of this id belongs to; none on another machine."""
    with contextlib.suppress(OSError):
        if (_PROC / str(backend) / "comm").read_text().strip() == "postgres":
            return (int(_read_fields(backend)[1]),)
    return ()


def read_cpu_s(root: int) -> float:
    """CPU time that a process tree has used, with children that have ended [s]."""
    ticks = 0
    for pid in list_tree(root):
        with contextlib.suppress(OSError):
            # proc(5): utime, stime, cutime, cstime are the fields 14 to 17.
            ticks += sum(map(int, _read_fields(pid)[11:15]))
    return ticks / _TICKS_PER_S


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds [MB of 10^6 bytes]."""

    rss_mb: float
    """All pages in memory, shared ones in full."""
    pss_mb: float
    """Shared pages divided by the number of processes that share them."""
    peak_mb: float
    """The highest RSS since its start."""


def read_memory(pid: int) -> Memory:
    """Memory of one process now."""
    rollup = _read_kilobytes(_PROC / str(pid) / "smaps_rollup", ("Rss", "Pss"))
    peak = _read_kilobytes(_PROC / str(pid) / "status", ("VmHWM",))
    scale = 1024 / 1e6
    return Memory(rollup["Rss"] * scale, rollup["Pss"] * scale, peak["VmHWM"] * scale)


class CpuWatch:
    """CPU time of named process trees over a stretch, and the share of everybody else."""

    def __init__(self, trees: Mapping[str, Iterable[int]]) -> None:
        """Begin.

        Args:
            trees: Roots of the process trees by name; together with this process they are "us".
        """
        self._trees = {name: tuple(roots) for name, roots in trees.items()}
        self._started = self._read()
        self._machine = _read_machine()

    def read_used_s(self) -> dict[str, float]:
        """CPU time by name since the beginning [s]."""
        now = self._read()
        return {name: now[name] - self._started[name] for name in now}

    def read_foreign_share(self) -> float:
        """Share of all CPU time since the beginning that went to processes not named here."""
        busy, total = _read_machine()
        used_s = sum(self.read_used_s().values())
        foreign = (busy - self._machine[0]) / _TICKS_PER_S - used_s
        return max(0.0, foreign * _TICKS_PER_S / max(1, total - self._machine[1]))

    def _read(self) -> dict[str, float]:
        used = {name: sum(map(read_cpu_s, roots)) for name, roots in self._trees.items()}
        # A caller whose servers come and go names its own tree "this process".
        return {"this process": sum(os.times()[:2])} | used


def _read_fields(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the third on: a name may hold blanks and brackets."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _read_kilobytes(file: Path, names: tuple[str, ...]) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().splitlines())
    return {words[0][:-1]: int(words[1]) for words in lines if words[0][:-1] in names}


def _read_machine() -> tuple[int, int]:
    """Busy ticks and all ticks of the machine since its start."""
    # proc(5): user, nice, system, idle, iowait, irq, softirq, steal.
    ticks = list(map(int, (_PROC / "stat").read_text().splitlines()[0].split()[1:9]))
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
