"""What a cluster answers, in words that say what, where and what to do."""

# ruff: noqa: SLF001  # the library's names of its own errors begin with an underscore

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from confluent_kafka import KafkaError

from wattscope.core.errors import TransientError
from wattscope.logs.kafka.options import KafkaOptions

_NOBODY = "cannot be reached; start it, or correct its address"
_SLOW = "does not answer in time; look whether it is overloaded or cut off"
_LOGIN = "does not accept user and password; correct them, or mechanism"
_TOPIC_LOST = "has lost a topic; it is made again with the next try"
_FEW_COPIES = "has too few copies in sync; start its other brokers"
_FORBIDDEN = "is not allowed to this user; grant it in the cluster"
_WORDS: Final = MappingProxyType(
    {
        KafkaError._AUTHENTICATION: _LOGIN,
        KafkaError.SASL_AUTHENTICATION_FAILED: _LOGIN,
        KafkaError.UNSUPPORTED_SASL_MECHANISM: "does not know this mechanism; correct mechanism",
        KafkaError._SSL: "does not pass the TLS check; correct ca_file, or kafka:// and kafkas://",
        KafkaError._TRANSPORT: _NOBODY,
        KafkaError._ALL_BROKERS_DOWN: _NOBODY,
        KafkaError._RESOLVE: "has a name that cannot be resolved; correct its address",
        KafkaError._TIMED_OUT: _SLOW,
        KafkaError._MSG_TIMED_OUT: _SLOW,
        KafkaError.TOPIC_AUTHORIZATION_FAILED: _FORBIDDEN,
        KafkaError.GROUP_AUTHORIZATION_FAILED: _FORBIDDEN,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: _FORBIDDEN,
        KafkaError.UNKNOWN_TOPIC_OR_PART: _TOPIC_LOST,
        KafkaError._UNKNOWN_TOPIC: _TOPIC_LOST,
        KafkaError.MSG_SIZE_TOO_LARGE: "refuses messages so long; raise its limit",
        KafkaError.NOT_ENOUGH_REPLICAS: _FEW_COPIES,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: _FEW_COPIES,
        KafkaError.INVALID_REPLICATION_FACTOR: (
            "has fewer brokers than the copies wanted; lower replication"
        ),
        KafkaError._INVALID_ARG: "cannot be asked so; correct ca_file, certificate_file, key_file",
    }
)

TELLING: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError._SSL,
        KafkaError._RESOLVE,
    }
)
"""Faults that explain the time-outs which follow from them, and that waiting does not heal."""


def explain(fault: KafkaError, doing: str, options: KafkaOptions) -> TransientError:
    """An error for callers, who try again.

    Args:
        fault: What the library or the cluster said.
        doing: What was wanted, as ``writing to sensor-readings``.
        options: Name the brokers; the password is kept out of the words.
    """
    said = fault.str()
    if options.password:
        said = said.replace(options.password, "***")
    words = _WORDS.get(fault.code(), "refuses")
    return TransientError(f"{doing}: Kafka at {options.where} {words} ({said})")


class LastFault:
    """What the cluster was heard to complain of since something worked."""

    def __init__(self) -> None:
        self.fault: KafkaError | None = None

    def note(self, fault: KafkaError) -> None:
        """Remember a fault; one that explains the others stays."""
        if self.fault is None or _rank(fault) >= _rank(self.fault):
            self.fault = fault

    def forget(self) -> None:
        self.fault = None

    @property
    def is_telling(self) -> bool:
        """Whether waiting is of no use."""
        return self.fault is not None and self.fault.code() in TELLING

    def choose(self, seen: KafkaError) -> KafkaError:
        """The fault to tell of: what was heard explains a mere time-out."""
        if self.fault is None:
            return seen
        vague = (KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT)
        return self.fault if seen.code() in vague or self.is_telling else seen


def _rank(fault: KafkaError) -> int:
    """How much a fault explains: a connection that ended may be one of many."""
    if fault.code() in TELLING:
        return 2
    return 0 if fault.code() == KafkaError._TRANSPORT else 1
