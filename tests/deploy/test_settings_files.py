"""Every settings file loads in the program, and finds the secrets that are made for it."""

from __future__ import annotations

import os
import re
import runpy
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it has no types of its own
from typer.testing import CliRunner

from tests.deploy.composition import read_mounts
from wattscope.assembly.cluster import build_kafka_options, read_secret
from wattscope.assembly.line_desk import read_login
from wattscope.cli.main import build_app
from wattscope.core.errors import SettingsError
from wattscope.live.redis.options import RedisViewOptions
from wattscope.settings import Settings, load_settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = sorted((DEPLOY / "settings").glob("*.toml"))
SERVICES: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
SECRETS: dict[str, Any] = runpy.run_path(str(DEPLOY / "make_secrets.py"))
READERS = SECRETS["READERS"]
AT = "/run/secrets"
"""Where a service of compose.yaml finds its secrets."""
NAMED = re.compile(rf"{AT}/([\w.]+)")
TEXTS = {
    "wattscope": "".join(path.read_text(encoding="utf-8") for path in FILES),
    "mosquitto": (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8"),
    "telegraf": re.sub(
        r"@{secrets:(\w+)}",
        rf"{AT}/\1",
        (DEPLOY / "telegraf" / "telegraf.conf").read_text(encoding="utf-8"),
    ),
    "influxdb": str(SERVICES["influxdb"]),
    "timescaledb": str(SERVICES["timescaledb"])
    + (DEPLOY / "timescaledb" / "10-users.sh").read_text("utf-8").replace("$SECRETS", AT),
    "redis": str(SERVICES["redis"]),
    "grafana": str(SERVICES["grafana"])
    + "".join(path.read_text("utf-8") for path in sorted((DEPLOY / "grafana").rglob("*.yaml"))),
}
"""What each service is told, with the names of its secrets."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of secrets, made as at the first start."""
    root = tmp_path_factory.mktemp("secrets")
    run_secrets("make", root)
    return root


def run_secrets(verb: str, root: Path) -> str:
    command = [sys.executable, str(DEPLOY / "make_secrets.py"), verb, "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def place(path: Path, made: Path, folder: Path) -> Path:
    """A copy of a settings file that finds the secrets where they were made."""
    copy = folder / path.name
    text = path.read_text(encoding="utf-8")
    copy.write_text(text.replace(AT, str(made / "wattscope")), encoding="utf-8")
    return copy


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_program_checks_a_file_and_finds_nothing(
    path: Path, made: Path, tmp_path: Path
) -> None:
    outcome = CliRunner().invoke(build_app(()), ["check", str(place(path, made, tmp_path))])
    assert outcome.exit_code == 0, outcome.exception
    assert "well formed" in outcome.output


def test_a_secret_that_nobody_makes_is_found(made: Path, tmp_path: Path) -> None:
    copy = place(DEPLOY / "settings" / "home.toml", made, tmp_path)
    copy.write_text(copy.read_text(encoding="utf-8").replace("mqtt_wattscope", "mqtt"), "utf-8")
    outcome = CliRunner().invoke(build_app(()), ["check", str(copy)])
    assert isinstance(outcome.exception, SettingsError)
    assert "password_file" in str(outcome.exception)


def read_plant(made: Path, folder: Path) -> Settings:
    return load_settings(place(DEPLOY / "settings" / "solar.toml", made, folder))


def test_every_role_of_the_plant_knows_its_servers(made: Path, tmp_path: Path) -> None:
    settings = read_plant(made, tmp_path)
    live, storage = settings.live, settings.storage
    secret = read_secret("live.password_file", live.password_file)
    redis = RedisViewOptions(live.url or "", password=secret)
    assert (redis.host, redis.port, redis.user) == ("redis", 6379, "wattscope")
    assert redis.secret == (made / "all" / "redis_wattscope").read_text()
    assert read_secret("", storage.password_file) == (
        (made / "all" / "database_wattscope").read_text()
    )
    assert build_kafka_options(settings, "any").servers == ("kafka:9092",)
    # Hosts of all addresses are services, in the profile.
    urls = [live.url, storage.url, settings.log.url, *(one.url for one in settings.sources)]
    for url in urls:
        host = re.split(r"[:/]", (url or "").rpartition("://")[2].rpartition("@")[2])[0]
        assert "solar" in SERVICES[host]["profiles"], url
    assert len([one for one in settings.sources if one.share]) == 1


def test_points_of_the_household_need_the_token_that_telegraf_has(
    made: Path, tmp_path: Path
) -> None:
    settings = load_settings(place(DEPLOY / "settings" / "home.toml", made, tmp_path))
    source = next(one for one in settings.sources if one.type == "influx")
    login = read_login(source)
    assert login.is_needed
    assert (made / "telegraf" / "write_token").read_text() == (
        Path(source.token_file or "").read_text()
    )


@pytest.mark.parametrize("service", sorted(READERS))
def test_a_service_gets_the_secrets_that_it_is_told_of_and_no_other(
    service: str, made: Path
) -> None:
    reader = READERS[service]
    given = {*reader.names, *reader.made}
    assert set(NAMED.findall(TEXTS[service])) == given
    assert {path.name for path in (made / service).iterdir()} == given


@pytest.mark.parametrize("service", sorted(READERS))
def test_a_secret_can_be_read_by_its_service_alone(service: str, made: Path) -> None:
    users = {
        str(one["user"]).partition(":")[0]
        for one in SERVICES.values()
        if (f"secrets-{service}", AT) in read_mounts(one)
    }
    assert users == {str(READERS[service].user)}
    for path in (made / service).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        if os.geteuid() == 0:
            assert path.stat().st_uid == READERS[service].user


def test_the_service_that_makes_them_writes_where_the_others_read() -> None:
    targets = {target: source for source, target in read_mounts(SERVICES["secrets"])}
    for service in (*READERS, "all"):
        assert targets[f"/secrets/{service}"] == f"secrets-{service}"
    assert stat.S_IMODE(os.stat(DEPLOY / "make_secrets.py").st_mode) & stat.S_IROTH  # noqa: PTH116  # its mode in the checkout


def test_a_second_start_changes_no_secret(tmp_path: Path) -> None:
    run_secrets("make", tmp_path)
    before = {path.name: path.read_text() for path in (tmp_path / "all").iterdir()}
    assert set(before) == set(SECRETS["NAMES"])
    run_secrets("make", tmp_path)
    assert {path.name: path.read_text() for path in (tmp_path / "all").iterdir()} == before
    # Each is its own, and long.
    assert len(set(before.values())) == len(before)
    assert min(map(len, before.values())) >= 32


def test_a_lost_secret_alone_is_made_anew(tmp_path: Path) -> None:
    run_secrets("make", tmp_path)
    before = {path.name: path.read_text() for path in (tmp_path / "all").iterdir()}
    (tmp_path / "all" / "grafana_password").unlink()
    run_secrets("make", tmp_path)
    after = {path.name: path.read_text() for path in (tmp_path / "all").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"grafana_password"}
    assert (tmp_path / "grafana" / "grafana_password").read_text() == after["grafana_password"]


def test_people_are_shown_what_they_type_in_and_nothing_else(made: Path) -> None:
    shown = run_secrets("show", made)
    known = {name: (made / "all" / name).read_text() for name in SECRETS["NAMES"]}
    assert {name for name in known if known[name] in shown} == set(SECRETS["SHOWN"])


def test_telegraf_is_told_who_is_there() -> None:
    told = tomllib.loads((DEPLOY / "telegraf" / "telegraf.conf").read_text(encoding="utf-8"))
    addresses = [
        *(url for one in told["inputs"]["mqtt_consumer"] for url in one["servers"]),
        *(url for one in told["outputs"]["influxdb_v2"] for url in one["urls"]),
    ]
    assert addresses == ["tcp://mosquitto:1883", "http://influxdb:8086", "http://wattscope:8000"]
    to_influx, to_us = told["outputs"]["influxdb_v2"]
    environment = SERVICES["influxdb"]["environment"]
    assert to_influx["organization"] == environment["DOCKER_INFLUXDB_INIT_ORG"]
    assert to_influx["bucket"] == environment["DOCKER_INFLUXDB_INIT_BUCKET"]
    # What a meter says comes to us once: from the broker.
    assert to_us["namedrop"] == to_influx["namepass"]
    assert told["inputs"]["mqtt_consumer"][0]["name_override"] in to_us["namedrop"]
    # Words of a reference to a secret.
    assert [name for name in SECRETS["NAMES"] if not re.fullmatch(r"\w+", name)] == []


def test_grafana_has_a_source_for_each_server_that_answers_it() -> None:
    folder = DEPLOY / "grafana" / "provisioning" / "datasources"
    sources = [
        source
        for path in sorted(folder.glob("*.yaml"))
        for source in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    ]
    assert {one["uid"]: one["type"] for one in sources} == {
        "wattscope": "prometheus",
        "prometheus": "prometheus",
        "timescaledb": "grafana-postgresql-datasource",
        "influxdb": "influxdb",
        "influxql": "influxdb",
    }
    assert [one["uid"] for one in sources if one.get("isDefault")] == ["wattscope"]
    for one in sources:
        host, _, port = one["url"].removeprefix("http://").partition(":")
        opened = SERVICES["wattscope-home" if host == "wattscope" else host]["ports"]
        assert f"127.0.0.1:{port}:{port}" in opened, one["uid"]
        for secret in one.get("secureJsonData", {}).values():
            assert re.fullmatch(r"(Token )?\$__file{/run/secrets/\w+}", secret)
