"""Outputs of the settings, each with its place in the log; secrets are read from their files."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattscope import __version__
from wattscope.assembly.cluster import read_secret
from wattscope.assembly.device_metrics import PollLimits
from wattscope.assembly.storage import Storage, now_us
from wattscope.compute.disk_space import MB
from wattscope.compute.encode.home_assistant import Places
from wattscope.compute.encode.line_points import Layout
from wattscope.compute.fleet_routing import FleetRouter
from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import format_utc
from wattscope.core.topology import Series
from wattscope.logs.bookmark import Bookmark
from wattscope.outputs.device_news import DeviceNews, NewsOptions
from wattscope.outputs.energy_totals import EnergyTotals
from wattscope.outputs.home_assistant import HomeAssistantOptions, HomeAssistantOutput
from wattscope.outputs.influx import InfluxOptions
from wattscope.pipeline.pass_on import Pacing, PassOn
from wattscope.plugins import load_plugin
from wattscope.ports import LogFollower, Output
from wattscope.settings import OutputSettings, Settings

FOLDER = "outputs"
"""Below the data folder: how far each output is."""
FULL_ROWS = 20_000
"""Values that are taken from the log at once."""
SHARED_ROWS = 5000
"""Likewise from a log that processes share: a message has at least one."""


@dataclass(frozen=True, slots=True)
class RunningOutput:
    """An output of this process, whatever its kind."""

    name: str
    run: Callable[[], Awaitable[None]]
    """Passes on until it is cancelled."""
    describe: Callable[[], dict[str, Any]]
    """How it stands, for health."""
    close: Callable[[], None]
    """Lets go of what it waits for; called when it was cancelled."""


def build_outputs(
    settings: Settings, storage: Storage, routers: Sequence[FleetRouter] = ()
) -> list[RunningOutput]:
    """The outputs over a data folder; the log keeps for each what it has not sent yet.

    Args:
        settings: The whole file.
        storage: The data folder.
        routers: Of the meters that this process polls.

    Raises:
        SettingsError: An address is none, or a secret cannot be read; the output is named.
        TransientError: The place of a new output cannot be written.
    """
    return [
        build_home_assistant(settings, one, storage, PollLimits(routers))
        if one.type == "home_assistant"
        else wrap_pass_on(_build_embedded(one, storage))
        for one in settings.outputs
    ]


def wrap_pass_on(passing: PassOn) -> RunningOutput:
    """One that follows a log."""
    return RunningOutput(
        passing.name, passing.run, lambda: describe_pass_on(passing), passing.output.close
    )


def _build_embedded(wanted: OutputSettings, storage: Storage) -> PassOn:
    output = build_output(wanted, storage.registry.list_series)
    log, keep_bytes = storage.log, int(wanted.keep_mb * MB)
    bookmark = Bookmark(storage.folder.path / FOLDER / f"{wanted.name}.json")
    follower = load_plugin("follower", "segments")(
        f"output {wanted.name}", log, bookmark, max_rows=FULL_ROWS
    )
    storage.persist.hold(lambda: max(follower.needed_offset, log.offset_within(keep_bytes)))
    return build_pass_on(wanted.name, follower, output, Pacing(wanted.every_s, FULL_ROWS))


def build_shared_output(
    wanted: OutputSettings, list_series: Callable[[], Iterable[Series]], follower: LogFollower
) -> PassOn:
    """An output of a cluster; ``follower`` is a member of its group.

    Raises:
        SettingsError: An address is none, or a secret cannot be read; the output is named.
    """
    output = build_output(wanted, list_series)
    pacing = Pacing(wanted.every_s, SHARED_ROWS, poll_s=1.0)
    return build_pass_on(wanted.name, follower, output, pacing)


def build_pass_on(name: str, follower: LogFollower, output: Output, pacing: Pacing) -> PassOn:
    """An output with its place in a log, by the clocks of this machine."""
    return PassOn(
        name,
        follower,
        output,
        pacing,
        now_us=now_us,
        monotonic_s=time.monotonic,
        draw=random.random,
    )


def build_output(wanted: OutputSettings, list_series: Callable[[], Iterable[Series]]) -> Output:
    """What sends; touches no network.

    Raises:
        SettingsError: An address is none, or a secret cannot be read; the output is named.
    """
    at = f"outputs.{wanted.name}"
    options = InfluxOptions(
        url=wanted.url or "",
        database=wanted.database,
        retention_policy=wanted.retention_policy,
        bucket=wanted.bucket,
        org=wanted.org,
        username=wanted.username,
        password=read_secret(f"{at}.password_file", wanted.password_file),
        token=_read_token(f"{at}.token_file", wanted.token_file),
        ca_file=Path(wanted.ca_file) if wanted.ca_file else None,
        measurement=wanted.measurement,
        layout=Layout(wanted.layout),
        max_lines=wanted.batch,
        quantities=wanted.quantities,
        devices=wanted.devices,
    )
    try:
        made: Output = load_plugin("output", wanted.type)(options, list_series, now_us)
    except SettingsError as fault:
        raise SettingsError([f"{at}: {word}" for word in fault.faults]) from fault
    return made


def _read_token(at: str, file: str | None) -> str | None:
    token = read_secret(at, file)
    if token is None:
        return None
    # It becomes part of a header.
    if not token.strip().isascii() or not token.strip().isprintable() or not token.strip():
        raise SettingsError(f"{at}: the first line of {file} is no token")
    return token.strip()


def describe_pass_on(passing: PassOn) -> dict[str, Any]:
    """How an output stands, for health."""
    state, follower = passing.state, passing.follower
    return {
        "name": passing.name,
        "kind": passing.output.kind,
        "address": passing.output.address,
        "state": "waiting" if state.fault else "ok",
        "detail": state.fault,
        "lag_records": sum(follower.lag().values()),
        "missed_records": getattr(follower, "n_missing", 0),
        "values": state.n_taken,
        "left_out_values": state.n_left_out,
        "refused_points": state.n_refused,
        "last_refusal": state.last_refusal,
        "failed_attempts": state.n_attempts_failed,
        "last_success_at": _format(state.last_success_us),
        "last_error": state.last_error,
        "last_error_at": _format(state.last_error_us),
        "retry_at": _format(state.retry_at_us),
    }


def build_home_assistant(
    settings: Settings, wanted: OutputSettings, storage: Storage, limits: PollLimits
) -> RunningOutput:
    """What tells Home Assistant of the devices.

    Raises:
        SettingsError: The address is none, or a secret cannot be read; the output is named.
    """
    at, registry = f"outputs.{wanted.name}", storage.registry
    places = Places(wanted.discovery, wanted.topic)
    zones = {one.id: one.time_zone for one in registry.list_sites()}
    totals = EnergyTotals(storage.store, lambda site: zones.get(site, settings.site.time_zone))
    news = DeviceNews(
        NewsOptions(
            places=places,
            quantities=wanted.quantities,
            devices=wanted.devices,
            version=__version__,
        ),
        registry,
        storage.live,
        limits,
        totals,
    )
    own = f"mqtt://{settings.broker.host}:{settings.broker.port}"
    options = HomeAssistantOptions(
        url=wanted.url or own,
        username=wanted.username,
        password=read_secret(f"{at}.password_file", wanted.password_file),
        ca_file=Path(wanted.ca_file) if wanted.ca_file else None,
        places=places,
        every_s=wanted.every_s,
    )
    try:
        output: HomeAssistantOutput = load_plugin("output", "home_assistant")(
            options, news, now_us=now_us, draw=random.random
        )
    except SettingsError as fault:
        raise SettingsError([f"{at}: {word}" for word in fault.faults]) from fault
    return RunningOutput(
        wanted.name, output.run, lambda: describe_home_assistant(wanted.name, output), output.close
    )


def describe_home_assistant(name: str, output: HomeAssistantOutput) -> dict[str, Any]:
    """How it stands, for health; it has no place in the log, and is never behind."""
    state = output.state
    return {
        "name": name,
        "kind": output.kind,
        "address": output.address,
        "state": "waiting" if state.fault else "ok",
        "detail": state.fault,
        "lag_records": 0,
        "missed_records": 0,
        "values": state.n_values,
        "left_out_values": 0,
        "refused_points": 0,
        "last_refusal": "",
        "failed_attempts": state.n_attempts_failed,
        "last_success_at": _format(state.last_success_us),
        "last_error": state.last_error,
        "last_error_at": _format(state.last_error_us),
        "retry_at": None,
    }


def _format(instant_us: int | None) -> str | None:
    return None if instant_us is None else format_utc(instant_us)
