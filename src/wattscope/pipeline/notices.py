"""Which channels are told of what, and the messages they get."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

from wattscope.alerts.wording import name_device
from wattscope.core.alerting import (
    Alert,
    AlertEvent,
    AlertRule,
    AlertState,
    Delivery,
    DeliveryState,
    Notice,
)
from wattscope.core.topology import Device, Site


@dataclass(frozen=True, slots=True)
class Channel:
    """Where alerts are told."""

    name: str
    kind: str
    tells_end: bool = False
    """Whether it is also told when an alert is over."""


def make_deliveries(
    event: AlertEvent,
    alert: Alert,
    rule: AlertRule,
    place: tuple[Device | None, Site | None],
    channels: Iterable[Channel],
    recommendation: str,
) -> list[Delivery]:
    """The messages of an event; none while an alert is silenced.

    Their ids are made of what they are about, so that the same event never makes two.
    """
    if alert.state is AlertState.SILENCED:
        return []
    device, site = place
    deliveries = []
    for channel in channels:
        if rule.channels and channel.name not in rule.channels:
            continue
        if event is AlertEvent.CLEARED and not channel.tells_end:
            continue
        notice = Notice(
            id=_make_id(event, alert, channel),
            event=event,
            alert=alert.id,
            rule=rule.name,
            site="" if site is None else site.name,
            device=alert.device,
            device_name=name_device(device, alert.device),
            severity=alert.severity,
            title=alert.title,
            detail=alert.detail,
            at_us=alert.changed_at_us,
            time_zone="UTC" if site is None else site.time_zone,
            value=alert.value if math.isfinite(alert.value) else None,
            recommendation=recommendation,
        )
        deliveries.append(
            Delivery(
                notice,
                channel.name,
                DeliveryState.WAITING,
                alert.changed_at_us,
                alert.changed_at_us,
            )
        )
    return deliveries


def _make_id(event: AlertEvent, alert: Alert, channel: Channel) -> str:
    words = [event.value, alert.rule, alert.device, alert.key, alert.raised_at_us, channel.name]
    if event is AlertEvent.REMINDED:
        words.append(alert.changed_at_us)
    text = "\n".join(map(str, words))
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()
