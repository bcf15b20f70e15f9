"""A real Prometheus that writes to us, and that we scrape."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.program import Program, kept, wait_until
from tests.integration.scraped import Exporter, Prometheus, get, run_exporter
from tests.servers import LOOPBACK, ServerMissingError, find_free_port, run_prometheus
from wattscope.settings import parse_settings
from wattscope.sources.page_getter import GetterOptions, PageGetter
from wattscope.sources.scraped_page import ACCEPT, ACCEPT_TEXT, read_page

pytestmark = pytest.mark.integration
EXPORTER = """
    sources = []
    [broker]
    embedded = false
    [site]
    id = "house"
    [[devices]]
    id = "heatpump"
    interval_s = 1
    """
VALUES = {
    "active_power_w": 1846.25,
    "energy_total_wh": 1_234_000.125,
    "voltage_l2_v": 231.7,
    "thd_pct": 3.1,
    "flow_rate__l_per_min": 11.5,
}
RECEIVER = """
[broker]
embedded = false

[[sources]]
name = "prom"
type = "remote_write"
"""
REMOTE_WRITE = """
remote_write:
  - url: http://{at}/api/v1/write
    queue_config: {{max_shards: 1, batch_send_deadline: 1s, max_backoff: 1s}}
"""
ENERGY = "wattscope_energy_total_joules_total"


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    with run_exporter(tmp_path / "exporter", parse_settings(EXPORTER), VALUES) as running:
        yield running


@contextlib.contextmanager
def prometheus(folder: Path, target: int, more: str = "") -> Iterator[Prometheus]:
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(run_prometheus(folder, target, more=more))
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        wait_until(lambda: get(port, "/-/ready")[0] == 200, "Prometheus is ready")
        yield Prometheus(port)


def read_samples(server: Prometheus, metric: str) -> dict[int, float]:
    """Value by instant [ms] of the one series of a name, as Prometheus stored it."""
    found = server.read(f"/api/v1/query?query={metric}[1h]")["result"]
    if not found:
        return {}
    [series] = found
    return {round(float(at) * 1000): float(value) for at, value in series["values"]}


def ask_samples(program: Program, quantity: str) -> dict[int, float]:
    """Likewise, as we stored it."""
    rows = program.ask(
        "SELECT epoch_ms(measured_at), value FROM readings WHERE site = 'house' AND "
        f"device = 'heatpump' AND quantity = '{quantity}' AND value IS NOT NULL"
    )
    return {int(at): float(value) for at, value in rows}


def has_after(program: Program, at: int) -> bool:
    """Whether we have a sample that is newer."""
    return max(ask_samples(program, "energy_total_wh"), default=0) > at


def has_more(server: Prometheus, count: int) -> bool:
    """Whether Prometheus has more samples than that."""
    return len(read_samples(server, ENERGY)) > count


@pytest.mark.parametrize("n_kills", [1, pytest.param(8, marks=pytest.mark.long)])
def test_what_prometheus_writes_arrives_whole_though_we_are_killed(
    exporter: Exporter, tmp_path: Path, n_kills: int
) -> None:
    program = Program(tmp_path, RECEIVER)
    more = REMOTE_WRITE.format(at=f"{LOOPBACK}:{program.port}")
    with kept(program), prometheus(tmp_path / "prometheus", exporter.port, more) as server:
        for _ in range(n_kills):
            program.start()
            wait_until(program.is_ready, "it answers")
            seen = max(read_samples(server, ENERGY), default=0)
            wait_until(partial(has_after, program, seen), "samples arrive")
            program.kill()
            n_before = len(read_samples(server, ENERGY))
            # It goes on scraping, and tries in vain to send.
            wait_until(partial(has_more, server, n_before + 2), "it scrapes on")
        program.start()
        wait_until(program.is_ready, "it answers")
        theirs = read_samples(server, ENERGY)
        newest = max(theirs)
        wait_until(
            lambda: max(ask_samples(program, "energy_total_wh"), default=0) >= newest,
            "all of it has arrived",
        )
        ours = ask_samples(program, "energy_total_wh")
        assert {at: value * 3600 for at, value in ours.items() if at <= newest} == theirs
        assert len(theirs) > 3 * n_kills
        for name, value in VALUES.items():
            if "energy" not in name:
                assert set(ask_samples(program, name).values()) == {value}
        counters = program.read("/api/health")[1]["counters"]
        assert (counters["quarantined"], counters["refused"]) == (0, 0)


async def test_own_page_of_prometheus_is_read_whichever_format_is_asked_for(
    exporter: Exporter, tmp_path: Path
) -> None:
    with prometheus(tmp_path / "prometheus", exporter.port) as server:
        getter = PageGetter(GetterOptions(timeout_s=60.0))
        url = f"http://{LOOPBACK}:{server.port}/metrics"
        names = []
        # It has but one format, whatever it is asked for; that is the one which is believed.
        for accept in (ACCEPT, ACCEPT_TEXT):
            page = await getter.get(url, accept)
            assert page.content_type.startswith("text/plain; version=0.0.4")
            samples = read_page(page.body, page.content_type)
            names.append({one.labels["__name__"] for one in samples})
        assert len(names[0] & names[1]) > 150
        assert "prometheus_build_info" in names[0] & names[1]


def test_program_reads_exporters_and_tells_which_are_dead(
    exporter: Exporter, tmp_path: Path
) -> None:
    dead = find_free_port()
    with prometheus(tmp_path / "prometheus", exporter.port) as server:
        urls = [f"http://{LOOPBACK}:{port}/metrics" for port in (exporter.port, dead, server.port)]
        settings = f"""
            [broker]
            embedded = false
            [[sources]]
            name = "exporters"
            type = "scrape"
            urls = {urls}
            poll = "500ms"
            profiles = ["wattscope-metrics", "prometheus"]
            """
        with kept(Program(tmp_path, settings)) as program:
            program.start()
            wait_until(program.is_ready, "it answers")
            wait_until(
                lambda: (
                    len(ask_samples(program, "energy_total_wh")) > 3
                    and len(program.ask(_OF_PROMETHEUS.format(port=server.port))) > 0
                ),
                "readings are there",
            )
            for name, value in VALUES.items():
                found = set(ask_samples(program, name).values())
                if "energy" in name:
                    assert len(found) > 1
                    assert min(found) > value
                else:
                    assert found == {value}
            wait_until(lambda: bool(_detail(program)), "it tells which are dead")
            assert _detail(program).startswith(
                f"1 of 3 exporters are not read: {LOOPBACK}:{dead}: "
            )
            program.stop()
            assert "Traceback" not in program.output


_OF_PROMETHEUS = (
    "SELECT value FROM readings WHERE quantity = 'process_open_fds__1' "
    "AND device = '127.0.0.1:{port}'"
)


def _detail(program: Program) -> str:
    [source] = program.read("/api/health")[1]["sources"]
    return str(source["detail"])
