"""What is asked of an InfluxDB, and what is done about its answers."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.outputs.http_script import Script, Told, answering
from tests.servers import LOOPBACK, find_free_port
from wattscope.compute.encode.line_points import Layout
from wattscope.core.errors import NotTakenError, SettingsError
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Batch, Quality, build_batch
from wattscope.core.topology import Series
from wattscope.outputs.influx import MAX_SPLITS, WRONG_WAIT_S, InfluxOptions, InfluxOutput
from wattscope.ports import Output, OutputReceipt

pytestmark = [pytest.mark.integration]

T_US = 1_760_000_000_000_000
SERIES = [
    Series(1, "home", "attic", QUANTITIES["active_power_w"]),
    Series(2, "home", "attic", QUANTITIES["voltage_v"]),
    Series(3, "home", "hall", QUANTITIES["energy_import_wh"]),
]


@pytest.fixture
def script() -> Iterator[Script]:
    with answering(Script()) as running:
        yield running


def make(script: Script, **words: Any) -> InfluxOutput:  # noqa: ANN401  # of any option
    return open_output(script, InfluxOptions(**({"url": script.url, "database": "home"} | words)))


def open_output(
    script: Script, options: InfluxOptions, list_series: Callable[[], list[Series]] = lambda: SERIES
) -> InfluxOutput:
    output = InfluxOutput(options, list_series, lambda: T_US)
    script.closing.callback(output.close)
    return output


def powers(count: int) -> Batch:
    """As many points as values."""
    return build_batch([(1, T_US + n, float(n), 0) for n in range(count)])


def line(n: int) -> bytes:
    return f"wattscope,device=attic,site=home active_power_w={n} {T_US + n}000".encode()


def test_it_is_what_the_port_wants(script: Script) -> None:
    output: Output = make(script)
    assert (output.kind, output.address) == ("influx", f"{script.url} home")


def test_first_api_is_asked_with_database_policy_and_password(script: Script) -> None:
    output = make(script, retention_policy="two years", username="me", password="a:secret")
    assert output.send(powers(2)) == OutputReceipt(2)
    [(path, headers)] = script.requests
    assert path == "/write?db=home&rp=two+years"
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'me:a:secret').decode()}"
    assert headers["Content-Encoding"] == "gzip"
    assert script.lines == [line(0), line(1)]


def test_second_api_is_asked_with_organization_bucket_and_token(script: Script) -> None:
    words = {"database": None, "bucket": "all & more", "org": "me", "token": "secret"}
    output = make(script, **words)
    assert output.send(powers(1)) == OutputReceipt(1)
    [(path, headers)] = script.requests
    assert path == "/api/v2/write?org=me&bucket=all+%26+more&precision=ns"
    assert headers["Authorization"] == "Token secret"


def test_path_before_all_others_is_kept(script: Script) -> None:
    make(script, url=f"{script.url}/influx/").send(powers(1))
    assert script.requests[0][0] == "/influx/write?db=home"


def test_values_that_mean_nothing_and_those_not_chosen_are_left_out(script: Script) -> None:
    rows = [
        (1, T_US, 1.0, 0),
        (1, T_US + 1, float("nan"), int(Quality.MISSING)),
        (1, T_US + 2, 1e12, int(Quality.IMPLAUSIBLE)),
        (1, T_US + 3, 2.0, int(Quality.LATE | Quality.ESTIMATED)),
        (2, T_US, 230.0, 0),
        (3, T_US, 5.0, 0),
    ]
    output = make(script, quantities=("active_*", "energy_import_wh"), devices=("at*",))
    assert output.send(build_batch(rows)) == OutputReceipt(2, 4)
    fields = [one.split(b" ")[1] for one in script.lines]
    assert fields == [b"active_power_w=1", b"active_power_w=2"]


def test_nothing_to_send_is_not_sent(script: Script) -> None:
    output = make(script, devices=("none",))
    assert output.send(powers(3)) == OutputReceipt(0, 3)
    assert script.requests == []


def test_layout_of_values_is_written(script: Script) -> None:
    make(script, layout=Layout.VALUES).send(powers(1))
    assert script.lines == [b"active_power_w,device=attic,site=home value=0 1760000000000000000"]


def test_series_that_came_after_the_start_gets_its_name(script: Script) -> None:
    known = SERIES[:1]
    options = InfluxOptions(url=script.url, database="home")
    output = open_output(script, options, lambda: known)
    assert output.send(build_batch([(2, T_US, 230.0, 0)])) == OutputReceipt(0, 1)
    known = SERIES
    assert output.send(build_batch([(2, T_US, 230.0, 0)])) == OutputReceipt(1)


def test_requests_have_as_many_points_as_are_set(script: Script) -> None:
    make(script, max_lines=4).send(powers(10))
    assert [len(body) for body in script.bodies] == [4, 4, 2]


def test_connection_stays_open_and_is_opened_again_when_it_was_closed(script: Script) -> None:
    output = make(script)
    output.send(powers(1))
    output.send(powers(1))
    assert script.n_connections == 1
    script.answers = [Told(hangs_up=True)]
    assert output.send(powers(1)) == OutputReceipt(1)
    assert (script.n_connections, len(script.bodies)) == (2, 3)


def test_too_large_a_request_is_halved_and_so_are_those_after(script: Script) -> None:
    script.max_lines = 3
    output = make(script, max_lines=10)
    assert output.send(powers(10)) == OutputReceipt(10)
    assert script.lines == [line(n) for n in range(10)]
    n_before = len(script.requests)
    output.send(powers(4))
    assert len(script.requests) - n_before == 2


def test_single_point_that_is_too_large_is_refused(script: Script) -> None:
    script.max_lines = 0
    receipt = make(script).send(powers(3))
    assert (receipt.refused, script.lines) == (3, [])
    assert receipt.reason.startswith("413 ")


def test_points_that_spoil_a_whole_body_are_found_and_the_others_taken(script: Script) -> None:
    script.bad = b"active_power_w=7 "
    receipt = make(script).send(powers(100))
    assert (receipt.taken, receipt.refused, receipt.reason) == (100, 1, "400 unable to parse")
    assert script.lines == [line(n) for n in range(100) if n != 7]


def test_body_that_is_always_refused_is_not_cut_for_ever(script: Script) -> None:
    script.bad = b"wattscope"
    receipt = make(script).send(powers(5000))
    assert receipt.refused == 5000
    assert len(script.requests) <= 2 * MAX_SPLITS + 1


def test_points_that_were_dropped_of_a_body_are_counted_and_not_sent_again(script: Script) -> None:
    script.answers = [Told(400, b'{"error":"partial write: field type conflict dropped=3"}')]
    receipt = make(script).send(powers(10))
    assert (receipt.refused, len(script.requests)) == (3, 1)
    assert receipt.reason == "400 partial write: field type conflict dropped=3"


@pytest.mark.parametrize(
    ("told", "wait_s"),
    [
        (Told(503, b'{"error":"timeout"}', (("Retry-After", "17"),)), 17.0),
        (Told(429, b"", (("Retry-After", "3"),)), 3.0),
        (Told(500, b'{"error":"engine is closed"}'), None),
        (Told(401, b'{"error":"authorization failed"}'), WRONG_WAIT_S),
        (Told(403, b""), WRONG_WAIT_S),
        (Told(404, b'{"error":"database not found"}'), WRONG_WAIT_S),
        (Told(301, b"", (("Location", "http://elsewhere/"),)), WRONG_WAIT_S),
        (Told(hangs_up=True), None),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Told) else "",
)
def test_answer_that_says_nothing_about_points_takes_none(
    script: Script, told: Told, wait_s: float | None
) -> None:
    output = make(script, username="me", password="a secret word")
    script.answers = [told]
    with pytest.raises(NotTakenError) as refusal:
        output.send(powers(3))
    assert refusal.value.wait_s == wait_s
    assert str(refusal.value).startswith(script.url)
    assert "secret" not in str(refusal.value)
    assert output.send(powers(3)) == OutputReceipt(3)


def test_nobody_there_is_said_with_the_address() -> None:
    port = find_free_port()
    options = InfluxOptions(url=f"http://{LOOPBACK}:{port}", database="home")
    output = InfluxOutput(options, lambda: SERIES, lambda: T_US)
    with pytest.raises(NotTakenError, match=rf"http://127.0.0.1:{port} cannot be reached: "):
        output.send(powers(1))


def test_other_than_http_is_said() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:

        def greet() -> None:
            wire, _ = server.accept()
            with wire:
                wire.recv(1 << 16)
                wire.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        options = InfluxOptions(url=f"http://{LOOPBACK}:{server.getsockname()[1]}", database="home")
        output = InfluxOutput(options, lambda: SERIES, lambda: T_US)
        with pytest.raises(NotTakenError, match="cannot be reached"):
            output.send(powers(1))
        thread.join()
        output.close()


def test_closing_ends_an_answer_that_is_waited_for() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        options = InfluxOptions(
            url=f"http://{LOOPBACK}:{server.getsockname()[1]}", database="home", timeout_s=300
        )
        output = InfluxOutput(options, lambda: SERIES, lambda: T_US)
        ended: list[str] = []

        def send() -> None:
            try:
                output.send(powers(1))
            except NotTakenError as fault:
                ended.append(str(fault))

        thread = threading.Thread(target=send)
        thread.start()
        wire, _ = server.accept()
        with wire:
            wire.recv(1 << 16)
            output.close()
            thread.join(60)
        assert ended
        with pytest.raises(NotTakenError, match="closed"):
            output.send(powers(1))


@pytest.mark.parametrize(
    "url", ["", "influx:8086", "ftp://a", "http://", "http://a b", "http://a:x"]
)
def test_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError, match="url is no web address"):
        InfluxOutput(InfluxOptions(url=url, database="home"), lambda: SERIES, lambda: T_US)


def test_secrets_do_not_show_in_options() -> None:
    options = InfluxOptions(url="http://a", database="home", password="hush", token="hush")
    assert "hush" not in repr(replace(options, username="me"))
