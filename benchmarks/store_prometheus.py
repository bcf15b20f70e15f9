"""Blocks of Prometheus 2.42 (what Debian ships), for their size alone.

``promtool tsdb create-blocks-from openmetrics`` is the documented way to bring the past into
Prometheus. Blocks may span a year instead of two hours, as a server makes them in the end by
compaction: promtool reads the whole text once for each block. Questions are not asked:
VictoriaMetrics answers the same language, and it is the newer and faster of the two.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.store_disk import count_folder_bytes
from benchmarks.store_questions import Prepared, Question
from benchmarks.store_servers import require_program, write_text
from benchmarks.store_sets import MeasuredSet


@dataclass
class OpenedPrometheus:
    """An empty folder for blocks."""

    program: str
    folder: Path

    def load(self, prepared: Prepared) -> None:
        command = [self.program, "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        command += ["--max-block-duration=8760h", str(prepared.file), str(self.folder / "blocks")]
        subprocess.run(command, check=True, capture_output=True)

    def settle(self) -> None:
        """Nothing goes on behind the scenes."""

    def count_bytes(self) -> int:
        return count_folder_bytes(self.folder / "blocks")

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:  # noqa: ARG002  # none
        return {}


class PrometheusSubject:
    """Blocks of Prometheus."""

    name = "Prometheus 2.42 blocks"
    durability = "blocks synced by promtool; only sizes count, reading text is most of its load"
    n_loads = 1
    is_slow = False
    left_out: tuple[str, ...] = ("year", "many")

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:
        lines = [
            f"""SELECT '{one.name}{{meter="' || meter || '"}} ' || {one.name} || ' '
                || epoch_ms(ts) / 1000 FROM measured"""
            for one in measured.columns
        ]
        file = folder / "openmetrics.txt"
        write_text(measured, " UNION ALL ".join([*lines, "SELECT '# EOF'"]), file)
        return Prepared(measured, file)

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedPrometheus]:
        yield OpenedPrometheus(require_program("promtool", "prometheus"), folder)
