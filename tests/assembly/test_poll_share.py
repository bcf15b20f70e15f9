"""A process polls the gateways that are its own, stops in time, and waits for no registry."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, closing

import pytest
from structlog.testing import capture_logs

from tests.registry.registries import fresh_options
from tests.sources.modbus_script import run_server, tcp_reply
from wattscope.assembly.poll_share import SharedFleet
from wattscope.core.errors import TransientError
from wattscope.core.fleet import Endpoint, Fleet, Framing, Meter, PollGroup
from wattscope.core.registers import Register, RegisterMap, RegisterType
from wattscope.core.topology import Device, DeviceKind
from wattscope.registry.poll_leases import LeaseOptions, PollLeases, SoleWorker
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.sources.modbus import ModbusOptions, ModbusSource

MAP = RegisterMap("one", "One register", (Register("voltage_v", 4, 0, RegisterType.FLOAT32),))


def meter(device: str, host: str, port: int = 502) -> Meter:
    return Meter(
        Device(device, "home", device, DeviceKind.METER),
        Endpoint(host, port, Framing.TCP),
        1,
        MAP,
        (PollGroup("0.1s", frozenset(["voltage_v"])),),
    )


WHOLE = Fleet((meter("a", "h1"), meter("b", "h1"), meter("c", "h2")))


class Told(SoleWorker):
    """Holds what the test says."""

    def __init__(self, *held: str) -> None:
        super().__init__()
        self.held = set(held)
        self.gate = threading.Event()
        self.gate.set()
        self.is_away = False
        self.n_asked = 0

    def share(self, names: Collection[str]) -> frozenset[str]:
        self.n_asked += 1
        self.gate.wait()
        if self.is_away:
            raise TransientError("the registry is away")
        return super().share(names)

    def holds(self, name: str) -> bool:
        return name in self.held

    def close(self) -> None:
        if self.is_away:
            raise TransientError("the registry is away")
        super().close()


@asynccontextmanager
async def running(shared: SharedFleet) -> AsyncIterator[None]:
    task = asyncio.create_task(shared.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(is_met: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_met():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def test_meters_behind_gateways_of_ours_are_polled() -> None:
    work = Told()
    shared = SharedFleet(lambda: WHOLE, work, 0.01)
    async with running(shared):
        await until(lambda: work.list_held() == {"h1:502", "h2:502"})
        assert shared.read().meters == ()
        work.held = {"h1:502"}
        fleet = shared.read()
        assert [one.device.id for one in fleet.meters] == ["a", "b"]
        assert shared.read() is fleet
        work.held = {"h2:502"}
        assert [one.device.id for one in shared.read().meters] == ["c"]


async def test_tables_and_leases_that_do_not_answer_keep_nobody_from_stopping() -> None:
    work = Told("h1:502")
    gate = threading.Event()
    gate.set()

    def read_fleet() -> Fleet:
        gate.wait()
        return WHOLE

    shared = SharedFleet(read_fleet, work, 0.01)
    async with running(shared):
        await until(lambda: len(shared.read().meters) == 2)
        gate.clear()
        work.gate.clear()
        n_asked = work.n_asked
        await until(lambda: work.n_asked > n_asked)
        work.held = set()
        assert shared.read().meters == ()
        gate.set()
        work.gate.set()


async def test_registry_that_is_away_is_said_once_and_asked_again() -> None:
    work = Told("h1:502")
    shared = SharedFleet(lambda: WHOLE, work, 0.01)
    with capture_logs() as logs:
        async with running(shared):
            await until(lambda: work.n_asked > 1)
            work.is_away = True
            n_asked = work.n_asked
            await until(lambda: work.n_asked > n_asked + 3)
            # What is held is polled until it ends.
            assert len(shared.read().meters) == 2
            work.is_away = False
            await until(lambda: any("again" in one["event"] for one in logs))
        work.is_away = True
        await shared.close()
    assert [one["event"] for one in logs] == [
        "not shared out",
        "shared out again",
        "not given up",
    ]


class Taker:
    """A gateway that takes one reader at a time, and says when there were two."""

    def __init__(self) -> None:
        self.readers: list[asyncio.StreamWriter] = []
        self.n_requests = 0
        self.n_together = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.readers.append(writer)
        self.n_together = max(self.n_together, len(self.readers))
        try:
            while True:
                request = await reader.readexactly(12)
                self.n_requests += 1
                writer.write(tcp_reply(request, [0x4366, 0]))
                await writer.drain()
        finally:
            self.readers.remove(writer)


@pytest.mark.integration
async def test_two_sources_never_read_one_gateway_and_one_follows_the_other(postgres: str) -> None:
    takers = [Taker() for _ in range(4)]
    async with contextlib.AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(run_server(one.serve)) for one in takers]
        whole = Fleet(tuple(meter(f"m{at}", "127.0.0.1", port) for at, port in enumerate(ports)))
        options = stack.enter_context(fresh_options(postgres))
        sources = []
        for name in "ab":
            database = stack.enter_context(closing(PostgresDatabase(options)))
            lease = LeaseOptions(lease_s=6.0, margin_s=3.0)
            leases = PollLeases(database, name, lease)
            shared = SharedFleet(lambda: whole, leases, 0.2)
            source = ModbusSource(
                name,
                ModbusOptions(),
                shared.read,
                now_us=lambda: time.time_ns() // 1000,
                draw=lambda: 0.5,
            )
            await stack.enter_async_context(polling(shared, source))
            sources.append((source, shared))
        await until(lambda: [len(one.gateways) for one, _ in sources] == [2, 2])
        gone, shared = sources[0]
        await gone.close()
        await until(lambda: not gone.gateways)
        await shared.close()
        n_before = [one.n_requests for one in takers]
        await until(
            lambda: all(
                one.n_requests > before for one, before in zip(takers, n_before, strict=True)
            )
        )
        assert [one.n_together for one in takers] == [1, 1, 1, 1]


@asynccontextmanager
async def polling(shared: SharedFleet, source: ModbusSource) -> AsyncIterator[None]:
    async def receive() -> None:
        async for _ in source.receive():
            pass

    async with running(shared):
        task = asyncio.create_task(receive())
        try:
            yield
        finally:
            await source.close()
            await task
    # Waits for a round that is under way.
    await shared.close()
