"""A TimescaleDB for tests: a database of our own on the server that a variable names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

TIMESCALE_VARIABLE = "WATTSCOPE_TEST_TIMESCALE"
APACHE_VARIABLE = "WATTSCOPE_TEST_TIMESCALE_APACHE"
"""Likewise a server with ``timescaledb.license = apache`` in its settings."""


@contextmanager
def run_timescale(licence: str) -> Iterator[str]:
    """A database of our own on the TimescaleDB that its variable names, and its URL.

    A server keeps the licence that it was started with, so the Apache edition has a variable of its
    own. Skips where there is no server, or where it has another licence than the asked one.
    """
    variable = APACHE_VARIABLE if licence == "apache" else TIMESCALE_VARIABLE
    server = os.environ.get(variable)
    if not server:
        pytest.skip(f"{variable} names no server")
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
            if found != (licence,):
                pytest.skip(f"the server of {variable} has the licence {found}, not {licence}")
            yield url
        finally:
            connection.execute(drop)
