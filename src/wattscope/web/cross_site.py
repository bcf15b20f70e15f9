"""Refuses requests that a page of somebody else sends through the browser of a visitor.

A form or script of another site can make a browser send requests here, with the visitor's way
into the network. What only reads gives the other page nothing, for it may not see the answer.
What changes something must have a JSON body, which a form cannot send, and must not come from a
page of another origin (Fetch Standard, "CORS-safelisted request-header" and "Origin header").
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wattscope.web.problems import problem

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


class CrossSiteGuard:
    """Lets a changing request in when it has a JSON body and comes from nobody else's page.

    Programs that are no browser send no ``Origin`` and are asked for the body's type only.
    """

    def __init__(self, app: ASGIApp, *, any_body: frozenset[str] = frozenset()) -> None:
        """``any_body``: paths whose bodies are not JSON; a form may reach them."""
        self._app = app
        self._any_body = any_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] == "http" and scope["method"] not in READING:
            headers = Headers(scope=scope)
            if not is_own_origin(headers):
                refusal = problem(
                    403, "cross_site", "a page of another address may change nothing here"
                )
                await refusal(scope, receive, send)
                return
            if scope["path"] not in self._any_body and not has_json_body(scope["method"], headers):
                refusal = problem(
                    415, "unsupported_media_type", "send JSON, with Content-Type: application/json"
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_own_origin(headers: Headers) -> bool:
    """Whether a request comes from a page of ours, or from no page at all."""
    if headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        return False
    port = _DEFAULT_PORTS[parts.scheme]
    own = headers.get("host", "").lower().removesuffix(f":{port}")
    return parts.netloc.lower().removesuffix(f":{port}") == own


def has_json_body(method: str, headers: Headers) -> bool:
    """Whether a body is JSON; to delete, none is needed."""
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if method == "DELETE" and not has_body:
        return True
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and "+json" in media)
