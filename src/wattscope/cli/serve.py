"""Commands that run until they are stopped: ``demo`` and ``run``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvicorn
from fastapi import FastAPI

from wattscope.assembly.health import build_services
from wattscope.assembly.program import Program, keep_memory_small, with_ports
from wattscope.assembly.simulation import choose_meter_ports, move_meter_ports
from wattscope.assembly.storage import open_storage
from wattscope.broker import find_free_port, is_port_taken
from wattscope.cli.beside import run_simulator, simulate_past
from wattscope.cli.options import (
    DEFAULT_DATA,
    DataOption,
    ExposeOption,
    HostOption,
    MqttPortOption,
    PortOption,
    SettingsOption,
    configure_logging,
    find_profiles,
    read_recipe,
    read_settings,
)
from wattscope.core.errors import SettingsError, WattscopeError
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import PrometheusSettings, Settings
from wattscope.web.app import create_app, create_metrics_app

LOOPBACK = ("127.0.0.1", "localhost", "::1")

DemoDataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Data folder; left out, one for each recipe.",
        envvar="WATTSCOPE_DATA",
    ),
]


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command()(demo)
    app.command()(run)


def demo(
    recipe: Annotated[str, typer.Argument(help="home, solar, modbus, grid or heatpump")] = "home",
    data: DemoDataOption = None,
    host: HostOption = None,
    port: PortOption = None,
    mqtt_port: MqttPortOption = None,
    history: Annotated[str, typer.Option(help="Simulated past, such as 14d; 0d for none.")] = "14d",
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    expose_without_login: ExposeOption = False,
) -> None:
    """Show a recipe with simulated meters: broker, simulator and page in one."""
    configure_logging()
    settings = read_recipe(recipe)
    if settings.broker.embedded:
        mqtt_port = mqtt_port or _choose_mqtt_port(settings.broker.port)
    settings = with_ports(settings, host=host, port=port, mqtt_port=mqtt_port)
    moved = choose_meter_ports(settings)
    for old, new in moved.items():
        typer.echo(f"port {old} of a simulated meter is taken; the demo uses {new}")
    settings = move_meter_ports(settings, moved)
    check_exposure(settings.server.host, is_allowed=expose_without_login)
    _check_port(settings)
    settings = _choose_metrics_port(settings)
    # One for each recipe: in a shared one the page of a home would open on the site of a heat pump.
    data = data or Path(DEFAULT_DATA) / f"demo-{recipe}"
    simulate_past(recipe, data, history)
    words = ["--url", f"mqtt://{settings.broker.host}:{settings.broker.port}"]
    words += [word for old, new in moved.items() for word in ("--use-port", f"{old}={new}")]
    _serve(
        settings,
        data,
        ProfileLibrary(),
        expose=expose_without_login,
        browser=browser,
        beside=partial(run_simulator, recipe, words),
    )


def run(
    settings_file: SettingsOption = None,
    data: DataOption = Path(DEFAULT_DATA),
    host: HostOption = None,
    port: PortOption = None,
    mqtt_port: MqttPortOption = None,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = False,
    expose_without_login: ExposeOption = False,
) -> None:
    """Read the meters of a settings file, keep and show them, until it is stopped."""
    configure_logging()
    settings = with_ports(read_settings(settings_file), host=host, port=port, mqtt_port=mqtt_port)
    _serve(
        settings,
        data,
        find_profiles(settings_file),
        expose=expose_without_login,
        browser=browser,
    )


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


def _check_port(settings: Settings) -> None:
    """Refuse a port on which something listens already.

    Raises:
        SettingsError: It is taken.
    """
    host, port = settings.server.host, settings.server.port
    if _is_taken(host, port):
        raise SettingsError(f"port {port} on {host} is taken; choose another with --port")


def _check_metrics_port(own: PrometheusSettings, *, expose: bool) -> None:
    """Refuse a port for Prometheus that others can reach, or that is taken.

    Raises:
        SettingsError: It is.
    """
    if own.port is None:
        return
    check_exposure(own.host, is_allowed=expose)
    if _is_taken(own.host, own.port):
        raise SettingsError(
            f"prometheus.port: port {own.port} on {own.host} is taken (Prometheus' node exporter "
            "uses 9100 too); set another, and the same in prometheus.yml"
        )


def _is_taken(host: str, port: int) -> bool:
    return is_port_taken("127.0.0.1" if host == "0.0.0.0" else host, port)  # noqa: S104  # compared, not bound


def _choose_metrics_port(settings: Settings) -> Settings:
    """Settings of a demo with a port for Prometheus that is free, if they have one."""
    own = settings.prometheus
    if own.port is None or not _is_taken(own.host, own.port):
        return settings
    chosen = find_free_port("127.0.0.1")
    typer.echo(f"port {own.port} for Prometheus is taken; the demo uses {chosen}")
    own = msgspec.structs.replace(own, port=chosen)
    return msgspec.structs.replace(settings, prometheus=own)


def _choose_mqtt_port(wanted: int) -> int:
    if not is_port_taken("127.0.0.1", wanted):
        return wanted
    chosen = find_free_port("127.0.0.1")
    typer.echo(f"MQTT port {wanted} is taken; the demo's broker uses {chosen} (see --mqtt-port)")
    return chosen


def _serve(
    settings: Settings,
    data: Path,
    library: ProfileLibrary,
    *,
    expose: bool,
    browser: bool,
    beside: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Open the data folder and run until the server ends."""
    keep_memory_small()
    host, port = settings.server.host, settings.server.port
    check_exposure(host, is_allowed=expose)
    _check_port(settings)
    _check_metrics_port(settings.prometheus, expose=expose)
    with open_storage(settings, data) as storage:
        program = Program(settings, storage, library)
        allowed = ("*",) if expose else (*LOOPBACK, host)
        services = build_services(program, allowed_hosts=allowed)
        server = _build_server(create_app(services), host, port)
        servers = [server]
        own = settings.prometheus
        if own.port is not None:
            servers.append(_build_server(create_metrics_app(services), own.host, own.port))

        async def serve() -> None:
            server.stop_on_signals()
            tasks = [asyncio.create_task(one.serve()) for one in servers]
            if beside is not None:
                tasks.append(asyncio.ensure_future(beside()))
            watcher = asyncio.create_task(_announce(server, host, port, browser=browser))
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                watcher.cancel()
                for one in servers:
                    one.should_exit = True
                for task in tasks[len(servers) :]:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in tasks:
                if not task.cancelled() and task.exception() is not None:
                    raise task.exception() or RuntimeError

        ended: WattscopeError | None = None
        try:
            asyncio.run(program.run(serve))
        except* WattscopeError as faults:
            # Raised here it would be a group again, which nobody wants to read.
            ended = _first_of(faults)
        if ended is not None:
            raise ended


def _build_server(app: FastAPI, host: str, port: int) -> _Server:
    """A server of an application, not started yet."""
    return _Server(
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


def _first_of(faults: BaseExceptionGroup[WattscopeError]) -> WattscopeError:
    """The first error within a group, however deep."""
    first = faults.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


class _Server(uvicorn.Server):
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


async def _announce(server: uvicorn.Server, host: str, port: int, *, browser: bool) -> None:
    """Print the address once it answers, and open it where asked."""
    while not server.started:  # noqa: ASYNC110  # uvicorn tells its start by an attribute only
        await asyncio.sleep(0.02)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}/"
    typer.echo(f"Wattscope is at {url} (Ctrl-C ends it)")
    if browser:
        with contextlib.suppress(webbrowser.Error):
            await asyncio.to_thread(webbrowser.open, url)
