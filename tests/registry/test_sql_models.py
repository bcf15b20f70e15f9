"""Models in the registry are those of files: the same bytes, believed as little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import update

from tests.compute.isolation_forest.model_cases import make_model
from tests.registry.registries import fresh_options
from wattscope.compute.isolation_forest.model_file import encode_model
from wattscope.core.errors import StorageError
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_schema import models
from wattscope.registry.sql_models import SqlModelShelf

pytestmark = pytest.mark.integration


@pytest.fixture
def database(postgres: str) -> Iterator[PostgresDatabase]:
    with fresh_options(postgres) as options, closing(PostgresDatabase(options)) as made:
        yield made


@pytest.fixture
def shelf(database: PostgresDatabase) -> SqlModelShelf:
    return SqlModelShelf(database)


def test_models_come_back_to_every_process(
    shelf: SqlModelShelf, database: PostgresDatabase
) -> None:
    for name in ("panel", "inverter"):
        shelf.write(make_model(device_class=name))
    models, refused = SqlModelShelf(database).read_all()
    assert (sorted(models), refused) == (["inverter", "panel"], ())
    assert encode_model(models["panel"]) == encode_model(make_model())
    assert shelf.list_classes() == ["inverter", "panel"]


def test_model_that_is_not_there_is_refused_with_what_to_do(shelf: SqlModelShelf) -> None:
    assert shelf.read_all() == ({}, ())
    assert shelf.stamp() == ()
    with pytest.raises(StorageError, match=r"does not exist.*wattscope train --class panel"):
        shelf.read("panel")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no model file"),
        (encode_model(make_model())[:-9] + b"123456789", "is damaged: its checksum does not fit"),
        (encode_model(make_model()), "is a model of panel"),
    ],
    ids=["empty", "damaged", "of another class"],
)
def test_model_that_cannot_be_believed_is_refused_and_the_others_are_used(
    shelf: SqlModelShelf, database: PostgresDatabase, content: bytes, reason: str
) -> None:
    for name in ("panel", "inverter"):
        shelf.write(make_model(device_class=name))
    with database.begin() as connection:
        connection.execute(
            update(models).where(models.c.device_class == "inverter").values(content=content)
        )
    found, [refused] = shelf.read_all()
    assert list(found) == ["panel"]
    assert refused.reason == reason
    with pytest.raises(StorageError, match=reason):
        shelf.read("inverter")


def test_new_model_changes_the_stamp_even_if_it_is_as_long(shelf: SqlModelShelf) -> None:
    shelf.write(make_model(n_trees=2))
    before = shelf.stamp()
    assert shelf.stamp() == before
    shelf.write(make_model(n_trees=2))
    assert shelf.stamp() != before
    shelf.write(make_model(n_trees=3))
    assert shelf.read("panel").forest.n_trees == 3
