"""What the route of remote write is given: where samples go, and who may write."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from wattscope.compute.remote_write.requests import Edition
from wattscope.web.write_desk import BadItem, Login, OpenRequest


class SampleReceipt(Protocol):
    """What became of a request."""

    @property
    def n_samples(self) -> int:
        """How many were taken, or left out because no profile knows them."""
        ...

    @property
    def bad(self) -> Sequence[BadItem]: ...


class RemoteWrites(Protocol):
    """Takes requests."""

    def open_request(self) -> AbstractContextManager[OpenRequest]: ...

    # `opened` is what `open_request` gave, whose class is the source's.
    async def take(self, packed: bytes, edition: Edition, opened: Any) -> SampleReceipt: ...  # noqa: ANN401


@dataclass(frozen=True, slots=True)
class RemoteDesk:
    """Where samples are written."""

    writes: RemoteWrites
    login: Login
