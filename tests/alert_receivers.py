"""Real receivers of alerts on loopback: a web server and a mail server that keep what they take.

Both can be dead for a while, be slow, or refuse. A message counts as taken when its receiver has
said so, or was about to.
"""

from __future__ import annotations

import asyncio
import json
import socketserver
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tests.servers import LOOPBACK, find_free_port


@dataclass
class Taken:
    """A message that a receiver has taken."""

    id: str
    title: str
    headers: dict[str, str]
    body: str


@dataclass
class WebhookReceiver:
    """A web server for one path."""

    port: int = field(default_factory=find_free_port)
    taken: list[Taken] = field(default_factory=list)
    status: int = 200
    """What it answers; what is not 2xx takes nothing."""
    delay_s: float = 0.0
    _server: HTTPServer | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/hook"

    def start(self) -> None:
        receiver = self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                time.sleep(receiver.delay_s)
                if 200 <= receiver.status < 300:
                    receiver.take(dict(self.headers), body)
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401  # as in the library
                """Say nothing."""

        class Server(socketserver.ThreadingMixIn, HTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as in the library
                """A client that was killed is no news."""

        self._server = Server((LOOPBACK, self.port), Hook)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def take(self, headers: dict[str, str], body: bytes) -> None:
        said = json.loads(body)
        names = {name.lower(): value for name, value in headers.items()}
        self.taken.append(Taken(said.get("id", ""), said["title"], names, body.decode()))

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)
        self._server = self._thread = None


@dataclass
class MailSink:
    """A mail server that takes everything (RFC 5321, as little of it as a client needs)."""

    port: int = field(default_factory=find_free_port)
    taken: list[Taken] = field(default_factory=list)
    refusal: str | None = None
    """What it answers to a recipient, such as ``550 no such user``."""
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"smtp://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        ready = threading.Event()

        def serve() -> None:
            asyncio.run(self._serve(ready))

        self._thread = threading.Thread(target=serve)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)
        self._loop = self._thread = None

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._talk, LOOPBACK, self.port)
        ready.set()
        await self._stopping.wait()
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(words: str) -> None:
            writer.write(words.encode() + b"\r\n")

        say("220 sink")
        try:
            while line := await reader.readline():
                verb = line.strip().upper()[:4]
                if verb == b"DATA":
                    say("354 go on")
                    body = await reader.readuntil(b"\r\n.\r\n")
                    self.take(body[:-5])
                    say("250 taken")
                elif verb == b"RCPT" and self.refusal is not None:
                    say(self.refusal)
                elif verb == b"QUIT":
                    say("221 bye")
                    break
                else:
                    say("250 sink" if verb == b"EHLO" else "250 ok")
                await writer.drain()
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def take(self, body: bytes) -> None:
        message = message_from_bytes(body.replace(b"\r\n..", b"\r\n."), policy=policy.default)
        assert isinstance(message, EmailMessage)
        headers = {name.lower(): str(value) for name, value in message.items()}
        number = headers["message-id"].strip("<>").partition("@")[0]
        self.taken.append(Taken(number, headers["subject"], headers, message.get_content()))


def count_ids(taken: list[Taken]) -> Counter[str]:
    """How often each message came."""
    return Counter(one.id for one in taken)
