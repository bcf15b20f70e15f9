"""From the topic of a Modbus poll to the register map of its device."""

from __future__ import annotations

from collections.abc import Mapping

from wattscope.compute.decode.registers import make_register_decoder
from wattscope.compute.routing import TopicRoute
from wattscope.core.fleet import Fleet, Meter


class FleetRouter:
    """Routes of the meters of a fleet; one fleet takes the place of another as a whole."""

    def __init__(self) -> None:
        self._routes: dict[str, TopicRoute] = {}
        self._meters: dict[str, Meter] = {}

    @property
    def meters(self) -> Mapping[str, Meter]:
        """The meters of the fleet by topic; another object after each ``follow``."""
        return self._meters

    def follow(self, fleet: Fleet) -> None:
        """Route by a fleet from now on; decoders of meters that did not change are kept."""
        kept = {
            topic: self._routes[topic]
            for topic, meter in ((one.topic, one) for one in fleet.meters)
            if self._meters.get(topic) == meter
        }
        self._meters = {meter.topic: meter for meter in fleet.meters}
        self._routes = {
            topic: kept.get(topic) or _make_route(meter) for topic, meter in self._meters.items()
        }

    def find(self, topic: str) -> TopicRoute | None:
        """The route of a topic, or None when no meter of the fleet has it."""
        return self._routes.get(topic)


def _make_route(meter: Meter) -> TopicRoute:
    return TopicRoute(
        filter=meter.topic,
        profile=meter.map.name,
        decode=make_register_decoder(meter.device.id, meter.map),
        kind=meter.device.kind,
        interval_s=meter.device.interval_s,
        rollover_wh=meter.device.rollover_wh,
    )
