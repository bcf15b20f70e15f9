"""Settles which device a message is from when topic and payload may both name it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattscope.compute.decode.json_path import ABSENT, find
from wattscope.compute.decode.route import (
    MAX_NAME,
    Route,
    check_name,
    is_known_safe,
    read_device,
)
from wattscope.compute.decode.strict_json import excerpt
from wattscope.core.findings import ReasonCode, Rejection


def is_sender(name: str, topic: str, route: Route) -> bool:
    """Whether a payload's device key is safe and the very level of the topic.

    False means only that the slow way has to find out what is wrong.
    """
    level = route.device_pattern.topic_level
    if level is None or len(name) > MAX_NAME or not is_known_safe(name):
        return False
    levels = topic.split("/")
    return -len(levels) <= level < len(levels) and levels[level] == name


def settle_device(topic: str, claimed: object, route: Route) -> str | Rejection:
    """The device's key from the topic and from the payload, which must agree.

    Args:
        topic: The topic of the message.
        claimed: What the payload states: a text, an integer, or ``ABSENT``.
        route: The route of the message.
    """
    pattern = route.device_pattern
    if claimed is ABSENT:
        return read_device(topic, pattern)
    if isinstance(claimed, bool) or not isinstance(claimed, str | int):
        kind = type(claimed).__name__
        return Rejection(ReasonCode.WRONG_TYPE, f"the device's name is a {kind}")
    name = check_name(str(claimed))
    if isinstance(name, Rejection) or pattern.topic_level is None:
        return name
    expected = read_device(topic, pattern)
    if isinstance(expected, Rejection) or expected == name:
        return expected
    return Rejection(
        ReasonCode.IDENTITY_MISMATCH,
        f"topic names {excerpt(expected)}, payload names {excerpt(name)}",
    )


def find_device(topic: str, document: Mapping[str, Any], route: Route) -> str | Rejection:
    """The device's key where the payload's place for it is told by the profile."""
    pattern = route.device_pattern
    if pattern.name is not None or not pattern.payload:
        return read_device(topic, pattern)
    return settle_device(topic, find(document, pattern.payload), route)
