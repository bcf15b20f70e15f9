"""A process that appends readings of a farm for ever, and notes what the log confirmed.

``python -m tests.chaos.kafka_writer SERVER PREFIX FIRST_SERIES LEDGER [early]``

A line of the ledger is the instant of an append that returned. With ``early`` the line is written
before the append, as a source would that acknowledges too early: tests must notice.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.kafka_followed import QUANTITY
from wattscope.core.errors import TransientError
from wattscope.core.reading import build_batch
from wattscope.logs.kafka.kafka_log import KafkaLog
from wattscope.logs.kafka.options import KafkaOptions
from wattscope.logs.kafka.reading_json import SeriesName

N_PANELS = 50


def write_for_ever(
    options: KafkaOptions, first_series: int, ledger: Path, *, is_early: bool
) -> None:
    """Append, again and again the same until it is confirmed, as the way in does."""
    log = KafkaLog(
        options,
        lambda number: SeriesName("farm", f"panel-{number}", QUANTITY),
        now_us=lambda: time.time_ns() // 1000,
    )
    t = len(ledger.read_bytes().splitlines()) if ledger.exists() else 0
    # Unbuffered: what was written survives SIGKILL.
    with ledger.open("ab", buffering=0) as lines:
        while True:
            batch = build_batch([(first_series + n, t, float(t), 0) for n in range(N_PANELS)])
            if is_early:
                lines.write(b"%d\n" % t)
                time.sleep(0.05)
            while True:
                try:
                    log.append(batch)
                except TransientError:
                    continue
                break
            if not is_early:
                lines.write(b"%d\n" % t)
            t += 1


def main(arguments: list[str]) -> None:
    server, prefix, first_series, ledger, *more = arguments
    options = KafkaOptions(
        (server,), prefix, f"ingest-{first_series}", partitions=4, replication=1, timeout_s=60.0
    )
    write_for_ever(options, int(first_series), Path(ledger), is_early=more == ["early"])


if __name__ == "__main__":
    main(sys.argv[1:])
