"""A TimescaleDB for tests: a database of our own on the server that a variable names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

TIMESCALE_VARIABLE = "WATTSCOPE_TEST_TIMESCALE"


@contextmanager
def run_timescale(licence: str) -> Iterator[str]:
    """A database of our own on the TimescaleDB that its variable names, and its URL.

    Skips where there is none, or where its licence is less than the asked one.
    """
    server = os.environ.get(TIMESCALE_VARIABLE)
    if not server:
        pytest.skip(f"{TIMESCALE_VARIABLE} names no server")
    name = f"wattscope_{licence}_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
        connection.execute(drop)
        connection.execute(f"CREATE DATABASE {name}")
        try:
            url = re.sub(r"/[^/]*$", f"/{name}", server)
            with psycopg.connect(url, autocommit=True) as database:
                database.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
                found = database.execute("SHOW timescaledb.license").fetchone()
                if licence == "timescale" and found != (licence,):
                    pytest.skip("the server has the Apache edition, which cannot do that")
            if found != (licence,):
                choose = f"ALTER DATABASE {name} SET timescaledb.license = '{licence}'"
                connection.execute(choose)
            yield url
        finally:
            connection.execute(drop)
