"""Meter books on both databases, each test with one of its own, and their edits from outside."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.servers import POSTGRES_BIN

SEED_TABLES = """
CREATE TABLE energy_meters(
  id int PRIMARY KEY, host varchar(64) NOT NULL, port int NOT NULL, slave_address int NOT NULL,
  type varchar(32) NOT NULL, description varchar(64) NOT NULL);
CREATE TABLE registers(
  type varchar(32) NOT NULL, register_address int NOT NULL, measurement_name varchar(64) NOT NULL,
  data_unit varchar(8), data_type int CHECK (data_type >= 1 AND data_type <= 3),
  function_code int CHECK (function_code >= 3 AND function_code <= 4),
  word_order int CHECK (word_order >= 1 AND word_order <= 2),
  byte_order int CHECK (byte_order >= 1 AND byte_order <= 2));
"""
SEED_METER = (
    "INSERT INTO energy_meters VALUES({id}, '192.168.1.113', 502, {id}, 'sdm630', 'example');"
)
SEED_REGISTERS = """
INSERT INTO registers VALUES('sdm630', 0, 'voltageL1', 'V', 3, 4);
INSERT INTO registers VALUES('sdm630', 52, 'activePower', 'W', 3, 4);
"""
_numbers = itertools.count()


def make_postgres_database(server: str) -> str:
    """The URL of a fresh database on a server that tests share."""
    name = f"book_{os.getpid()}_{next(_numbers)}"
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.rpartition("/")[0] + f"/{name}"


def psql(url: str, statements: str) -> str:
    """What ``psql`` prints; it stops at the first error."""
    program = POSTGRES_BIN / "psql"
    if not program.exists():
        pytest.skip("psql is not installed (apt install postgresql-client)")
    done = subprocess.run(
        [program, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", url],
        input=statements,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_sqlite_elsewhere(path: Path, statements: str) -> None:
    """Run statements in a process of its own, in one transaction."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=5); c.executescript("
    code += "'BEGIN;' + sys.argv[2] + ';COMMIT'); c.close()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), statements],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def edit(where: str | Path, statements: str) -> None:
    """Change tables as somebody else does, on either database."""
    if isinstance(where, Path):
        run_sqlite_elsewhere(where, statements)
    else:
        psql(where, statements)
