"""Who may write points over HTTP, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wattscope.assembly.cluster import read_secret
from wattscope.assembly.feeds import Feed
from wattscope.core.errors import SettingsError
from wattscope.settings import Settings, SourceSettings
from wattscope.sources.line_writes import LineWrites
from wattscope.web.line_desk import LineDesk
from wattscope.web.write_desk import Login

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_MIN_TOKEN: Final = 16
"""A shorter token could be guessed [characters]."""
_MAX_TOKENS: Final = 1000


def build_line_desk(settings: Settings, feeds: Sequence[Feed]) -> LineDesk | None:
    """The desk over the source that is written to; None where there is none.

    Raises:
        SettingsError: A secret cannot be read, or others could write without one.
    """
    source = next((one for one in settings.sources if one.type == "influx"), None)
    writes = next((one.source for one in feeds if isinstance(one.source, LineWrites)), None)
    if source is None or writes is None:
        return None
    return LineDesk(writes, read_guarded_login(settings, source))


def read_guarded_login(settings: Settings, source: SourceSettings) -> Login:
    """The login of a source that is written to over HTTP.

    Raises:
        SettingsError: A secret cannot be read, or others could write without one.
    """
    login = read_login(source)
    if not login.is_needed and settings.server.host not in _LOOPBACK:
        raise SettingsError(
            f"sources.{source.name}: everybody who can reach {settings.server.host} could write; "
            "set token_file, or username and password_file"
        )
    return login


def read_login(source: SourceSettings) -> Login:
    """Tokens and password of a source, from their files.

    Raises:
        SettingsError: A file cannot be read, or holds what can be guessed.
    """
    at = f"sources.{source.name}"
    tokens = []
    if source.token_file is not None:
        tokens = _read_tokens(f"{at}.token_file", source.token_file)
    password = read_secret(f"{at}.password_file", source.password_file)
    if password is not None and len(password) < _MIN_TOKEN // 2:
        raise SettingsError(f"{at}.password_file: has less than {_MIN_TOKEN // 2} characters")
    return Login.build(tokens, source.username, password)


def _read_tokens(at: str, file: str) -> list[str]:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as fault:
        raise SettingsError(f"{at}: {file} cannot be read ({fault})") from fault
    tokens = [token for line in lines if (token := line.strip())]
    if not tokens or len(tokens) > _MAX_TOKENS:
        raise SettingsError(f"{at}: {file} must hold 1 to {_MAX_TOKENS} tokens, one a line")
    if min(map(len, tokens)) < _MIN_TOKEN:
        raise SettingsError(
            f"{at}: a token of {file} has less than {_MIN_TOKEN} characters; make one with "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return tokens
