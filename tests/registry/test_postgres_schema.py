"""Tables on a server are those of their version, and are told apart from those of a file."""

from __future__ import annotations

import hashlib

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from wattscope.registry.postgres_schema import POSTGRES_VERSION, REGISTRY_TABLES, metadata

FINGERPRINTS = {1: "1884e3ede343c1b8"}
"""By version. Whoever changes a table raises ``POSTGRES_VERSION``, says in ``_bring_up`` how older
tables become new ones, and adds a line here."""


def test_tables_are_those_of_their_version() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types here
    digest = hashlib.sha256()
    for table in (*REGISTRY_TABLES, *metadata.sorted_tables):
        digest.update(str(CreateTable(table).compile(dialect=dialect)).encode())
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            digest.update(str(CreateIndex(index).compile(dialect=dialect)).encode())
    assert digest.hexdigest()[:16] == FINGERPRINTS[POSTGRES_VERSION]
    assert max(FINGERPRINTS) == POSTGRES_VERSION
