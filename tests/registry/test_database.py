from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from wattscope.core.errors import StorageError
from wattscope.core.topology import Site
from wattscope.registry.database import Database
from wattscope.registry.schema import SCHEMA_VERSION
from wattscope.registry.sql_registry import SqlRegistry


@pytest.mark.parametrize("name", ["plain", "with space", "a#b", "what?mode=memory", "50%25", "ü"])
def test_file_lies_where_its_path_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "registry.sqlite"
    path.parent.mkdir()
    database = Database(path)
    SqlRegistry(database).put_site(Site("home", "Home", "UTC"))
    database.close()
    assert path.stat().st_size > 0
    again = Database(path, is_read_only=True)
    assert [site.id for site in SqlRegistry(again).list_sites()] == ["home"]
    again.close()


def test_commits_are_synced_to_disk(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.sqlite")
    with database.begin() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        # 2 is FULL: fsync at each commit.
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    database.close()


def test_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    database = Database(path)
    with database.begin() as connection:
        connection.execute(text(f"UPDATE schema_version SET version = {SCHEMA_VERSION + 1}"))
        connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION + 1}"))
    database.close()
    with pytest.raises(StorageError, match="use the newer program"):
        Database(path)


def test_file_that_is_no_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StorageError, match="restore it from a backup"):
        Database(path)


def test_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    Database(path).close()
    reader = Database(path, is_read_only=True)
    with pytest.raises(Exception, match="readonly"):  # whatever the driver raises
        SqlRegistry(reader).put_site(Site("x", "X", "UTC"))
    assert SqlRegistry(reader).list_sites() == []
    reader.close()
