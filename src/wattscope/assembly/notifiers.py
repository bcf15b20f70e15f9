"""Channels of the settings as notifiers; secrets are read from their files here."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wattscope.core.errors import SettingsError
from wattscope.plugins import load_plugin
from wattscope.ports import Notifier
from wattscope.settings import NotifySettings, Settings

_SMTP_PORTS = {"smtp": 587, "smtps": 465}


def build_notifiers(settings: Settings) -> dict[str, Notifier]:
    """All channels, by name.

    Raises:
        SettingsError: A file cannot be read, an address is none, or an extra is not installed; the
            channel is named.
    """
    notifiers: dict[str, Notifier] = {}
    for one in settings.notify:
        try:
            notifiers[one.name] = _build(one, settings)
        except SettingsError as fault:
            raise SettingsError([f"notify.{one.name}: {word}" for word in fault.faults]) from fault
    return notifiers


def _build(channel: NotifySettings, settings: Settings) -> Notifier:
    # Before its options, so that a missing extra is named.
    notifier = load_plugin("notifier", channel.type)
    made: Notifier = notifier(_build_options(channel, settings))
    return made


def _build_options(channel: NotifySettings, settings: Settings) -> Any:  # noqa: ANN401  # of any notifier
    url = channel.url or _read_secret(channel.url_file) or ""
    password = _read_secret(channel.password_file)
    ca_file = Path(channel.ca_file) if channel.ca_file else None
    if channel.type == "webhook":
        from wattscope.notifiers.webhook import WebhookOptions  # noqa: PLC0415  # only what is used

        return WebhookOptions(url, channel.username, password, ca_file)
    if channel.type == "mqtt":
        from wattscope.notifiers.mqtt import MqttNotifierOptions  # noqa: PLC0415  # likewise

        own = f"mqtt://{settings.broker.host}:{settings.broker.port}"
        return MqttNotifierOptions(url or own, channel.topic, channel.username, password, ca_file)
    if channel.type == "apprise":
        from wattscope.notifiers.apprise_bridge import AppriseOptions  # noqa: PLC0415  # likewise

        return AppriseOptions(url)
    return _build_mail_options(channel, url, password, ca_file)


def _build_mail_options(
    channel: NotifySettings, url: str, password: str | None, ca_file: Path | None
) -> Any:  # noqa: ANN401  # of any notifier
    from wattscope.notifiers.mail import MailOptions  # noqa: PLC0415  # only what is used

    address = urlsplit(url)
    if address.scheme not in _SMTP_PORTS or not address.hostname:
        raise SettingsError(["url is no mail server; write smtp://host:587 or smtps://host"])
    return MailOptions(
        host=address.hostname,
        port=address.port or _SMTP_PORTS[address.scheme],
        sender=channel.sender or "",
        recipients=channel.recipients,
        is_tls=address.scheme == "smtps",
        is_starttls=channel.starttls,
        username=channel.username,
        password=password,
        ca_file=ca_file,
    )


def _read_secret(path: str | None) -> str | None:
    """The first line of a file.

    Raises:
        SettingsError: It cannot be read.
    """
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError) as fault:
        raise SettingsError([f"{path} cannot be read ({fault})"]) from fault
