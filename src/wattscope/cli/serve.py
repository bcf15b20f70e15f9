"""Commands that run until they are stopped: ``demo`` and ``run``."""

from __future__ import annotations

import asyncio
import importlib
import platform
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

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
from wattscope.cli.server import (
    LOOPBACK,
    announce,
    build_server,
    check_exposure,
    check_port,
    is_taken,
)
from wattscope.core.errors import SettingsError, WattscopeError
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import ROLES, PrometheusSettings, Settings
from wattscope.web.app import create_app, create_metrics_app

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
    check_port(settings)
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
    role: Annotated[
        str | None,
        typer.Option(help=f"One part of a cluster: {', '.join(ROLES)}; left out, all in one."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of this process among those of its role; left out, the machine's."),
    ] = None,
) -> None:
    """Read the meters of a settings file, keep and show them, until it is stopped."""
    configure_logging()
    settings = with_ports(read_settings(settings_file), host=host, port=port, mqtt_port=mqtt_port)
    if role is not None:
        # Only here: a program that is all in one need not hold what joins processes.
        serve_role = importlib.import_module("wattscope.cli.serve_role").serve_role
        serve_role(
            settings,
            data,
            find_profiles(settings_file),
            role=role,
            name=name or platform.node(),
            expose=expose_without_login,
        )
        return
    if settings.storage.url or settings.log.url or settings.live.url:
        raise SettingsError(
            "storage.url, log.url and live.url are for processes that each have a role; start one "
            f"with --role for each of {', '.join(ROLES)}"
        )
    _serve(
        settings,
        data,
        find_profiles(settings_file),
        expose=expose_without_login,
        browser=browser,
    )


def _check_metrics_port(own: PrometheusSettings, *, expose: bool) -> None:
    """Refuse a port for Prometheus that others can reach, or that is taken.

    Raises:
        SettingsError: It is.
    """
    if own.port is None:
        return
    check_exposure(own.host, is_allowed=expose)
    if is_taken(own.host, own.port):
        raise SettingsError(
            f"prometheus.port: port {own.port} on {own.host} is taken (Prometheus' node exporter "
            "uses 9100 too); set another, and the same in prometheus.yml"
        )


def _choose_metrics_port(settings: Settings) -> Settings:
    """Settings of a demo with a port for Prometheus that is free, if they have one."""
    own = settings.prometheus
    if own.port is None or not is_taken(own.host, own.port):
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
    check_port(settings)
    _check_metrics_port(settings.prometheus, expose=expose)
    with open_storage(settings, data) as storage:
        program = Program(settings, storage, library)
        allowed = ("*",) if expose else (*LOOPBACK, host)
        services = build_services(program, allowed_hosts=allowed)
        server = build_server(create_app(services), host, port)
        servers = [server]
        own = settings.prometheus
        if own.port is not None:
            servers.append(build_server(create_metrics_app(services), own.host, own.port))

        async def serve() -> None:
            server.stop_on_signals()
            tasks = [asyncio.create_task(one.serve()) for one in servers]
            if beside is not None:
                tasks.append(asyncio.ensure_future(beside()))
            watcher = asyncio.create_task(announce(server, host, port, browser=browser))
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


def _first_of(faults: BaseExceptionGroup[WattscopeError]) -> WattscopeError:
    """The first error within a group, however deep."""
    first = faults.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
