"""A process that follows the log as a store does: durable in a file, then committed.

``python -m tests.chaos.kafka_reader SERVER PREFIX OUTPUT [early]``

A line of the output is series and instant of a value. With ``early`` the commit comes before the
line, as in a store that loses what it was given: tests must notice.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.kafka_followed import find_series, keys_of
from wattscope.core.errors import TransientError
from wattscope.logs.kafka.kafka_follower import KafkaFollower
from wattscope.logs.kafka.options import KafkaOptions


def read_for_ever(options: KafkaOptions, output: Path, *, is_early: bool) -> None:
    """Poll, write, commit; faults that pass are waited for."""
    follower = KafkaFollower(
        options, f"{options.prefix}store", find_series, max_messages=200, session_timeout_s=6.0
    )
    with output.open("ab", buffering=0) as lines:
        while True:
            try:
                record = follower.poll(0.2)
                if record is None:
                    continue
                if is_early:
                    follower.commit()
                    time.sleep(0.05)
                keys = keys_of(record.batch)
                lines.write(b"".join(b"%d %d\n" % key for key in keys))
                follower.commit()
            except TransientError:
                continue


def main(arguments: list[str]) -> None:
    server, prefix, output, *more = arguments
    options = KafkaOptions((server,), prefix, partitions=4, replication=1, timeout_s=60.0)
    read_for_ever(options, Path(output), is_early=more == ["early"])


if __name__ == "__main__":
    main(sys.argv[1:])
