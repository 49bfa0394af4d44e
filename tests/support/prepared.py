"""Starts the command in processes that have imported everything already; `prepared_server` says how, and what for."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

SERVER = Path(__file__).with_name("prepared_server.py")


class Prepared:
    """A process of the server's, with what tests use of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        pipes = [os.pipe() for _ in range(3)]
        call = json.dumps({"arguments": arguments, "folder": str(folder), "environment": {**environment}})
        socket.send_fds(_server(), [f"{call}\n".encode()], [writer for _, writer in pipes])
        for _, writer in pipes:
            os.close(writer)
        self.stdout, self.stderr, self._told = (os.fdopen(reader, encoding="utf-8") for reader, _ in pipes)
        self.returncode: int | None = None
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """The exit code, if the process has ended."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = int(self._told.readline())
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The exit code, as soon as the process has ended.

        Raises:
            TimeoutExpired: it has not ended after so many seconds.
        """
        if self.returncode is None:
            select.select([self._told], [], [], timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired("statsig-runs", timeout)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


@cache
def _server() -> socket.socket:
    """Our end of the line to this process's server, which ends when the line does."""
    ours, theirs = socket.socketpair()
    folder = tempfile.TemporaryDirectory(prefix="statsig-runs-tests-")
    process = subprocess.Popen(
        [sys.executable, "-P", SERVER, str(theirs.fileno()), folder.name],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SERVER.parents[2]),
            "HOME": folder.name,
            "LC_ALL": "C.UTF-8",
            # no threads: a process that forks has only the one that does it
            "OPENBLAS_NUM_THREADS": "1",
            "JE_ARROW_MALLOC_CONF": "background_thread:false",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def close() -> None:
        ours.close()
        process.wait()
        folder.cleanup()

    atexit.register(close)
    return ours
