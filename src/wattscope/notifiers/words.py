"""A notice as JSON for programs, and as text for people.

Names come from devices and people: they are data, and never end a line or a header.
"""

from __future__ import annotations

import json
from typing import Any

from wattscope.core.alerting import AlertEvent, Notice
from wattscope.core.time_grid import format_utc, from_us, load_zone

_EVENTS = {
    AlertEvent.RAISED: "",
    AlertEvent.REMINDED: "Still: ",
    AlertEvent.CLEARED: "Over: ",
}


def describe_notice(notice: Notice) -> dict[str, Any]:
    """A notice as plain values; times in UTC, values in base units."""
    return {
        "id": notice.id,
        "event": notice.event.value,
        "alert": notice.alert,
        "rule": notice.rule,
        "site": notice.site,
        "device": notice.device,
        "device_name": notice.device_name,
        "severity": notice.severity.value,
        "title": notice.title,
        "detail": notice.detail,
        "value": notice.value,
        "recommendation": notice.recommendation,
        "at": format_utc(notice.at_us),
    }


def encode_notice(notice: Notice) -> bytes:
    """The same as JSON."""
    return json.dumps(describe_notice(notice), ensure_ascii=False).encode(errors="replace")


def word_subject(notice: Notice) -> str:
    r"""One line, with how bad it is in front.

    >>> from wattscope.core.findings import Severity
    >>> word_subject(Notice("", AlertEvent.CLEARED, 1, "Hot", "Farm", "p", "P", Severity.WARNING,
    ...                     "Hot:\npanel", "", 0, "UTC"))
    '[warning] Over: Hot: panel'
    """
    return f"[{notice.severity.value}] {_EVENTS[notice.event]}{_one_line(notice.title)}"


def word_text(notice: Notice) -> str:
    """Some lines; the time is local."""
    local = from_us(notice.at_us).astimezone(load_zone(notice.time_zone))
    lines = [
        _one_line(notice.detail),
        notice.recommendation,
        f"{local:%Y-%m-%d %H:%M:%S} {notice.time_zone}",
        f"Site: {_one_line(notice.site)}",
        f"Device: {_one_line(notice.device_name)} ({_one_line(notice.device)})"
        if notice.device
        else "",
        f"Rule: {_one_line(notice.rule)}",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _one_line(text: str) -> str:
    """A text without line ends and other control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
