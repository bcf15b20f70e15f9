"""The Compose file promises what it holds; a broken copy of it is found out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it has no types of its own

from tests.deploy.command_lines import find_command_fault
from tests.deploy.composition import PROFILES, find_faults, read_mounts
from wattscope.settings import ROLES

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
OURS = {
    name: one
    for name, one in SERVICES.items()
    if name.startswith("wattscope-") and one["image"] == "wattscope:local"
}


def test_nothing_is_wrong_with_it() -> None:
    assert find_faults(TEXT, DEPLOY) == []


@pytest.mark.parametrize(
    ("said", "instead", "fault"),
    [
        ("    image: telegraf:1.37.1", "    image: telegraf", "image telegraf is not pinned"),
        ("telegraf:1.37.1", "telegraf:latest", "telegraf: image telegraf:latest is not pinned"),
        ("127.0.0.1:3000:3000", "3000:3000", "grafana: port 3000:3000 is open"),
        ("127.0.0.1:3000:3000", "0.0.0.0:3000:3000", "grafana: port 0.0.0.0:3000:3000 is open"),
        ("127.0.0.1:8086:8086", "127.0.0.1:3000:8086", "profile home opens port 3000 twice"),
        (
            "GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets/grafana_password",
            "GF_SECURITY_ADMIN_PASSWORD: admin",
            "grafana: environment GF_SECURITY_ADMIN_PASSWORD holds a secret",
        ),
        (
            "POSTGRES_PASSWORD_FILE: /run/secrets/database_admin",
            "POSTGRES_PASSWORD_FILE: ./password",
            "timescaledb: environment POSTGRES_PASSWORD_FILE holds a secret",
        ),
        (
            "      - secrets-grafana:/run/secrets:ro\n",
            "",
            "grafana: environment GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets is not mounted",
        ),
        (
            "PLAINTEXT://kafka:9092",
            "PLAINTEXT://user:word@kafka:9092",
            "kafka: an address holds a password",
        ),
        ("./mosquitto/mosquitto.conf:", "./mosquito.conf:", "volume ./mosquito.conf is not there"),
        ("- kafka:/var/lib", "- kafca:/var/lib", "kafka: volume kafca is not declared"),
        ("  flink:\n", "  flink:\n  lost:\n", "volume lost is used by nobody"),
        ("build: flink\n", "build: flnk\n", "flink-job: build: there is no"),
        ('user: "472:0"', 'user: "0:0"', "grafana: runs as 0"),
        ('    user: "472:0"\n', "", "grafana: runs as 0"),
        ("    profiles: [heatpump]\n    user", "    profiles: [heat]\n    user", "profile heat is"),
        (
            "profiles: [home, solar]\n    user",
            "profiles: [home]\n    user",
            "depends_on mosquitto: it is not in solar",
        ),
        ("      mosquitto: {condition", "      mosqito: {condition", "depends_on mosqito: there"),
        ("condition: service_healthy", "condition: healthy", "no such service or condition"),
        (
            "    healthcheck:\n      test: [CMD, influx, ping]\n",
            "    check:\n      test: [CMD, influx, ping]\n",
            "telegraf: depends_on influxdb: it has no health check",
        ),
        ('    restart: "no"\n', "", "depends_on secrets: it never ends"),
        ("  cap_drop: [ALL]\n", "", "grafana: keeps capabilities"),
        ('["no-new-privileges:true"]', "[]", "grafana: may gain privileges"),
        ("restart: unless-stopped", "restart: always", "grafana: restart is not told"),
        ("  telegraf:\n    <<", "  telegraph:\n    <<", "profile home lacks or adds telegraf"),
        ("    shm_size: 256mb", "    shmsize: 256mb", "timescaledb: shmsize is no word"),
        ("\nvolumes:\n", "\nsecret: {}\nvolumes:\n", "secret: no word of a Compose file"),
    ],
)
def test_a_broken_copy_is_found(said: str, instead: str, fault: str) -> None:
    broken = TEXT.replace(said, instead)
    assert broken != TEXT, "the mutation changes nothing any more"
    faults = find_faults(broken, DEPLOY)
    assert any(fault in one for one in faults), faults


def test_each_of_our_processes_is_started_with_words_that_the_program_knows() -> None:
    assert len(OURS) == 8
    for name, service in OURS.items():
        assert find_command_fault(service["command"]) == "", name
        mounts = {target: source for source, target in read_mounts(service)}
        file = service["command"][service["command"].index("-c") + 1]
        assert mounts["/etc/wattscope"] == "./settings"
        assert (DEPLOY / "settings" / Path(file).name).is_file()
        assert mounts["/data"] == f"data-{name.removeprefix('wattscope-')}"


def test_a_command_line_that_the_program_would_refuse_is_found() -> None:
    words = list(OURS["wattscope-home"]["command"])
    assert find_command_fault(["runn", *words[1:]])
    assert "No such option" in find_command_fault([*words, "--expose"])
    assert "integer" in find_command_fault([*words, "--port", "eighty"])


def test_every_role_of_the_plant_has_its_own_process() -> None:
    roles = {
        name: service["command"][service["command"].index("--role") + 1]
        for name, service in OURS.items()
        if "--role" in service["command"]
    }
    assert roles == {f"wattscope-{role}": role for role in roles.values()}
    # No meter of the plant is polled, and nothing of it is passed on.
    assert set(ROLES) - set(roles.values()) == {"poll", "output"}


def test_one_service_of_each_profile_answers_as_wattscope() -> None:
    """Grafana, Telegraf and Prometheus know one name."""
    for profile, members in PROFILES.items():
        named = [
            name
            for name in members
            if "wattscope"
            in SERVICES[name].get("networks", {}).get("default", {}).get("aliases", ())
        ]
        assert len(named) == (profile != "embedded"), profile


def test_kafka_runs_without_zookeeper() -> None:
    environment = SERVICES["kafka"]["environment"]
    assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert "zookeeper" not in re.sub(r"#.*", "", TEXT).lower()


def test_flink_reads_the_kafka_that_is_there() -> None:
    script = SERVICES["flink-job"]["command"][2]
    said, instead = re.search(r"sed s/(\S+)/(\S+)/ /job/tables.sql", script).groups()  # type: ignore[union-attr]  # it is there
    tables = (DEPLOY / "flink" / "tables.sql").read_text(encoding="utf-8")
    assert tables.count(said) == 3
    assert SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].endswith(f"//{instead}")
    # What the script looks for is what the job calls itself.
    name = re.search(r"grep -q (\S+?);", script)[1]  # type: ignore[index]  # it is there
    assert f"'pipeline.name' = '{name}'" in tables
