"""The simulated house as a simulator: its past, and its messages to a broker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial

from wattscope.simulate.home_messages import history_batches, messages_at
from wattscope.simulate.home_settings import parse_home_simulation
from wattscope.simulate.publish import publish_to
from wattscope.simulate.simulator import HistoryColumns, Plan, Surroundings


class HomeSimulator:
    """A household with a smart meter and solar panels, over MQTT."""

    def __init__(self, plan: Plan) -> None:
        """Raises SettingsError where the table is wrong."""
        told = {} if plan.interval_s is None else {"interval_s": plan.interval_s}
        self.house = parse_home_simulation({**plan.table, **told}, time_zone=plan.time_zone)

    @property
    def epoch(self) -> date:
        """Day at whose start the registers showed their base values."""
        return self.house.epoch

    def history(self, start_us: int, end_us: int) -> Iterator[HistoryColumns]:
        """At the interval at which the house speaks."""
        return history_batches(self.house, start_us, end_us, self.house.interval_s)

    async def run(self, around: Surroundings) -> str:
        """Publish every slot's messages."""
        sent = await publish_to(
            partial(messages_at, self.house),
            around.broker_url,
            interval_s=self.house.interval_s,
            count=around.count,
        )
        return f"{sent} messages published to {around.broker_url.rpartition('@')[2]}"
