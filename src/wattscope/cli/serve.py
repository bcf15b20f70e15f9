"""Commands that run: ``demo``, ``run``, ``simulate``."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from wattscope.assembly.health import build_services
from wattscope.assembly.history import fill_history
from wattscope.assembly.program import Program, keep_memory_small, with_ports
from wattscope.assembly.storage import open_storage
from wattscope.broker import find_free_port, is_port_taken
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
from wattscope.core.errors import SettingsError
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings
from wattscope.simulate.home_messages import messages_at
from wattscope.simulate.home_settings import parse_home_simulation
from wattscope.simulate.publish import BrokerAccess, publish
from wattscope.web.app import create_app

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LENGTH = re.compile(r"(\d+)([dhm])")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60}


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command()(demo)
    app.command()(run)
    app.command()(simulate)


def demo(
    recipe: Annotated[str, typer.Argument(help="home")] = "home",
    data: DataOption = Path(DEFAULT_DATA) / "demo",
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
    mqtt_port = mqtt_port or _choose_mqtt_port(settings.broker.port)
    settings = with_ports(settings, host=host, port=port, mqtt_port=mqtt_port)
    house = parse_home_simulation(settings.simulate, time_zone=settings.site.time_zone)
    parse_length(history)
    check_exposure(settings.server.host, is_allowed=expose_without_login)
    _check_port(settings)
    _simulate_past(recipe, data, history)

    async def publish_live() -> None:
        broker = BrokerAccess(f"mqtt://{settings.broker.host}:{settings.broker.port}")
        await publish(partial(messages_at, house), broker, interval_s=house.interval_s)

    _serve(
        settings,
        data,
        ProfileLibrary(),
        expose=expose_without_login,
        browser=browser,
        beside=publish_live,
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


def simulate(
    recipe: Annotated[str, typer.Argument(help="home")] = "home",
    url: Annotated[str, typer.Option(help="Broker to publish to.")] = "mqtt://127.0.0.1:1883",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many instants.")] = None,
    interval: Annotated[float | None, typer.Option(help="Seconds between instants.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another number, another house.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Fill --data with a past, such as 14d, instead.")
    ] = None,
    data: DataOption = Path(DEFAULT_DATA),
) -> None:
    """Publish what a simulated household's devices would, in their own topics."""
    configure_logging()
    settings = read_recipe(recipe)
    changes = {"seed": seed, "interval_s": interval}
    table = settings.simulate | {name: one for name, one in changes.items() if one is not None}
    house = parse_home_simulation(table, time_zone=settings.site.time_zone)
    if history is not None:
        history_s = parse_length(history)
        with open_storage(settings, data) as storage:
            n_values = fill_history(storage, house, history_s)
        typer.echo(f"{n_values} values written to {data}")
        return
    sent = asyncio.run(
        publish(
            partial(messages_at, house),
            BrokerAccess(url),
            interval_s=house.interval_s,
            count=count,
        )
    )
    typer.echo(f"{sent} messages published to {url.rpartition('@')[2]}")


def parse_length(text: str) -> int:
    """Seconds of a length such as ``14d``, ``6h`` or ``30m``.

    Raises:
        SettingsError: Not such a length.

    >>> parse_length("2h")
    7200
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise SettingsError([f"length {text!r} is not understood; write 14d, 6h or 30m"])
    return int(match[1]) * _SECONDS[match[2]]


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
    if is_port_taken("127.0.0.1" if host == "0.0.0.0" else host, port):  # noqa: S104  # compared, not bound
        raise SettingsError(f"port {port} on {host} is taken; choose another with --port")


def _simulate_past(recipe: str, data: Path, history: str) -> None:
    """Fill the data folder in a process of its own: what it needs of memory ends with it.

    Raises:
        SettingsError: It failed; it has said why.
    """
    program = [sys.executable, "-m", "wattscope"]
    words = ["simulate", recipe, "--history", history, "--data", str(data)]
    done = subprocess.run([*program, *words], check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise SettingsError("the simulated past could not be written; see above")


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
    if is_port_taken("127.0.0.1" if host == "0.0.0.0" else host, port):  # noqa: S104  # compared, not bound
        raise SettingsError([f"port {port} on {host} is taken; choose another with --port"])
    with open_storage(settings, data) as storage:
        program = Program(settings, storage, library)
        allowed = ("*",) if expose else (*LOOPBACK, host)
        app = create_app(build_services(program, allowed_hosts=allowed))
        server = _Server(
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

        async def serve() -> None:
            server.stop_on_signals()
            tasks = [asyncio.create_task(server.serve())]
            if beside is not None:
                tasks.append(asyncio.ensure_future(beside()))
            watcher = asyncio.create_task(_announce(server, host, port, browser=browser))
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                server.should_exit = True
                watcher.cancel()
                for task in tasks[1:]:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in tasks:
                if not task.cancelled() and task.exception() is not None:
                    raise task.exception() or RuntimeError

        asyncio.run(program.run(serve))


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
