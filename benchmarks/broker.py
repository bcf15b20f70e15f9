"""The broker of all subjects: Mosquitto, with nothing on disk and no bound."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers import (
    LOOPBACK,
    MosquittoServer,
    ServerMissingError,
    find_free_port,
    find_program,
)

# With persistence the broker's disk would be measured; with its default of 20 messages under way
# a group commit of 10 ms would be a ceiling of 2,000 readings/s; with its default of 1,000 queued
# messages it would drop what a subscriber cannot take at once.
CONFIGURATION = """\
listener {port} {host}
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
user {user}
"""
SETTINGS_IN_WORDS = "persistence off, max_inflight_messages 0, max_queued_messages 0"


@contextlib.contextmanager
def run_broker() -> Iterator[MosquittoServer]:
    """A Mosquitto in a temporary folder until the end of the block."""
    if find_program("mosquitto") is None:
        raise ServerMissingError("Mosquitto is not installed (apt install mosquitto)")
    with tempfile.TemporaryDirectory(prefix="wattscope-bench-") as name:
        folder = Path(name)
        server = MosquittoServer(f"mqtt://{LOOPBACK}:{find_free_port()}", folder)
        user = pwd.getpwuid(os.geteuid()).pw_name
        text = CONFIGURATION.format(port=server.port, host=LOOPBACK, user=user)
        (folder / "mosquitto.conf").write_text(text, encoding="utf-8")
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGKILL)
