"""The way out of the log on Kafka: readings and quarantine, shared by the members of a group.

A message that cannot be read is given as a quarantined item, and the rest goes on.
"""

from __future__ import annotations

from wattscope.logs.kafka.group_member import GroupMember
from wattscope.logs.kafka.message_reader import FindSeries, MessageReader
from wattscope.logs.kafka.options import QUARANTINE, READINGS, KafkaOptions
from wattscope.ports import FollowedRecord


class KafkaFollower(GroupMember[FollowedRecord]):
    """Follows readings and quarantine; for one thread but ``lag``."""

    def __init__(
        self,
        options: KafkaOptions,
        group: str,
        find_series: FindSeries,
        *,
        max_messages: int = 5000,
        session_timeout_s: float = 15.0,
        longest_work_s: float = 300.0,
    ) -> None:
        """Touch no network yet.

        Args:
            options: Checked already.
            group: Members of one name share the work; each name gets everything once.
            find_series: Ids of quantities of a device, see ``FindSeries``.
            max_messages: See ``GroupMember``; likewise the others.
            session_timeout_s: A member that is silent for so long is taken for dead [s].
            longest_work_s: Longest time between two polls [s].
        """
        super().__init__(
            options,
            group,
            (READINGS, QUARANTINE),
            MessageReader(options.topic(READINGS), find_series),
            max_messages=max_messages,
            session_timeout_s=session_timeout_s,
            longest_work_s=longest_work_s,
        )
