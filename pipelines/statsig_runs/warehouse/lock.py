"""The only right to write to a warehouse: a file lock that the kernel frees when its process dies.

A process that hangs keeps it. So a lock that is older than any sync is told as an error of its own: a scheduler that
takes "another sync is running" for a reason to wait would wait for ever.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from statsig_runs.errors import AlreadyRunningError, LockHeldTooLongError, StatsigRunsError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LONGEST_SYNC: Final = timedelta(hours=12)
"""In this time the rate limit lets a sync list 430,000 runs. Less than a day, so that a nightly sync tells the next."""


def take_lock(folder: Path, place: str) -> BaseFileLock:
    """Take the lock in a folder, which is created; the caller releases it.

    Args:
        folder: where the lock is, and beside it who holds it.
        place: what the lock protects, for people.

    Raises:
        AlreadyRunningError: another process holds it; the text names its pid and since when.
        LockHeldTooLongError: another process has held it for longer than `LONGEST_SYNC`.
        OSError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    holder = folder / "lock.json"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _refusal(place, holder) from None
    try:
        holder.write_text(json.dumps({"pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()}))
    except OSError:
        lock.release()
        raise
    return lock


@contextmanager
def waiting_lock(folder: Path) -> Iterator[None]:
    """Hold a lock in a folder, which is created, for something that takes seconds; others wait for it.

    Raises:
        OSError: the folder cannot be written.
    """
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "publishing"):
        yield


def find_holder(folder: Path, place: str) -> StatsigRunsError | None:
    """Whoever holds the lock, as the error that `take_lock` would raise; nothing is created."""
    from filelock import FileLock, Timeout

    if not (folder / "lock").exists():
        return None
    try:
        with FileLock(folder / "lock", timeout=0):
            return None
    except Timeout:
        return _refusal(place, folder / "lock.json")


def _refusal(place: str, holder: Path) -> StatsigRunsError:
    try:
        written = json.loads(holder.read_text())
        pid, since = int(written["pid"]), datetime.fromisoformat(written["started_at"])
        age = datetime.now(UTC) - since
    except (OSError, ValueError, KeyError, TypeError):
        told, age = "", timedelta(0)
    else:
        told = f": pid {pid}, since {written['started_at']}"
    if age <= LONGEST_SYNC:
        return AlreadyRunningError(
            f"Another statsig-runs works on {place}{told}. Nothing was changed; try again when it is done."
        )
    return LockHeldTooLongError(
        f"Another statsig-runs works on {place}{told}. That is {age / timedelta(hours=1):.0f} hours ago, longer than "
        f"any sync takes: it hangs. Nothing was changed. End it, on its machine:\n  kill {pid}\n"
        "What it loaded is kept, and the next sync goes on from there."
    )
