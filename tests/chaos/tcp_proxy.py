"""A proxy on loopback whose connections can be cut, refused, or left hanging without a word."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.servers import LOOPBACK


class TcpProxy:
    """Passes bytes on, both ways, until told otherwise."""

    def __init__(self, port: int, target_port: int) -> None:
        """Listen on ``port`` at once."""
        self.n_connections = 0
        self._target_port = target_port
        self._is_open = threading.Event()
        self._is_open.set()
        self._is_flowing = threading.Event()
        self._is_flowing.set()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((LOOPBACK, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections; new ones are ended, too, until ``mend``."""
        self._is_open.clear()
        self._end_all()

    def hang(self) -> None:
        """Let all bytes wait, as behind a cable that was pulled, until ``mend``."""
        self._is_flowing.clear()

    def mend(self) -> None:
        """Pass on again."""
        self._is_open.set()
        self._is_flowing.set()

    def close(self) -> None:
        self.mend()
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all()

    def _end_all(self) -> None:
        with self._lock:
            ending, self._sockets = self._sockets, []
        for one in ending:
            _shut(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((LOOPBACK, self._target_port), 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._sockets += [client, server]
            self.n_connections += 1
            if not self._is_open.is_set():
                _shut(client)
                _shut(server)
                continue
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while chunk := one.recv(262_144):
                self._is_flowing.wait()
                other.sendall(chunk)
        except OSError:
            pass
        finally:
            _shut(one)
            _shut(other)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
