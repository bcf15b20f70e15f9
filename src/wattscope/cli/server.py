"""The HTTP server of a process: where it listens, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import webbrowser
from collections.abc import Iterator

import typer
import uvicorn
from starlette.types import ASGIApp

from wattscope.broker import is_port_taken
from wattscope.core.errors import SettingsError
from wattscope.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_exposure(host: str, *, is_allowed: bool) -> None:
    """Refuse to show everything to everybody on a network.

    Raises:
        SettingsError: Another host than loopback without the flag.
    """
    if host not in LOOPBACK and not is_allowed:
        raise SettingsError(
            f"host {host} can be reached by others and there are no accounts yet; stay on "
            "127.0.0.1, or add --expose-without-login if everybody who can reach it may see all"
        )


def check_port(settings: Settings) -> None:
    """Refuse a port on which something listens already.

    Raises:
        SettingsError: It is taken.
    """
    host, port = settings.server.host, settings.server.port
    if is_taken(host, port):
        raise SettingsError(f"port {port} on {host} is taken; choose another with --port")


def is_taken(host: str, port: int) -> bool:
    return is_port_taken("127.0.0.1" if host == "0.0.0.0" else host, port)  # noqa: S104  # compared, not bound


def build_server(app: ASGIApp, host: str, port: int) -> Server:
    """A server of an ASGI application, not started yet."""
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="asyncio",
            log_level="warning",
            access_log=False,
            lifespan="off",
            # Live streams never end by themselves.
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=64 * 1024,
        )
    )


class Server(uvicorn.Server):
    """uvicorn without its own signal handling, which ends in a trace at Ctrl-C."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to ``stop_on_signals``."""
        yield

    def stop_on_signals(self) -> None:
        """End at Ctrl-C or SIGTERM; a second one does not wait for open streams."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


async def announce(server: uvicorn.Server, host: str, port: int, *, browser: bool) -> None:
    """Print the address once it answers, and open it where asked."""
    while not server.started:  # noqa: ASYNC110  # uvicorn tells its start by an attribute only
        await asyncio.sleep(0.02)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}/"
    typer.echo(f"Wattscope is at {url} (Ctrl-C ends it)")
    if browser:
        with contextlib.suppress(webbrowser.Error):
            await asyncio.to_thread(webbrowser.open, url)
