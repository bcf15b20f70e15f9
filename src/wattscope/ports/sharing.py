"""What processes share: names, and work."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from wattscope.core.topology import Device, Series, Site


class Registry(Protocol):
    """Sites, devices and series by name, shared by every role.

    Always: a series id, once given, means the same (device, quantity) for ever, and is durable
    before it is returned.
    """

    def list_sites(self) -> list[Site]: ...

    def list_devices(self) -> list[Device]: ...

    def put_site(self, site: Site) -> None: ...

    def put_device(self, device: Device) -> None: ...

    def find_series(self, device: str, quantity: str) -> int | None:
        """The id, or None when nothing of that kind was ever stored."""
        ...

    def ensure_series(self, device: str, quantity: str) -> int:
        """The id, newly given when there was none."""
        ...

    def list_series(self) -> list[Series]: ...


class WorkShare(Protocol):
    """Which pieces of work are this process's, such as gateways to poll; thread-safe.

    Always: what ``holds`` says yes to is nobody else's at that instant, and for some seconds more.
    Never: a process keeps what it has not asked for again in time.
    Not guaranteed: that somebody holds a name at every instant; after a death there is a pause.
    """

    def share(self, names: Collection[str]) -> frozenset[str]:
        """Keep, take and give up; to be called in time, for others take over what is not kept.

        Args:
            names: All that is to be shared out. On what is left out, this process works no more
                when it calls this.

        Returns:
            What is ours now.

        Raises:
            TransientError: Nobody can be asked; what is held ends at its time.
        """
        ...

    def holds(self, name: str) -> bool:
        """Whether work on it may begin now; asks nobody and does not wait."""
        ...

    def list_held(self) -> frozenset[str]:
        """All on which work may begin now."""
        ...

    def release(self, names: Collection[str]) -> None:
        """Give up; no work on these goes on when this is called."""
        ...

    def close(self) -> None:
        """Give up everything, for good; no work goes on when this is called."""
        ...
