"""What cannot be meant by the tables that join several processes."""

from __future__ import annotations

from urllib.parse import urlsplit

from wattscope.settings.tables import Settings

_SCHEMES = {
    "storage.url": ("postgresql", "postgres"),
    "log.url": ("kafka", "kafkas"),
    "live.url": ("redis", "rediss"),
}


def find_cluster_faults(settings: Settings) -> list[str]:
    """What is well formed but cannot be meant; a URL is never shown, for it may hold a password."""
    faults = []
    for name, url in _list_urls(settings):
        valid = _SCHEMES[name]
        if url is not None and _scheme_of(url) not in valid:
            faults.append(f"{name}: write it as {valid[0]}://host, with {' or '.join(valid)}")
    if settings.log.url is not None and settings.storage.url is None:
        faults.append(
            "log.url: processes that share a log need a store that they share; set storage.url"
        )
    if settings.log.partitions < 1:
        faults.append("log.partitions: must be at least 1")
    if settings.log.replication is not None and settings.log.replication < 1:
        faults.append("log.replication: must be at least 1")
    if not settings.log.retention_days >= 0:
        faults.append("log.retention_days: must be 0 (as the cluster says) or more")
    return faults


def has_cluster_secret(settings: Settings) -> bool:
    """Whether a URL holds a password, so that nobody else may read the file."""
    return any(url is not None and _holds_password(url) for _, url in _list_urls(settings))


def _list_urls(settings: Settings) -> list[tuple[str, str | None]]:
    return [
        ("storage.url", settings.storage.url),
        ("log.url", settings.log.url),
        ("live.url", settings.live.url),
    ]


def _scheme_of(url: str) -> str:
    return url.partition("://")[0] if "://" in url else ""


def _holds_password(url: str) -> bool:
    try:
        login = urlsplit(url).netloc.rpartition("@")[0]
    except ValueError:
        return False
    return ":" in login
