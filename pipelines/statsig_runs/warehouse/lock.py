"""The only right to write to a warehouse: a file lock that the kernel frees when its process dies."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from statsig_runs.errors import AlreadyRunningError

if TYPE_CHECKING:
    from filelock import BaseFileLock


def take_lock(folder: Path, place: str) -> BaseFileLock:
    """Take the lock in a folder, which is created; the caller releases it.

    Args:
        folder: where the lock is, and beside it who holds it.
        place: what the lock protects, for people.

    Raises:
        AlreadyRunningError: another process holds it; the text names its pid and since when.
        OSError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    holder = folder / "lock.json"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AlreadyRunningError(
            f"Another statsig-runs works on {place}{_describe(holder)}. Nothing was changed; try again when it is done."
        ) from None
    try:
        holder.write_text(json.dumps({"pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()}))
    except OSError:
        lock.release()
        raise
    return lock


def _describe(file: Path) -> str:
    try:
        holder = json.loads(file.read_text())
        return f": pid {int(holder['pid'])}, since {holder['started_at']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
