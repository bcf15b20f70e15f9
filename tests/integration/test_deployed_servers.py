"""What deploy/ gives to other servers is understood by them, where they are installed."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psycopg
import pytest
import redis
import yaml  # type: ignore[import-untyped]  # it has no types of its own
from paho.mqtt.enums import CallbackAPIVersion

from tests.deploy.image import parse
from tests.integration.scraped import get, wait_until
from tests.redis_server import run_redis
from tests.servers import (
    LOOPBACK,
    POSTGRES_BIN,
    MosquittoServer,
    ServerMissingError,
    find_free_port,
    find_program,
    run_postgres,
)
from wattscope.core.reading import build_batch
from wattscope.live.redis.options import RedisViewOptions
from wattscope.live.redis.view import RedisView

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
WAIT_S = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of secrets, made as at the first start."""
    root = tmp_path_factory.mktemp("secrets")
    command = [sys.executable, str(DEPLOY / "make_secrets.py"), "make", "--root", str(root)]
    subprocess.run(command, check=True)
    return root


def read_secret(made: Path, name: str) -> str:
    return (made / "all" / name).read_text(encoding="ascii")


# ---------------------------------------------------------------- Mosquitto


@contextlib.contextmanager
def serve_mosquitto(made: Path, folder: Path, said: str, instead: str) -> Iterator[MosquittoServer]:
    """A Mosquitto with the configuration of compose.yaml, moved to free ports, and one change."""
    if find_program("mosquitto") is None:
        pytest.skip("Mosquitto is not installed (apt install mosquitto)")
    server = MosquittoServer(f"mqtt://{LOOPBACK}:{find_free_port()}", folder)
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    for old, new in (
        ("listener 1883\n", f"listener {server.port} {LOOPBACK}\n"),
        ("listener 9001\n", f"listener {find_free_port()} {LOOPBACK}\n"),
        ("/mosquitto/data/", f"{folder}/"),
        ("/run/secrets/", f"{made / 'mosquitto'}/"),
        (said, instead),
    ):
        assert old in text
        text = text.replace(old, new)
    # As root it would become another user, who cannot read the folder of a test.
    user = pwd.getpwuid(os.geteuid()).pw_name
    (folder / "mosquitto.conf").write_text(f"{text}user {user}\n", encoding="utf-8")
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)


def connect(server: MosquittoServer, user: str | None, password: str | None) -> bool:
    """Whether the broker lets a client in."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    if user is not None:
        client.username_pw_set(user, password)
    answers: list[bool] = []
    answered = threading.Event()

    def take(*words: Any) -> None:  # noqa: ANN401  # the library's
        answers.append(not words[3].is_failure)
        answered.set()

    client.on_connect = take
    client.connect(LOOPBACK, server.port)
    client.loop_start()
    try:
        assert answered.wait(WAIT_S)
    finally:
        client.disconnect()
        client.loop_stop()
    return answers[0]


GUARD = "allow_anonymous false\n"


def test_mosquitto_lets_in_who_has_a_password_that_was_made(made: Path, tmp_path: Path) -> None:
    with serve_mosquitto(made, tmp_path, GUARD, GUARD) as server:
        for user in ("meter", "telegraf", "wattscope"):
            password = read_secret(made, f"mqtt_{user}")
            assert connect(server, user, password)
            assert not connect(server, user, password[:-1])
        assert not connect(server, "meter", read_secret(made, "mqtt_wattscope"))
        assert not connect(server, "admin", "admin")
        assert not connect(server, None, None)


def test_a_mosquitto_without_its_guard_would_be_noticed(made: Path, tmp_path: Path) -> None:
    with serve_mosquitto(made, tmp_path, GUARD, "allow_anonymous true\n") as server:
        assert connect(server, None, None)


# ---------------------------------------------------------------- Redis


@contextlib.contextmanager
def serve_redis(folder: Path, users: str) -> Iterator[int]:
    """A Redis with these users; gives its port."""
    path = folder / "users.acl"
    path.write_text(users, encoding="utf-8")
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(run_redis(folder, extra=f"aclfile {path}\n"))
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        yield server.port


def test_redis_gives_the_live_view_what_it_needs(made: Path, tmp_path: Path) -> None:
    users = (made / "redis" / "users.acl").read_text(encoding="utf-8")
    with serve_redis(tmp_path, users) as port:
        options = RedisViewOptions(
            f"redis://wattscope@{LOOPBACK}:{port}/0", password=read_secret(made, "redis_wattscope")
        )
        with RedisView(options) as writer, RedisView(options) as reader:
            assert writer.wait(WAIT_S), writer.detail
            assert reader.wait(WAIT_S), reader.detail
            writer.update(build_batch([(1, 1_760_000_000_000_000, 230.5, 0)]))
            wait_until(lambda: reader.latest(1) is not None, "the other hears of it")
            assert reader.latest(1) == (1_760_000_000_000_000, 230.5)
            assert not writer.is_degraded


def test_redis_gives_others_nothing_but_the_health_check(made: Path, tmp_path: Path) -> None:
    users = (made / "redis" / "users.acl").read_text(encoding="utf-8")
    with serve_redis(tmp_path, users) as port, redis.Redis(LOOPBACK, port) as stranger:
        # As redis-cli asks it in compose.yaml.
        assert stranger.execute_command("PING")
        for words in (("GET", "any"), ("SET", "any", "1"), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
            with pytest.raises(redis.exceptions.ResponseError, match="no permissions"):
                stranger.execute_command(*words)


# ---------------------------------------------------------------- PostgreSQL


def make_users(url: str, made: Path, database: str) -> None:
    """Run the script of the image, as the image does."""
    port = url.rpartition(":")[2].partition("/")[0]
    path = f"{POSTGRES_BIN}{os.pathsep}{os.environ['PATH']}"
    told = {"POSTGRES_USER": "postgres", "POSTGRES_DB": database, "PGHOST": LOOPBACK}
    told |= {"PGPORT": port, "SECRETS": str(made / "timescaledb"), "PATH": path}
    script = DEPLOY / "timescaledb" / "10-users.sh"
    assert os.access(script, os.X_OK)
    subprocess.run([script], env=os.environ | told, check=True, capture_output=True)


def ask_for_passwords(url: str) -> None:
    """From now on the server wants them of everybody but its administrator."""
    with psycopg.connect(url, autocommit=True) as administrator:
        row = administrator.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = "host all postgres all trust\nhost all all all scram-sha-256\n"
        Path(row[0]).write_text(rules, encoding="ascii")
        administrator.execute("SELECT pg_reload_conf()")
    stranger = url.replace("postgres@", "grafana@")
    wait_until(lambda: _is_refused(stranger), "who has no password is refused")


def _is_refused(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return True
    return False


@pytest.fixture
def deployed_postgres(made: Path) -> Iterator[str]:
    """Address of a PostgreSQL whose users the script of compose.yaml has made."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(run_postgres())
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        with psycopg.connect(url, autocommit=True) as administrator:
            administrator.execute("CREATE DATABASE energy")
        make_users(url, made, "energy")
        ask_for_passwords(url)
        yield url.rpartition("@")[2].partition("/")[0]


