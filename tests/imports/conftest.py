"""The real household, imported once for all tests that look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.invocation import Outcome, invoke
from tests.web.applications import Application, open_application

MINUTES = "household_minute_2006-12-16_2007-01-19.csv.gz"
DAYS = "household_daily_sums.csv.gz"
# Four years at one row a day: in chunks of a day that would be a file for each row.
_WEEKLY_CHUNKS = '[storage]\nchunk = "1w"\n'


@dataclass(frozen=True, slots=True)
class Imported:
    """A data folder with a file in it."""

    data: Path
    file: Path
    profile: str
    summary: str

    def again(self) -> Outcome:
        """Import the same file once more."""
        return invoke("import", self.file, "--profile", self.profile, "--data", self.data)


def _import(data: Path, file: Path, profile: str, *more: str | Path) -> Imported:
    outcome = invoke("import", file, "--profile", profile, "--data", data, *more)
    assert outcome.status == 0, outcome.err
    return Imported(data, file, profile, outcome.out)


@pytest.fixture(scope="session")
def minutes(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """The minutes of the UCI household."""
    data = tmp_path_factory.mktemp("minutes")
    return _import(data, shared_data / "household-uci" / MINUTES, "uci-household")


@pytest.fixture(scope="session")
def days(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """The published daily sums of the UCI household."""
    data = tmp_path_factory.mktemp("days")
    settings = data / "weekly.toml"
    settings.write_text(_WEEKLY_CHUNKS, encoding="utf-8")
    file = shared_data / "household-uci" / DAYS
    return _import(data, file, "uci-household-sums", "-c", settings)


@pytest.fixture
def minutes_api(minutes: Imported) -> Iterator[Application]:
    """The application over the minutes."""
    with open_application(minutes.data) as application:
        yield application


@pytest.fixture
def days_api(days: Imported) -> Iterator[Application]:
    """The application over the daily sums."""
    with open_application(days.data) as application:
        yield application
