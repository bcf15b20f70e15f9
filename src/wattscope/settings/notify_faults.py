"""What cannot be meant in ``[[notify]]``."""

from __future__ import annotations

from urllib.parse import urlsplit

from wattscope.core.server_address import BROKER, split_address
from wattscope.core.topology import is_safe_name
from wattscope.settings.tables import NOTIFY_TYPES, NotifySettings

_SCHEMES = {
    "webhook": ("https", "http"),
    "email": ("smtp", "smtps"),
    "mqtt": BROKER,
}
_MAX_NAME = 64


def find_notify_faults(channels: tuple[NotifySettings, ...]) -> list[str]:
    """All of it, each as one line."""
    faults = []
    seen: set[str] = set()
    for one in channels:
        at = f"notify.{one.name}"
        if not is_safe_name(one.name) or len(one.name) > _MAX_NAME:
            faults.append(f"{at}: {one.name!r} is no name; use letters, digits, - and _")
        if one.name in seen:
            faults.append(f"{at}: the name is there twice; remove one")
        seen.add(one.name)
        if one.type not in NOTIFY_TYPES:
            valid = ", ".join(NOTIFY_TYPES)
            faults.append(f"{at}.type: {one.type!r} is unknown; valid are {valid}")
            continue
        faults += _find_url_faults(at, one)
        if one.type == "email":
            faults += _find_mail_faults(at, one)
    return faults


def holds_secret(channel: NotifySettings) -> bool:
    """Whether the settings file itself holds what nobody else may read."""
    if channel.type == "apprise":
        return channel.url is not None
    try:
        return bool(urlsplit(channel.url or "").password)
    except ValueError:
        return False


def _find_url_faults(at: str, one: NotifySettings) -> list[str]:
    if one.url and one.url_file:
        return [f"{at}: url and url_file exclude each other"]
    if not one.url and not one.url_file:
        # The program's own broker needs none.
        return [] if one.type == "mqtt" else [f"{at}.url: say where to send to"]
    schemes = _SCHEMES.get(one.type)
    if schemes is None or one.url is None:
        return []
    # The URL itself may hold a secret: it is not repeated.
    words = f"{at}.url: must begin with {schemes[0]}:// and name a host"
    return [words] if split_address(one.url, schemes) is None else []


def _find_mail_faults(at: str, one: NotifySettings) -> list[str]:
    faults = []
    if one.sender is None or not _is_address(one.sender):
        faults.append(f"{at}.sender: give the address that the e-mails come from")
    if not one.recipients:
        faults.append(f"{at}.recipients: name at least one address")
    faults += [
        f"{at}.recipients: {address!r} is no address"
        for address in one.recipients
        if not _is_address(address)
    ]
    return faults


def _is_address(text: str) -> bool:
    """Whether a text may be an address of e-mail; only a letter to it would tell."""
    user, at, host = text.partition("@")
    return bool(user and at and host) and text.isprintable() and not any(map(str.isspace, text))
