"""``run --role``: one process of a cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wattscope.assembly.program import keep_memory_small
from wattscope.assembly.roles import RoleProcess
from wattscope.cli.server import LOOPBACK, announce, build_server, check_exposure, check_port
from wattscope.core.errors import SettingsError
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import ROLES, Settings
from wattscope.web.role_gate import RoleGate


def serve_role(
    settings: Settings,
    data: Path,
    library: ProfileLibrary,
    *,
    role: str,
    name: str,
    expose: bool,
) -> None:
    """Run one role until it is stopped.

    Args:
        settings: Name the servers that the processes share.
        data: Folder of this process alone; made when missing.
        library: Profiles of devices.
        role: One of ``ROLES``.
        name: Of this process among those of its role.
        expose: Whether everybody who can reach it may ask.

    Raises:
        SettingsError: No such role, or a server is not named.
    """
    if role not in ROLES:
        raise SettingsError(f"role {role!r} is unknown; valid are {', '.join(ROLES)}")
    shared = {
        "storage.url": settings.storage.url,
        "log.url": settings.log.url,
        "live.url": settings.live.url,
    }
    missing = [key for key, url in shared.items() if url is None]
    if missing:
        raise SettingsError(
            f"{', '.join(missing)}: a process with a role needs it; see docs/cluster.md"
        )
    keep_memory_small()
    host, port = settings.server.host, settings.server.port
    check_exposure(host, is_allowed=expose)
    check_port(settings)
    data.mkdir(parents=True, exist_ok=True)
    allowed = ("*",) if expose else (*LOOPBACK, host)
    process = RoleProcess(role, name, settings, data, library, allowed)
    gate = RoleGate(process.describe, process.list_waiting, allowed)
    server = build_server(gate, host, port)

    async def serve() -> None:
        server.stop_on_signals()
        telling = asyncio.create_task(announce(server, host, port, browser=False))
        try:
            await server.serve()
        finally:
            telling.cancel()

    asyncio.run(process.run(serve, gate.show))
