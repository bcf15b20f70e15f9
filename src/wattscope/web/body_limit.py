"""A limit to what a request may send, counted as it comes: its own word is not believed."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1 << 20
"""Every body that is asked for today is a short JSON text."""


class BodyLimit:
    """Refuses a body once it has grown beyond ``max_bytes``, without keeping it."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, own_limit: frozenset[str] = frozenset()
    ) -> None:
        """``own_limit``: paths whose routes count for themselves."""
        self._app = app
        self._max_bytes = max_bytes
        self._own_limit = own_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        n_bytes = 0

        async def receive_counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._max_bytes:
                raise HTTPException(413, f"a body may have {self._max_bytes} bytes at most")
            return message

        is_counted = scope["type"] == "http" and scope["path"] not in self._own_limit
        await self._app(scope, receive_counted if is_counted else receive, send)
