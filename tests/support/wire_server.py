"""A server that answers whole connections byte by byte, for faults that no HTTP library would produce."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Conversation = Callable[[socket.socket, int], None]
"""Answers one request on a connection; told how many requests came before, on any connection."""


class WireServer:
    """Listens on loopback inside its `with`; keeps the request heads and counts the connections.

    With `tls` it speaks HTTPS.
    """

    def __init__(self, answer: Conversation, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: list[str] = []
        self.connections = 0
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _secured(self, connection: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(connection, server_side=True) if self._tls else connection

    def _converse(self, accepted: socket.socket) -> None:
        with suppress(OSError), self._secured(accepted) as connection:  # clients that hang up are part of the game
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    received = connection.recv(65_536)
                    if not received:
                        return
                    pending += received
                head, _, pending = pending.partition(b"\r\n\r\n")
                self.requests.append(head.decode("latin-1"))
                self._answer(connection, len(self.requests) - 1)


def send(*parts: bytes) -> Conversation:
    """Send the same bytes to every request and keep the connection open."""
    return lambda connection, _: connection.sendall(b"".join(parts))


def trickle(head: bytes, drop: bytes, pause: float = 0.01) -> Conversation:
    """Send a beginning, and then one drop more every `pause` seconds until the client hangs up."""

    def answer(connection: socket.socket, _: int) -> None:
        connection.sendall(head)
        while True:
            time.sleep(pause)
            connection.sendall(drop)

    return answer


def http(status: int, body: bytes, *headers: str) -> bytes:
    """One HTTP/1.1 answer with its length."""
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
