"""Who may write samples over HTTP, and where they go."""

from __future__ import annotations

from collections.abc import Sequence

from wattscope.assembly.feeds import Feed
from wattscope.assembly.line_desk import read_guarded_login
from wattscope.settings import Settings
from wattscope.sources.remote_writes import RemoteWrites
from wattscope.web.remote_desk import RemoteDesk


def build_remote_desk(settings: Settings, feeds: Sequence[Feed]) -> RemoteDesk | None:
    """The desk over the source that a Prometheus writes to; None where there is none.

    Raises:
        SettingsError: A secret cannot be read, or others could write without one.
    """
    source = next((one for one in settings.sources if one.type == "remote_write"), None)
    writes = next((one.source for one in feeds if isinstance(one.source, RemoteWrites)), None)
    if source is None or writes is None:
        return None
    return RemoteDesk(writes, read_guarded_login(settings, source))
