"""What can be wrong with a Compose file, as far as it shows without a container engine.

It covers the words of the Compose specification that ours uses, and the house's own rules: nothing
listens beyond this machine unless somebody says so, nothing runs as root, no password is readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it has no types of its own

PROFILES = {
    "embedded": {"wattscope-embedded"},
    "home": {"wattscope-home", "mosquitto", "telegraf", "influxdb", "grafana", "secrets"},
    "solar": {
        *(f"wattscope-{role}" for role in ("ingest", "store", "detect", "alert", "api")),
        *("mosquitto", "kafka", "timescaledb", "redis", "grafana", "secrets"),
        *("flink-jobmanager", "flink-taskmanager", "flink-job"),
    },
    "heatpump": {"wattscope-heatpump", "prometheus", "grafana", "secrets"},
}
"""What each profile promises."""

SERVICE_KEYS = {
    "build",
    "cap_add",
    "cap_drop",
    "command",
    "depends_on",
    "entrypoint",
    "environment",
    "healthcheck",
    "image",
    "init",
    "network_mode",
    "networks",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "tmpfs",
    "user",
    "volumes",
}
"""Words of a service that are used here, of https://github.com/compose-spec/compose-spec."""
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
OPENED = ("127.0.0.1", "${MQTT_ADDRESS:-127.0.0.1}")
"""Where a port may be open: on this machine, and elsewhere only where somebody says so."""
_PORT = re.compile(r"(?P<address>.+):(?P<outside>\d+):(?P<inside>\d+)")
_PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*|wattscope(-flink)?:local")
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_AS_ROOT = {"secrets"}
"""It gives files to the users that read them, and ends."""


def find_faults(text: str, folder: Path) -> list[str]:
    """Everything that is wrong with a Compose file.

    Args:
        text: Of the file.
        folder: Where it lies; its paths are relative to that.
    """
    tree = yaml.safe_load(text)
    services: dict[str, Any] = tree["services"]
    faults = [
        f"{key}: no word of a Compose file"
        for key in tree
        if key not in {"name", "services", "volumes", "networks"} and not key.startswith("x-")
    ]
    for name, service in services.items():
        found = [
            *_find_shape_faults(service),
            *_find_volume_faults(service, tree.get("volumes", {}), folder),
            *_find_port_faults(service),
            *_find_secret_faults(service),
            *_find_order_faults(service, services),
            *_find_right_faults(name, service),
        ]
        faults += [f"{name}: {fault}" for fault in found]
    faults += _find_profile_faults(services)
    used = {source for one in services.values() for source, _ in read_mounts(one)}
    faults += [f"volume {name} is used by nobody" for name in set(tree["volumes"]) - used]
    return faults


def read_mounts(service: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Sources of the volumes of a service, and where they appear."""
    parts = [str(one).split(":") for one in service.get("volumes", ())]
    return [(part[0], part[1]) for part in parts if len(part) > 1]


def _find_shape_faults(service: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{key} is no word of a service" for key in set(service) - SERVICE_KEYS)
    if not _PINNED.fullmatch(str(service.get("image", ""))):
        yield f"image {service.get('image')} is not pinned to a version"
    if not service.get("profiles"):
        yield "is in no profile"
    yield from (f"profile {one} is unknown" for one in set(service["profiles"]) - set(PROFILES))
    if service.get("restart") not in {"unless-stopped", "on-failure", "no"}:
        yield "restart is not told"


def _find_volume_faults(
    service: Mapping[str, Any], declared: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    build = service.get("build")
    if build is not None:
        shape = build if isinstance(build, dict) else {"context": build}
        context = folder / shape["context"]
        if not (context / shape.get("dockerfile", "Dockerfile")).is_file():
            yield f"build: there is no {shape}"
    for source, target in read_mounts(service):
        if not target.startswith("/"):
            yield f"volume {source}: {target} is no absolute path"
        if source.startswith("."):
            if not (folder / source).exists():
                yield f"volume {source} is not there"
        elif source not in declared:
            yield f"volume {source} is not declared"


def _find_port_faults(service: Mapping[str, Any]) -> Iterator[str]:
    for port in service.get("ports", ()):
        match = _PORT.fullmatch(str(port))
        if match is None or match["address"] not in OPENED:
            yield f"port {port} is open to others"


def _find_secret_faults(service: Mapping[str, Any]) -> Iterator[str]:
    environment = service.get("environment", {})
    for name, value in environment.items():
        is_file = name.endswith("_FILE") and str(value).startswith("/run/secrets/")
        if _SECRET.search(name) and not is_file:
            yield f"environment {name} holds a secret; name a file below /run/secrets"
        if is_file and "/run/secrets" not in {target for _, target in read_mounts(service)}:
            yield f"environment {name}: /run/secrets is not mounted"
    words = [*environment.values(), *_words(service.get("command")), *service.get("volumes", ())]
    if any(_URL_PASSWORD.search(str(word)) for word in words):
        yield "an address holds a password"


def _find_order_faults(
    service: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for name, rule in service.get("depends_on", {}).items():
        condition = rule.get("condition")
        other = services.get(name)
        if other is None or condition not in CONDITIONS:
            yield f"depends_on {name}: there is no such service or condition"
            continue
        missing = set(service["profiles"]) - set(other["profiles"])
        if missing:
            yield f"depends_on {name}: it is not in {', '.join(sorted(missing))}"
        has_check = "healthcheck" in other or str(other["image"]).startswith("wattscope:")
        if condition == "service_healthy" and not has_check:
            yield f"depends_on {name}: it has no health check"
        if condition == "service_completed_successfully" and other["restart"] == "unless-stopped":
            yield f"depends_on {name}: it never ends"


def _find_right_faults(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    user = str(service.get("user", "0")).partition(":")[0]
    if (not user.isdigit() or int(user) == 0) and name not in _AS_ROOT:
        yield f"runs as {user}"
    if service.get("cap_drop") != ["ALL"]:
        yield "keeps capabilities"
    if service.get("cap_add") and name not in _AS_ROOT:
        yield "takes capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield "may gain privileges"


def _find_profile_faults(services: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for profile, promised in PROFILES.items():
        members = {name for name, one in services.items() if profile in one.get("profiles", ())}
        if members != promised:
            yield f"profile {profile} lacks or adds {', '.join(sorted(members ^ promised))}"
        ports = [
            str(port).split(":")[-2]
            for name in sorted(members)
            for port in services[name].get("ports", ())
        ]
        yield from (
            f"profile {profile} opens port {port} twice"
            for port in sorted(set(ports))
            if ports.count(port) > 1
        )


def _words(command: Any) -> list[Any]:  # noqa: ANN401  # a list, a text or nothing
    return command if isinstance(command, list) else [command or ""]
