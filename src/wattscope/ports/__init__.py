"""The ports: what the stages may ask of sources, logs, stores and the rest.

Each protocol says what is *always*, what is *never* and what is *not guaranteed*.
Every implementation passes the contract suite of its port in ``tests/contracts``.
"""

from wattscope.ports.live import LiveMinutes, LiveView, MinuteSums
from wattscope.ports.logs import (
    EventLog,
    FollowedMinutes,
    FollowedRecord,
    Follower,
    LogFollower,
    LogRecord,
    LogWriter,
    MinutesFollower,
)
from wattscope.ports.messages import Quarantined, RawMessage, Reception, SetAside, Source
from wattscope.ports.outputs import Output, OutputReceipt
from wattscope.ports.sharing import Registry, WorkShare
from wattscope.ports.stores import Chart, Rollup, Store, StoreReceipt, Table
from wattscope.ports.watching import Detector, Notifier

__all__ = [
    "Chart",
    "Detector",
    "EventLog",
    "FollowedMinutes",
    "FollowedRecord",
    "Follower",
    "LiveMinutes",
    "LiveView",
    "LogFollower",
    "LogRecord",
    "LogWriter",
    "MinuteSums",
    "MinutesFollower",
    "Notifier",
    "Output",
    "OutputReceipt",
    "Quarantined",
    "RawMessage",
    "Reception",
    "Registry",
    "Rollup",
    "SetAside",
    "Source",
    "Store",
    "StoreReceipt",
    "Table",
    "WorkShare",
]
