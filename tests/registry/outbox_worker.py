"""A process that delivers: ``outbox_worker.py`` with its order as JSON.

It says ``ready``, waits for a line, then prints the id of each message that it sends. It ends when
nothing is due any more, or dies without a word while it sends its ``dies_at``-th.
"""

# ruff: noqa: T201 - it tells its parent

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace

from wattscope.core.alerting import DeliveryState
from wattscope.registry.outbox import SqlOutbox
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_link import PostgresOptions


def main(url: str, schema: str, now_us: int, dies_at: int) -> None:
    outbox = SqlOutbox(PostgresDatabase(PostgresOptions(url, schema=schema)))
    outbox.take_back("mail")
    print("ready", flush=True)
    sys.stdin.readline()
    n_sent = 0
    while due := outbox.list_due("mail", now_us, 20):
        for one in due:
            sending = outbox.begin_sending(one)
            if sending is None:
                continue
            n_sent += 1
            print(one.notice.id, flush=True)
            if n_sent == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            outbox.note(replace(sending, state=DeliveryState.DELIVERED, delivered_at_us=now_us))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
