"""Who is let in: passwords and TLS, against a real Mosquitto."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.mqtt_brokers import (
    Listener,
    listening,
    make_name,
    numbered,
    publish,
    source_options,
)
from tests.servers import (
    MosquittoServer,
    ServerMissingError,
    find_free_port,
    find_program,
    run_mosquitto,
)
from wattscope.sources.link_state import LinkState
from wattscope.sources.mqtt import MqttOptions

pytestmark = pytest.mark.integration


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[MosquittoServer]:
    """Knows amy with password pw, who may read ``open/#`` only."""
    passwd = find_program("mosquitto_passwd")
    if passwd is None:
        pytest.skip("mosquitto_passwd is not installed (apt install mosquitto)")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    subprocess.run([passwd, "-b", "-c", folder / "passwords", "amy", "pw"], check=True)
    (folder / "access").write_text("user amy\ntopic readwrite open/#\n")
    extra = f"password_file {folder}/passwords\nacl_file {folder}/access\n"
    try:
        with run_mosquitto(folder, extra=extra) as server:
            yield server
    except ServerMissingError as missing:
        pytest.skip(str(missing))


async def test_right_password_is_let_in(guarded: MosquittoServer) -> None:
    options = source_options(guarded.port, username="amy", password="pw")
    async with listening(options) as listener:
        assert listener.source.detail == ""
    url = f"mqtt://amy:pw@127.0.0.1:{guarded.port}"
    async with listening(MqttOptions(url, ("#",), client_id=make_name("in-url"))):
        pass


@pytest.mark.parametrize("speaks_v5", [True, False])
async def test_wrong_password_is_told(*, guarded: MosquittoServer, speaks_v5: bool) -> None:
    listener = Listener(source_options(guarded.port, username="amy", password="not pw"))
    listener.source._speaks_v5 = speaks_v5
    listener.begin()
    await listener.wait_detail("check username, password and its access list")
    assert listener.source.state is LinkState.CONNECTING
    assert "not pw" not in listener.source.detail
    await listener.end()


def _make_certificates(folder: Path, host: str) -> None:
    """A certificate authority of our own, and a server certificate by it."""
    openssl = find_program("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    new = [openssl, "req", "-newkey", "rsa:2048", "-nodes", "-batch"]
    (folder / "names").write_text(f"subjectAltName={host}\nbasicConstraints=CA:FALSE\n")
    for command in (
        [
            *new,
            "-x509",
            "-days",
            "2",
            "-subj",
            "/CN=test-ca",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ],
        [*new, "-subj", "/CN=broker", "-keyout", "own.key", "-out", "own.csr"],
        [
            *(openssl, "x509", "-req", "-days", "2", "-in", "own.csr", "-CA", "ca.pem"),
            *("-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-out", "own.pem"),
        ],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tls(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """The address of a broker with TLS, and the authority's certificate."""
    folder = tmp_path / "tls"
    folder.mkdir()
    _make_certificates(folder, getattr(request, "param", "IP:127.0.0.1"))
    port = find_free_port()
    extra = (
        f"listener {port} 127.0.0.1\ncafile {folder}/ca.pem\n"
        f"certfile {folder}/own.pem\nkeyfile {folder}/own.key\n"
    )
    try:
        with run_mosquitto(folder, extra=extra):
            yield f"mqtts://127.0.0.1:{port}", folder / "ca.pem"
    except ServerMissingError as missing:
        pytest.skip(str(missing))


async def test_tls_with_an_authority_of_one_s_own(tls: tuple[str, Path]) -> None:
    url, authority = tls
    topic = make_name("secret")
    options = MqttOptions(url, (topic,), client_id=make_name("tls"), ca_file=authority)
    plain_port = int((authority.parent / "mosquitto.conf").read_text().split()[1])
    async with listening(options) as listener:
        messages = [*numbered(topic, range(200)), (topic, bytes(500_000))]
        await publish(plain_port, messages)
        await listener.wait_payloads([payload for _, payload in messages])


async def test_tls_without_the_authority_is_refused_by_us(tls: tuple[str, Path]) -> None:
    listener = Listener(MqttOptions(tls[0], ("#",), client_id=make_name("tls")))
    listener.begin()
    await listener.wait_detail("TLS: the broker's certificate is not trusted: ")
    await listener.end()


@pytest.mark.parametrize("tls", ["DNS:another.example"], indirect=True)
async def test_tls_certificate_for_another_host_is_refused_by_us(tls: tuple[str, Path]) -> None:
    listener = Listener(MqttOptions(*(tls[0], ("#",)), client_id="tls", ca_file=tls[1]))
    listener.begin()
    await listener.wait_detail("TLS: the broker's certificate is not trusted: ")
    await listener.end()


async def test_tls_file_that_is_not_there_is_told(tls: tuple[str, Path], tmp_path: Path) -> None:
    for name, text in (("absent", None), ("empty", "")):
        if text is not None:
            (tmp_path / name).write_text(text)
        listener = Listener(MqttOptions(tls[0], ("#",), ca_file=tmp_path / name))
        listener.begin()
        await listener.wait_detail(f"TLS: ca_file {tmp_path / name} cannot be used: ")
        await listener.end()


async def test_plain_connection_to_a_tls_port_is_told(tls: tuple[str, Path]) -> None:
    listener = Listener(MqttOptions(tls[0].replace("mqtts", "mqtt"), ("#",)))
    listener.begin()
    await listener.wait_detail("does this port expect TLS (mqtts://)?")
    await listener.end()


async def test_tls_to_a_plain_port_is_told(mosquitto: MosquittoServer) -> None:
    listener = Listener(MqttOptions(f"mqtts://127.0.0.1:{mosquitto.port}", ("#",)))
    listener.begin()
    await listener.wait_until(lambda: listener.source.detail != "")
    assert listener.source.state is LinkState.CONNECTING
    await listener.end()
