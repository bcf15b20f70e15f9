"""A cluster of real processes over real servers; each is started, asked and ended by its id."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.pour import write_profiles
from tests.chaos.program import ROOT, RUN_PROGRAM, Program

N_PARTITIONS = 4
"""Of the topic with the readings."""
SETTINGS = """\
[site]
id = "grid"

[broker]
embedded = false

[[sources]]
name = "poured"
url = "{mqtt}"
client_id = "{prefix}"
profiles = ["poured-panels", "poured-meters"]

[storage]
url = "{postgres}"
{password}

[log]
url = "{kafka}/{prefix}."
partitions = {partitions}

[live]
url = "{redis}"

{more}
"""


@dataclass
class Cluster:
    """Processes of one installation."""

    folder: Path
    mqtt: str
    postgres: str
    kafka: str
    """``host:port`` of a broker."""
    redis: str
    prefix: str
    """Of topics and clients, so that tests share servers."""
    password_file: Path | None = None
    """Of PostgreSQL."""
    more: str = ""
    """Further settings."""
    processes: dict[str, Program] = field(default_factory=dict)

    def add(
        self, role: str, name: str, mqtt: str | None = None, mutation: str | None = None
    ) -> Program:
        """Start one more process.

        Args:
            role: As ``--role``.
            name: As ``--name``.
            mqtt: Where it finds the broker, if elsewhere.
            mutation: Of ``mutant.py``.
        """
        folder = self.folder / f"{role}-{name}"
        folder.mkdir()
        write_profiles(folder)
        settings = SETTINGS.format(
            mqtt=mqtt or self.mqtt,
            postgres=self.postgres,
            password=f'password_file = "{self.password_file}"' if self.password_file else "",
            kafka=f"kafka://{self.kafka}",
            redis=self.redis,
            prefix=self.prefix,
            partitions=N_PARTITIONS,
            more=self.more,
        )
        mutant = str(ROOT / "tests" / "chaos" / "mutant.py")
        launcher = (mutant, mutation) if mutation else RUN_PROGRAM
        process = Program(folder, settings, launcher, ("run", "--role", role, "--name", name))
        self.processes[f"{role}-{name}"] = process
        process.start()
        return process

    def end(self) -> None:
        """End all of them, whatever became of them."""
        for one in self.processes.values():
            one.end()
