"""The HTTP side of the simulated Console API: connections, headers, and every way to spoil an answer on the wire.

It asks a function for each answer and reports each one sent; it knows no run, no key and no limit.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, SO_LINGER, SOL_SOCKET, socket
from socketserver import TCPServer
from time import monotonic
from typing import Any, Final, NamedTuple

from statsig_runs.simulator.faults import Reply, reply_error

KEY_HEADER: Final = "STATSIG-API-KEY"
_CHUNK: Final = 1 << 16
_SLOW_PIECES: Final = 10


class Request(NamedTuple):
    """One answered request.

    `path` is as sent, query included; `status` is 0 for a reset; `at` is when the request arrived, in seconds of
    `time.monotonic`; `headers` is all but the key.
    """

    path: str
    status: int
    at: float
    headers: dict[str, str]


class Server(ThreadingHTTPServer):
    """A thread for each connection; connections are kept alive.

    Args:
        address: host and port, 0 for a free one.
        respond: from a GET's path as sent and its key (empty for none) to the answer.
        record: told of each answer before its first byte leaves.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], respond: Callable[[str, str], Reply], record: Callable[[Request], None]
    ) -> None:
        self.respond = respond
        self.record = record
        self.stopping = threading.Event()
        self.connections: set[socket] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which can wait for a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def stop(self) -> None:
        """Stop listening, and close the connections that clients keep alive."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the game; all else is a bug to be seen."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = default_request_version = "HTTP/1.1"
    server_version = "statsig-runs-simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = _CHUNK

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        at = monotonic()
        self._answer(self.server.respond(self.path, self.headers.get(KEY_HEADER, "")), at)

    def _refuse_method(self) -> None:
        self.close_connection = True  # a body may follow that nobody reads
        self._answer(reply_error(405, f"Cannot {self.command} {self.path}", Allow="GET"), monotonic())

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):  # the base class looks for a method of the request's name
            return self._refuse_method
        raise AttributeError(name)

    def _answer(self, reply: Reply, at: float) -> None:
        status = 0 if reply.delivery == "reset" else reply.status or 200
        headers = {name: value for name, value in self.headers.items() if name.upper() != KEY_HEADER}
        self.server.record(Request(self.path, status, at, headers))
        if reply.delivery == "reset":
            self._reset()
            return
        self._send_head(status, reply)
        if self.command != "HEAD":
            self._send_body(reply)

    def _send_head(self, status: int, reply: Reply) -> None:
        self.send_response(status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.delivery == "oversized":
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_body(self, reply: Reply) -> None:
        stopping = self.server.stopping
        match reply.delivery:
            case "truncated":
                self.close_connection = True
                self.wfile.write(reply.body[: len(reply.body) // 2])
            case "slow":
                size = len(reply.body) // _SLOW_PIECES + 1
                for start in range(0, len(reply.body), size):
                    self.wfile.flush()
                    stopping.wait(reply.seconds / _SLOW_PIECES)
                    self.wfile.write(reply.body[start : start + size])
            case "oversized":
                while not stopping.is_set():
                    self.wfile.write(b" " * _CHUNK)
            case _:
                self.wfile.write(reply.body)

    def _reset(self) -> None:
        self.close_connection = True
        self.server.connections.discard(self.connection)
        # closing with a linger of zero sends RST in place of FIN
        self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def send_error(
        self,
        code: int,
        message: str | None = None,
        explain: str | None = None,  # noqa: ARG002
    ) -> None:
        """Requests too broken for a handler: answered in JSON like all others."""
        self.close_connection = True
        reply = reply_error(code, message or self.responses.get(code, ("Error", ""))[0])
        self._send_head(code, reply)
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent: `record` is told of every request."""
