"""How the pages of exporters are asked for; secrets are read from their files here."""

from __future__ import annotations

import base64
from pathlib import Path

from wattscope.assembly.cluster import read_secret
from wattscope.settings import SourceSettings
from wattscope.sources.page_getter import GetterOptions
from wattscope.sources.pushed_writes import MB


def build_getter_options(source: SourceSettings) -> GetterOptions:
    """The options of a source of type ``scrape``.

    Raises:
        SettingsError: A secret cannot be read.
    """
    at = f"sources.{source.name}"
    token = read_secret(f"{at}.token_file", source.token_file)
    password = read_secret(f"{at}.password_file", source.password_file)
    authorization = None if token is None else f"Bearer {token.strip()}"
    if password is not None:
        login = base64.b64encode(f"{source.username}:{password}".encode()).decode()
        authorization = f"Basic {login}"
    return GetterOptions(
        timeout_s=source.timeout_s,
        max_bytes=int(source.max_body_mb * MB),
        authorization=authorization,
        ca_file=None if source.ca_file is None else Path(source.ca_file),
    )
