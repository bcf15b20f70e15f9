"""A process that shares work: ``share_worker.py`` with its order as JSON.

After each round it prints what it holds, each with the instant until which it does so. It ends in
order when its input ends.
"""

# ruff: noqa: T201 - it tells its parent

from __future__ import annotations

import json
import sys
import threading

from wattscope.core.errors import TransientError
from wattscope.registry.poll_leases import LeaseOptions, PollLeases, steady_s
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_link import PostgresOptions


def main(url: str, schema: str, holder: str, lease_s: float, names: list[str]) -> None:
    database = PostgresDatabase(PostgresOptions(url, schema=schema))
    options = LeaseOptions(lease_s=lease_s, margin_s=lease_s / 6)
    leases = PollLeases(database, holder, options)
    is_ended = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        is_ended.set()

    threading.Thread(target=listen, daemon=True).start()
    while not is_ended.is_set():
        try:
            leases.share(names)
        except TransientError as fault:
            print(fault, file=sys.stderr)
        # As of now: a process that was stopped meanwhile holds nothing.
        now_s = steady_s()
        held = {name: end_s for name, end_s in leases._until_s.items() if now_s < end_s}
        print(json.dumps({"at_s": now_s, "held": held}), flush=True)
        is_ended.wait(options.round_s)
    print(json.dumps({"at_s": steady_s(), "held": {}}), flush=True)
    leases.close()
    database.close()


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
