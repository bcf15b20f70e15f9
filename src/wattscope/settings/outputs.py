"""The table of ``wattscope.toml`` that says who is passed on what was accepted."""

from __future__ import annotations

import msgspec

OUTPUT_TYPES = ("influx", "home_assistant")


class OutputSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[outputs]]``: systems to which everything is passed on."""

    name: str
    """Name on the health page; with it the place in the log is remembered."""
    type: str = "influx"
    """Kind of output: influx or home_assistant."""
    url: str | None = None
    """influx: http://host:8086 or https://host. home_assistant: mqtt://host:1883 or
    mqtts://host; left out, the broker of [broker]. Without a password."""
    database: str | None = None
    """Database of an InfluxDB 1; it must exist."""
    retention_policy: str | None = None
    """Retention policy of that database; left out, its default one."""
    bucket: str | None = None
    """Bucket of an InfluxDB 2, in place of database."""
    org: str | None = None
    """Organization that the bucket belongs to."""
    username: str | None = None
    """User of an InfluxDB 1, or at the broker."""
    password_file: str | None = None
    """File whose first line is the password of the user."""
    token_file: str | None = None
    """File whose first line is the token for an InfluxDB 2."""
    ca_file: str | None = None
    """Certificate authority to trust instead of the system's."""
    layout: str = "fields"
    """fields: each quantity is a field of one measurement; values: it is a measurement with the
    field value."""
    measurement: str = "wattscope"
    """Name of the one measurement of the layout fields."""
    quantities: tuple[str, ...] = ("*",)
    """Names or patterns of the quantities that are passed on, such as energy_*."""
    devices: tuple[str, ...] = ("*",)
    """Likewise of devices."""
    batch: int = 5000
    """Most points of one request."""
    every_s: float = 1.0
    """How long values gather before they are sent [s]."""
    discovery: str = "homeassistant"
    """home_assistant: the topic under which it looks for devices."""
    topic: str = "wattscope"
    """home_assistant: the topic under which states stand; another one for each installation."""
    keep_mb: float = 1024.0
    """influx: log that is kept while it is away [MB]; what is older is not sent, and told."""
