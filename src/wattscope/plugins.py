"""The one table of what can be plugged in: name, where it is, and the extra that it needs.

A new source, store, detector or output is one line here, one file in its room, one case folder
and one page in the docs.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from wattscope.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Plugin:
    """Where an implementation is found."""

    path: str
    """Module and class, as ``wattscope.sources.mqtt:MqttSource``."""
    extra: str | None = None
    """Extra of the package that its libraries come with; None for the core."""


PLUGINS: dict[str, dict[str, Plugin]] = {
    "source": {
        "mqtt": Plugin("wattscope.sources.mqtt:MqttSource"),
        "modbus": Plugin("wattscope.sources.modbus:ModbusSource"),
        "p1": Plugin("wattscope.sources.telegram:TelegramSource"),
        "sml": Plugin("wattscope.sources.telegram:TelegramSource"),
        "influx": Plugin("wattscope.sources.line_writes:LineWrites"),
        "remote_write": Plugin("wattscope.sources.remote_writes:RemoteWrites"),
        "scrape": Plugin("wattscope.sources.scrape:ScrapeSource"),
    },
    "log": {
        "segments": Plugin("wattscope.logs.segment_log:SegmentLog"),
        "kafka": Plugin("wattscope.logs.kafka.kafka_log:KafkaLog", "kafka"),
    },
    "follower": {
        "segments": Plugin("wattscope.logs.segment_follower:SegmentFollower"),
        "kafka": Plugin("wattscope.logs.kafka.kafka_follower:KafkaFollower", "kafka"),
    },
    "minutes_follower": {
        "kafka": Plugin("wattscope.logs.kafka.minutes_follower:KafkaMinutes", "kafka")
    },
    "store": {
        "duckdb": Plugin("wattscope.stores.duckdb_store:DuckdbStore"),
        "postgres": Plugin("wattscope.stores.postgres.store:PostgresStore", "postgres"),
    },
    "variants": {
        "timescale": Plugin("wattscope.stores.postgres.variants:Variants", "postgres"),
    },
    "live": {
        "memory": Plugin("wattscope.live.memory_view:MemoryView"),
        "redis": Plugin("wattscope.live.redis.view:RedisView", "redis"),
    },
    "simulator": {
        "home": Plugin("wattscope.simulate.home_simulator:HomeSimulator"),
        "modbus": Plugin("wattscope.simulate.site_simulators:simulate_plant"),
        "solar": Plugin("wattscope.simulate.solar_simulator:SolarSimulator"),
        "grid": Plugin("wattscope.simulate.grid_simulator:GridSimulator"),
        "heatpump": Plugin("wattscope.simulate.site_simulators:simulate_heat_pump"),
    },
    "serial_server": {"rtu": Plugin("wattscope.simulate.modbus_serial:serve_serial", "serial")},
    "notifier": {
        "webhook": Plugin("wattscope.notifiers.webhook:WebhookNotifier"),
        "email": Plugin("wattscope.notifiers.mail:MailNotifier"),
        "mqtt": Plugin("wattscope.notifiers.mqtt:MqttNotifier"),
        "apprise": Plugin("wattscope.notifiers.apprise_bridge:AppriseNotifier", "notify"),
    },
    "output": {
        "prometheus": Plugin("wattscope.outputs.prometheus:DeviceMetrics"),
        "influx": Plugin("wattscope.outputs.influx:InfluxOutput"),
        "home_assistant": Plugin("wattscope.outputs.home_assistant:HomeAssistantOutput"),
    },
    "detector": {
        "clipping": Plugin("wattscope.detectors.clipping:Clipping"),
        "clock_shift": Plugin("wattscope.detectors.clock_shift:ClockShift"),
        "copied_day": Plugin("wattscope.detectors.copied_day:CopiedDay"),
        "counter_trust": Plugin("wattscope.detectors.counter_trust:CounterTrust"),
        "degradation": Plugin("wattscope.detectors.degradation:Degradation"),
        "expected_power": Plugin("wattscope.detectors.expected_power:ExpectedPower"),
        "flatline": Plugin("wattscope.detectors.flatline:Flatline"),
        "incomplete_day": Plugin("wattscope.detectors.incomplete_day:IncompleteDay"),
        "isolation_forest": Plugin("wattscope.detectors.isolation_forest:IsolationForestDetector"),
        "level_shift": Plugin("wattscope.detectors.level_shift:LevelShift"),
        "missing_data": Plugin("wattscope.detectors.missing_data:MissingData"),
        "outage": Plugin("wattscope.detectors.outage:Outage"),
        "peer_comparison": Plugin("wattscope.detectors.peer_comparison:PeerComparison"),
        "sensor_drift": Plugin("wattscope.detectors.sensor_drift:SensorDrift"),
        "shade": Plugin("wattscope.detectors.shade:Shade"),
        "soiling": Plugin("wattscope.detectors.soiling:Soiling"),
        "spike": Plugin("wattscope.detectors.spike:Spike"),
        "stale_value": Plugin("wattscope.detectors.stale_value:StaleValue"),
        "string_out": Plugin("wattscope.detectors.string_out:StringOut"),
        "unit_slip": Plugin("wattscope.detectors.unit_slip:UnitSlip"),
        "unusual_value": Plugin("wattscope.detectors.unusual_value:UnusualValue"),
    },
}
"""Role to name to plugin."""


def load_plugin(role: str, name: str) -> Any:  # noqa: ANN401  # a class of any port
    """The class of a plugin; its libraries are imported now and not before.

    Raises:
        SettingsError: No such plugin, or its extra is not installed.
    """
    known = PLUGINS[role]
    if name not in known:
        raise SettingsError([f"{role} {name!r} is unknown; valid are {', '.join(known)}"])
    plugin = known[name]
    module, _, attribute = plugin.path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as fault:
        if plugin.extra is None:
            raise
        raise SettingsError(
            [f"{role} {name} needs {fault.name}; run pip install 'wattscope[{plugin.extra}]'"]
        ) from fault
