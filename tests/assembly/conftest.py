"""A data folder and databases to which it is moved, for tests of moving."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assembly.installations import fresh_database, move
from tests.faults.workload import T0_US
from tests.registry.test_alert_book import ALERT, DELIVERY, INCIDENT, RULE
from tests.stores.backup_cases import fill, opened
from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.incident_book import SqlIncidentBook


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as a killed process leaves it; never changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        data = fill(tmp_path_factory.mktemp("written"))
        with opened(data) as storage:
            book = AlertBook(storage.database)
            book.put_rule(RULE)
            book.write([(ALERT, [DELIVERY])])
            SqlIncidentBook(storage.database).put_all([INCIDENT], 300)
            step = CounterDecision(2, T0_US + US_PER_HOUR, StepKind.SWAP, 12.5, 5)
            storage.registry.decisions.put(step)
            storage.store.flush = lambda: storage.store.covered_offset  # type: ignore[method-assign]  # for the closing one
        return data


@pytest.fixture
def data(written: Path, tmp_path: Path) -> Path:
    """The folder, to be changed."""
    return shutil.copytree(written, tmp_path / "data")


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of an empty database."""
    with fresh_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def moved_once(written: Path, postgres: str) -> Iterator[str]:
    """The URL of a database to which the folder was moved; never changed."""
    with fresh_database(postgres) as url:
        move(written, url)
        yield url


@pytest.fixture
def moved(moved_once: str, postgres: str) -> Iterator[str]:
    """The same, to be changed."""
    with fresh_database(postgres, template=moved_once) as url:
        yield url
