"""What all routes are given that readings are written to: room for a body, and who may write."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


class OpenRequest(Protocol):
    """The bytes of one request, counted; either raises when there are too many."""

    def grow(self, n_bytes: int) -> None: ...

    def unpack(self, n_bytes: int) -> None: ...


class BadItem(Protocol):
    """A point or sample that was not taken."""

    @property
    def line(self) -> bytes: ...

    @property
    def code(self) -> str: ...

    @property
    def detail(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Login:
    """Who may write; without a token or password everybody may.

    Secrets are kept and compared as digests, all of them each time, so that the time of an answer
    tells nothing about them.
    """

    tokens: frozenset[bytes] = frozenset()
    user: str | None = None
    password: bytes | None = None

    @classmethod
    def build(
        cls, tokens: Iterable[str] = (), user: str | None = None, password: str | None = None
    ) -> Login:
        """The login of these secrets."""
        return cls(
            frozenset(_digest(token) for token in tokens),
            user,
            None if password is None else _digest(password),
        )

    @property
    def is_needed(self) -> bool:
        return bool(self.tokens) or self.password is not None

    def admits(self, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Whether a request bears a token, or a user's name and password.

        Known are ``Authorization: Token``, ``Bearer`` and ``Basic``, and ``u`` and ``p`` of the
        query. A token may stand where a password does, as InfluxDB 2 has it.
        """
        if not self.is_needed:
            return True
        judged = [self._is_right(*one) for one in _list_claims(headers, query)]
        return True in judged

    def _is_right(self, user: str, secret: str) -> bool:
        found = _digest(secret)
        judged = [hmac.compare_digest(found, one) for one in self.tokens]
        judged.append(hmac.compare_digest(found, self.password or b"") and user == self.user)
        return True in judged


def _list_claims(headers: Mapping[str, str], query: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names and secrets that a request states."""
    claims = []
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    words = rest.strip()
    if scheme.lower() in {"token", "bearer"}:
        user, parted, secret = words.partition(":")
        claims.append(("", words))
        if parted:
            claims.append((user, secret))
    elif scheme.lower() == "basic":
        try:
            plain = base64.b64decode(words, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            plain = ""
        user, _, secret = plain.partition(":")
        claims.append((user, secret))
    if "p" in query:
        claims.append((query.get("u", ""), query["p"]))
    return [(user, secret) for user, secret in claims if secret]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
