"""What processes say of themselves is there for the others, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import update

from tests.registry.registries import fresh_options
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_schema import processes
from wattscope.registry.process_book import FORGOTTEN_AFTER_US, ProcessBook

pytestmark = pytest.mark.integration


@pytest.fixture
def database(postgres: str) -> Iterator[PostgresDatabase]:
    with fresh_options(postgres) as options, closing(PostgresDatabase(options)) as made:
        yield made


def test_processes_tell_of_themselves_and_are_forgotten(database: PostgresDatabase) -> None:
    book = ProcessBook(database)
    book.tell("store", "b", {"waiting": []})
    book.tell("store", "a", {"waiting": ["kafka"]})
    book.tell("ingest", "a", {"n": 1})
    book.tell("ingest", "a", {"n": 2})
    found = ProcessBook(database).list_all()
    assert [(one.role, one.name, one.content) for one in found] == [
        ("ingest", "a", {"n": 2}),
        ("store", "a", {"waiting": ["kafka"]}),
        ("store", "b", {"waiting": []}),
    ]
    assert all(0 <= one.age_s < 600 for one in found)
    book.forget("store", "b")
    # One that was killed is seen to be silent, and after a day it was taken away.
    silent = processes.c.role == "store"
    for past_us, n_left in ((FORGOTTEN_AFTER_US - 600_000_000, 2), (FORGOTTEN_AFTER_US + 1, 1)):
        with database.begin() as connection:
            told = processes.c.told_at_us - past_us
            connection.execute(update(processes).where(silent).values(told_at_us=told))
        book.tell("ingest", "a", {"n": 3})
        ages = {one.name: one.age_s for one in book.list_all() if one.role == "store"}
        assert all(age > 3600 for age in ages.values())
        assert len(book.list_all()) == n_left
