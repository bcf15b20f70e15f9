"""Places where a store in PostgreSQL is kept."""

from __future__ import annotations

import pytest

from tests.stores.opened import Opener, find_opener


@pytest.fixture(params=["postgres", "timescale", "timescale_apache"])
def opener(request: pytest.FixtureRequest) -> Opener:
    """A new place on each kind of server."""
    return find_opener(request)


@pytest.fixture
def plain(request: pytest.FixtureRequest) -> Opener:
    """A place on plain PostgreSQL, where the server makes no difference."""
    return find_opener(request, "postgres")
