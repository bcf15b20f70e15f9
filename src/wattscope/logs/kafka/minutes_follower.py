"""The way out of ``aggregates`` on Kafka: what the Flink job writes, for the live view."""

from __future__ import annotations

from wattscope.logs.kafka.group_member import GroupMember
from wattscope.logs.kafka.minutes_reader import FindKnown, MinutesReader
from wattscope.logs.kafka.options import AGGREGATES, KafkaOptions
from wattscope.ports import FollowedMinutes


class KafkaMinutes(GroupMember[FollowedMinutes]):
    """Follows sums of minutes; for one thread but ``lag``."""

    def __init__(
        self,
        options: KafkaOptions,
        group: str,
        find_known: FindKnown,
        *,
        max_messages: int = 5000,
        session_timeout_s: float = 15.0,
    ) -> None:
        """Touch no network yet.

        Args:
            options: Checked already.
            group: Members of one name share the work; each name gets everything once.
            find_known: Ids of series by device and quantity, see ``FindKnown``.
            max_messages: See ``GroupMember``.
            session_timeout_s: A member that is silent for so long is taken for dead [s].
        """
        super().__init__(
            options,
            group,
            (AGGREGATES,),
            MinutesReader(find_known),
            max_messages=max_messages,
            session_timeout_s=session_timeout_s,
        )
