"""Makes the passwords of compose.yaml at the first start, and hands each to who needs it.

    make_secrets.py make    what is missing is made; what is there stays
    make_secrets.py show    prints those that people type in

Every secret is random and kept once in ``all/``, for root alone. Each service gets copies of its
own in a folder of its own, which is a volume that no other service sees, readable by the user that
the service runs as and by nobody else. Mosquitto and Redis get hashes where that is enough.
It needs nothing but Python, and the right to give files away (``--root`` elsewhere: none).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

N_BYTES = 24
"""Random bytes of a secret; 32 characters of a URL-safe alphabet."""
N_ROUNDS = 20_000
"""Of PBKDF2 over Mosquitto's passwords; against 192 random bits one would do."""

NAMES = (
    "mqtt_meter",
    "mqtt_telegraf",
    "mqtt_wattscope",
    "write_token",
    "influxdb_password",
    "influxdb_token",
    "database_admin",
    "database_grafana",
    "database_wattscope",
    "redis_wattscope",
    "grafana_password",
)
"""All secrets; letters, digits and _ alone, as Telegraf wants them."""

SHOWN = {
    "grafana_password": "Grafana, user admin",
    "influxdb_password": "InfluxDB, user admin",
    "mqtt_meter": "MQTT, user meter: for your devices",
    "write_token": "token for /write of Wattscope",
}
"""What people type in, and where."""

Secrets = Mapping[str, str]


def write_mosquitto_passwords(known: Secrets) -> str:
    """Mosquitto's password file: PBKDF2 with SHA-512, as ``mosquitto_passwd`` writes it."""
    lines = []
    for user in ("meter", "telegraf", "wattscope"):
        salt = secrets.token_bytes(12)
        password = known[f"mqtt_{user}"].encode()
        hashed = hashlib.pbkdf2_hmac("sha512", password, salt, N_ROUNDS)
        parts = (base64.b64encode(part).decode() for part in (salt, hashed))
        lines.append(f"{user}:$7${N_ROUNDS}${'$'.join(parts)}\n")
    return "".join(lines)


def write_redis_users(known: Secrets) -> str:
    """Redis' access list: the user of docs/redis.md, and everybody may ask PING."""
    hashed = hashlib.sha256(known["redis_wattscope"].encode()).hexdigest()
    return (
        "user default on nopass resetkeys resetchannels -@all +ping\n"
        f"user wattscope on #{hashed} ~wattscope:* &wattscope:* "
        "-@all +@connection +@pubsub +@scripting +@read +@write +info\n"
    )


class Reader(NamedTuple):
    """A service that gets secrets."""

    user: int
    """Its user id, as in compose.yaml."""
    names: tuple[str, ...]
    made: Mapping[str, Callable[[Secrets], str]] = {}
    """Files that are made from secrets."""


READERS = {
    "wattscope": Reader(
        10001, ("mqtt_wattscope", "write_token", "database_wattscope", "redis_wattscope")
    ),
    "mosquitto": Reader(1883, (), {"passwords": write_mosquitto_passwords}),
    "telegraf": Reader(999, ("mqtt_telegraf", "write_token", "influxdb_token")),
    "influxdb": Reader(1000, ("influxdb_password", "influxdb_token")),
    "timescaledb": Reader(70, ("database_admin", "database_grafana", "database_wattscope")),
    "redis": Reader(999, (), {"users.acl": write_redis_users}),
    "grafana": Reader(472, ("grafana_password", "influxdb_token", "database_grafana")),
}


def make(root: Path) -> None:
    """Make what is missing, and give every service its copies anew."""
    kept = root / "all"
    kept.mkdir(parents=True, exist_ok=True)
    kept.chmod(0o700)
    for name in NAMES:
        if not (kept / name).exists():
            write(kept / name, secrets.token_urlsafe(N_BYTES), os.geteuid())
    known = read(root)
    for service, reader in READERS.items():
        folder = root / service
        folder.mkdir(exist_ok=True)
        for name in reader.names:
            write(folder / name, known[name], reader.user)
        for name, build in reader.made.items():
            write(folder / name, build(known), reader.user)


def read(root: Path) -> dict[str, str]:
    """All secrets by name."""
    return {name: (root / "all" / name).read_text(encoding="ascii") for name in NAMES}


def write(path: Path, text: str, user: int) -> None:
    """Write a file that is whole or not there, for one user alone."""
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if os.geteuid() == 0:
        os.chown(aside, user, user)
    aside.replace(path)


def show(root: Path) -> None:
    """Print what people type in."""
    known = read(root)
    for name, where in SHOWN.items():
        sys.stdout.write(f"{where}: {known[name]}\n")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Passwords of compose.yaml")
    parser.add_argument("verb", choices=("make", "show"))
    parser.add_argument("--root", type=Path, default=Path("/secrets"), help="where they are kept")
    arguments = parser.parse_args()
    {"make": make, "show": show}[arguments.verb](arguments.root)


if __name__ == "__main__":
    main()
