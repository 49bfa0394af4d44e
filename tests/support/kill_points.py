"""Work in a process of its own that is killed at a chosen file operation.

Python tells its audit hooks of every file that is opened to write, renamed, removed or linked, and of every folder that
is made or removed; these are counted. The kill comes before the operation, or, torn, when a file that was to be written
has just been emptied. The process is forked from one that has imported what it needs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

KILLED = -signal.SIGKILL
_CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PRELOADED = [
    "duckdb",
    "dlt.destinations",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.load",
    "dlt.normalize",
    "statsig_runs.warehouse.destinations",
    "statsig_runs.warehouse.loader",
]


@dataclass(frozen=True, slots=True)
class Ended:
    """How the process ended: its exit code, what the work returned or raised, and the operations it did."""

    code: int
    answer: Any = None
    error: str = ""
    operations: tuple[str, ...] = ()


@dataclass(slots=True)
class _KillPoint:
    folder: Path
    number: int
    before: str
    torn: bool
    done: list[str]

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" and event not in _CHANGES:
            return
        target = arguments[0]
        if isinstance(target, int) or (event == "open" and not (arguments[2] or 0) & _WRITING):
            return
        path = Path(os.fsdecode(target))
        if path.is_absolute() and not path.is_relative_to(self.folder):  # what is removed by folder has its name only
            return
        self.done.append(f"{event} {path}")
        if len(self.done) == self.number or (self.before and self.before in str(arguments)):
            self.number = 0
            if self.torn and event == "open":
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
            os.kill(os.getpid(), signal.SIGKILL)


def run(
    work: Callable[[Path], Any], folder: Path, *, kill_at: int = 0, kill_before: str = "", torn: bool = False
) -> Ended:
    """Do the work on a folder in another process.

    Args:
        work: a function of a module, which is given the folder.
        folder: operations elsewhere do not count.
        kill_at: the number of the operation to be killed at, from 1; 0 for none.
        kill_before: a part of a path; the process is killed at the first operation on, or to, such a file.
        torn: see the module.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, folder, kill_at, kill_before, torn, sender))
    process.start()
    sender.close()
    try:
        answer, error, operations = receiver.recv()
    except EOFError:
        answer, error, operations = None, "", ()
    process.join()
    assert process.exitcode is not None
    return Ended(process.exitcode, answer, error, operations)


def _work(
    work: Callable[[Path], Any], folder: Path, kill_at: int, kill_before: str, torn: bool, sender: Connection
) -> None:
    point = _KillPoint(folder, kill_at, kill_before, torn, [])
    sys.addaudithook(point)
    try:
        sender.send((work(folder), "", tuple(point.done)))
    except Exception:  # noqa: BLE001
        sender.send((None, traceback.format_exc(), tuple(point.done)))
    sender.close()
