"""Has the project read by a process of its own while something else is done: that takes dbt as long as a small build.

The other process gets the data of a `DbtProject` without its secrets, writes to a folder of its own, and ends with
this one at the latest. What it has read is taken over whole or not at all. Knows neither dbt nor what is read.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = "ahead"
_PROGRAM: Final = "from statsig_runs.models.dbt_project import read_for_parent; read_for_parent()"
_running: dict[Path, subprocess.Popen[str]] = {}

log = logging.getLogger(__name__)


@contextmanager
def another_process(state: Path, call: Mapping[str, Any]) -> Iterator[None]:
    """Let another process work while this is open; where none can be started, nothing is read ahead.

    Args:
        state: the folder of dbt's working files; no other process may use it meanwhile.
        call: what the other process reads on its stdin, beside its own `state`.
    """
    folder = state / _FOLDER
    try:
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
        folder.mkdir(parents=True)
        process = _start({**call, "state": str(folder.absolute())})
    except OSError as error:
        log.debug("nothing is read ahead: %s", error)
        yield
        return
    _running[state] = process
    try:
        yield
    finally:
        _running.pop(state, None)
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()
        shutil.rmtree(folder, ignore_errors=True)


def take_over(state: Path, files: Sequence[Path]) -> None:
    """Wait for what is read ahead for this folder, and put its files in their place; nothing where nothing is read.

    Args:
        state: as in `another_process`.
        files: in the order in which they are to be moved, below `state`.
    """
    process = _running.pop(state, None)
    if process is None or process.wait() != 0:
        return
    try:
        for file in files:
            (state / file).parent.mkdir(exist_ok=True)
            (state / _FOLDER / file).replace(state / file)
    except OSError as error:
        log.debug("what was read ahead is not used: %s", error)


def receive_call() -> dict[str, Any]:
    """In the other process: what to do. From now on it ends as soon as the one that started it does."""
    call: dict[str, Any] = json.loads(sys.stdin.readline())

    def end_with_parent() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    return call


def _start(call: Mapping[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(  # noqa: S603  a command of ours; -P: no module of the working folder is taken for one
        [sys.executable, "-P", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if process.stdin:
            process.stdin.write(json.dumps(call) + "\n")
            process.stdin.flush()
    except OSError:
        process.kill()
        process.wait()
        raise
    return process
