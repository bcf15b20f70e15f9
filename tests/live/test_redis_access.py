"""Passwords, TLS and users: what is right works, what is wrong is said without the secret."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.redis_views import wait_until
from tests.redis_server import RedisServer, run_redis
from tests.servers import ServerMissingError, find_free_port, find_program
from wattscope.core.errors import SettingsError
from wattscope.core.reading import build_batch
from wattscope.live.redis.options import RedisViewOptions
from wattscope.live.redis.view import RedisView

SECRET = "s3cret/with:odd@signs"
ESCAPED = "s3cret%2Fwith%3Aodd%40signs"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that wants a password, and has a user who may do what the program needs."""
    rules = "~wattscope:* &wattscope:* -@all +@connection +@pubsub +@scripting +@read +@write +info"
    extra = f'requirepass "{SECRET}"\nuser meter on ">{SECRET}" {rules}\n'
    folder = tmp_path / "redis"
    folder.mkdir()
    try:
        with run_redis(folder, extra=extra) as server:
            yield server
    except ServerMissingError as missing:
        pytest.skip(str(missing))


def try_it(options: RedisViewOptions) -> None:
    """Write in one process, read in another."""
    with RedisView(options) as writer, RedisView(options) as reader:
        assert writer.wait(10), writer.detail
        assert reader.wait(10), reader.detail
        writer.update(build_batch([(3, 4, 5.0, 0)]))
        wait_until(lambda: reader.latest(3) == (4, 5.0))
        assert SECRET not in repr(options)
        assert ESCAPED not in repr(options)


@pytest.mark.integration
@pytest.mark.parametrize("user", ["", "default", "meter"])
def test_password_in_the_url_or_beside_it_opens(guarded: RedisServer, user: str) -> None:
    place = f"127.0.0.1:{guarded.port}/0"
    try_it(RedisViewOptions(f"redis://{user}:{ESCAPED}@{place}"))
    name = f"{user}@" if user else ""
    try_it(RedisViewOptions(f"redis://{name}{place}", password=SECRET))


@pytest.mark.integration
@pytest.mark.parametrize("password", ["wr0ng-password", None])
def test_wrong_password_is_said_and_not_shown(guarded: RedisServer, password: str | None) -> None:
    options = RedisViewOptions(f"redis://127.0.0.1:{guarded.port}", password=password)
    with RedisView(options) as view:
        wait_until(lambda: "check user and password" in view.detail)
        assert view.is_degraded
        view.update(build_batch([(1, 1, 1.0, 0)]))
        assert view.latest(1) == (1, 1.0)
        assert "wr0ng" not in view.detail


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The TLS port of a Redis, and the certificate of the authority that vouches for it."""
    openssl = find_program("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    folder = tmp_path / "redis"
    folder.mkdir()
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-batch", "-days", "2"),
            *("-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", "own.key", "-out", "own.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    port = find_free_port()
    extra = (
        f"tls-port {port}\ntls-auth-clients no\n"
        f"tls-cert-file {folder}/own.pem\ntls-key-file {folder}/own.key\n"
    )
    try:
        with run_redis(folder, extra=extra):
            yield port, folder / "own.pem"
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.integration
def test_tls_with_an_authority_that_is_trusted(tls: tuple[int, Path]) -> None:
    port, authority = tls
    try_it(RedisViewOptions(f"rediss://127.0.0.1:{port}", ca_file=authority))


@pytest.mark.integration
def test_tls_with_an_authority_that_nobody_trusts_is_refused(tls: tuple[int, Path]) -> None:
    port, _ = tls
    with RedisView(RedisViewOptions(f"rediss://127.0.0.1:{port}")) as view:
        wait_until(lambda: "certificate verify failed" in view.detail.lower())


@pytest.mark.integration
def test_tls_for_another_name_is_refused(tls: tuple[int, Path]) -> None:
    port, authority = tls
    with RedisView(RedisViewOptions(f"rediss://localhost:{port}", ca_file=authority)) as view:
        wait_until(lambda: "certificate verify failed" in view.detail.lower())


def test_address_is_read_from_the_url() -> None:
    options = RedisViewOptions(f"rediss://me%20too:{ESCAPED}@[::1]:7000/3")
    assert (options.host, options.port, options.database) == ("::1", 7000, 3)
    assert (options.user, options.secret, options.has_tls) == ("me too", SECRET, True)
    assert options.where == "rediss://me%20too@[::1]:7000/3"
    plain = RedisViewOptions("redis://cache")
    assert (plain.port, plain.database, plain.user, plain.secret) == (6379, 0, None, None)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cache:6379",
        "http://cache",
        "redis://",
        "redis://cache:0",
        "redis://cache:99999",
        "redis://cache/one",
        "redis://cache/0/1",
        "redis://cache?db=1",
        f"redis://:{ESCAPED}@",
    ],
)
def test_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="write redis://host:6379/0") as refused:
        RedisViewOptions(url)
    assert ESCAPED not in str(refused.value)


def test_all_faults_of_options_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        RedisViewOptions("cache", ca_file=tmp_path / "absent.pem", prefix="", timeout_s=0)
    assert len(refused.value.faults) == 4
