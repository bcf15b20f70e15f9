"""What a broker's reason codes mean, in words that say what to do."""

from __future__ import annotations

_REFUSALS_V311 = {
    1: "does not speak this version of MQTT",
    2: "does not accept the client id",
    3: "is not available now",
    4: "does not accept username and password",
    5: "does not authorise us: check username, password and its access list",
}
"""Return codes of CONNACK (MQTT 3.1.1, table 3.1)."""
_REASONS_V5 = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "does not speak this version of MQTT",
    0x85: "does not accept the client id",
    0x86: "does not accept username and password",
    0x87: "does not authorise us: check username, password and its access list",
    0x88: "is not available now",
    0x89: "is busy",
    0x8A: "has banned this client",
    0x8B: "is shutting down",
    0x8C: "bad authentication method",
    0x8D: "did not hear from us within the keep-alive time",
    0x8E: "gave the session to another program with the same client id",
    0x8F: "topic filter not accepted",
    0x90: "topic name not accepted",
    0x91: "packet identifier in use",
    0x92: "packet identifier not found",
    0x93: "receive maximum exceeded",
    0x94: "topic alias not valid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "closed the connection by an administrator's order",
    0x99: "payload format not valid",
    0x9A: "does not keep retained messages",
    0x9B: "does not support this quality of service",
    0x9C: "asks to use another server for now",
    0x9D: "has moved to another server",
    0x9E: "does not support shared subscriptions",
    0x9F: "connection rate exceeded",
    0xA0: "has reached the longest time a connection may last",
    0xA1: "does not support subscription identifiers",
    0xA2: "does not support wildcards in topic filters",
}
"""Reason codes of failure (MQTT 5, 2.4)."""


def describe_refusal(code: int, reason: str = "") -> str:
    """Why the broker did not accept the connection.

    >>> describe_refusal(4)
    'the broker does not accept username and password (code 4)'
    """
    return _sentence(_REFUSALS_V311.get(code) or _REASONS_V5.get(code), code, reason)


def describe_reason(code: int, reason: str = "") -> str:
    """Why the broker ended the connection or refused a subscription.

    Args:
        code: A reason code of MQTT 5, or 0x80 of an MQTT 3.1.1 SUBACK.
        reason: The broker's own words, where it gave some.

    >>> describe_reason(0x8B, "back at noon")
    'the broker is shutting down (code 0x8B): back at noon'
    """
    return _sentence(_REASONS_V5.get(code), code, reason)


def _sentence(words: str | None, code: int, reason: str) -> str:
    number = f"{code:#04X}".replace("X", "x") if code >= 0x80 else str(code)
    said = words or "gave a reason that the standard does not know"
    verb = "" if said.split()[0] in _VERBS else "says: "
    return f"the broker {verb}{said} (code {number})" + (f": {reason}" if reason else "")


_VERBS = {"asks", "closed", "did", "does", "gave", "has", "is"}