def test_the_database_belongs_to_one_user_and_grafana_only_reads(
    deployed_postgres: str, made: Path
) -> None:
    def open_as(user: str, password: str) -> psycopg.Connection[Any]:
        address = f"postgresql://{user}:{password}@{deployed_postgres}/energy"
        return psycopg.connect(address, autocommit=True)

    with open_as("wattscope", read_secret(made, "database_wattscope")) as owner:
        owner.execute("CREATE SCHEMA wattscope")
        owner.execute("CREATE TABLE wattscope.raw_rows AS SELECT 1 AS value")
    with open_as("grafana", read_secret(made, "database_grafana")) as reader:
        assert reader.execute("SELECT value FROM wattscope.raw_rows").fetchone() == (1,)
        for statement in ("DELETE FROM wattscope.raw_rows", "CREATE SCHEMA mine"):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reader.execute(statement)
        # It may lift that, and still has no right.
        reader.execute("SET default_transaction_read_only = off")
        for statement in ("DELETE FROM wattscope.raw_rows", "CREATE SCHEMA mine"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        open_as("grafana", "grafana")


# ---------------------------------------------------------------- Prometheus


@pytest.mark.parametrize("name", ["compose.yml", "prometheus.yml"])
def test_prometheus_understands_its_configuration(name: str, tmp_path: Path) -> None:
    promtool = find_program("promtool")
    if promtool is None:
        pytest.skip("Prometheus is not installed (apt install prometheus)")

    def check(path: Path) -> int:
        command = [promtool, "check", "config", str(path)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    path = DEPLOY / "prometheus" / name
    assert check(path) == 0
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["rule_files"] == ["rules.yml"]
    broken = tmp_path / name
    broken.write_text(text.replace("scrape_interval: 30s", "scrape_interval: often"), "utf-8")
    assert check(broken) != 0


# ---------------------------------------------------------------- Wattscope itself


def test_what_the_image_starts_is_healthy_and_hears_its_broker(tmp_path: Path) -> None:
    """The profile embedded as it stands, moved to loopback and free ports."""
    image = {one.word: one.rest for one in parse((DEPLOY / "Dockerfile").read_text("utf-8"))}
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    settings = (DEPLOY / "settings" / "embedded.toml").read_text(encoding="utf-8")
    own = tmp_path / "embedded.toml"
    own.write_text(settings.replace('"0.0.0.0"', f'"{LOOPBACK}"'), encoding="utf-8")
    port, mqtt_port = find_free_port(), find_free_port()
    moved = {"0.0.0.0": LOOPBACK, "/etc/wattscope/embedded.toml": str(own)}
    words = [moved.get(word, word) for word in services["wattscope-embedded"]["command"]]
    words += ["--port", str(port), "--mqtt-port", str(mqtt_port)]
    code = json.loads(image["HEALTHCHECK"].partition("CMD ")[2])[2]
    check = [sys.executable, "-c", code.replace(":8000", f":{port}")]

    def is_healthy() -> bool:
        return subprocess.run(check, capture_output=True, check=False).returncode == 0

    def read_source() -> dict[str, Any]:
        health = json.loads(get(port, "/api/health")[1])
        source: dict[str, Any] = health["sources"][0]
        return source

    assert not is_healthy()
    program = [sys.executable, "-m", "wattscope", *words]
    told = os.environ | {"WATTSCOPE_DATA": str(tmp_path / "data")}
    with (tmp_path / "program.log").open("wb") as log:
        process = subprocess.Popen(program, env=told, cwd=tmp_path, stdout=log, stderr=log)
        try:
            wait_until(is_healthy, "it is healthy", WAIT_S)
            wait_until(lambda: read_source()["state"] == "connected", "it hears", WAIT_S)
            # No topic filter was refused.
            assert read_source()["detail"] == ""
            # As an engine ends it.
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()
            process.wait()
