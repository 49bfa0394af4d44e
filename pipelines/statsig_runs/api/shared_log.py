"""The log of requests that all processes of a user share: which file it is, what is entered, what is forgotten.

It is pyrate-limiter's, in an SQLite file of the user's own, or in memory. This module knows SQLite and files: it never
waits, and knows no 429.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

from pyrate_limiter import InMemoryBucket, Rate, RateItem, SQLiteBucket

log = logging.getLogger(__name__)

Bucket = SQLiteBucket | InMemoryBucket
"""The log in a file, or the one that a process keeps to itself."""

_KEPT = 3_600_000  # milliseconds of log that are kept for processes with longer windows than ours


def log_directory() -> Path:
    """Where this user's limiter logs live: the state directory of the XDG specification, or one that stands for it.

    The other one is the user's own in the folder of temporary files. It is taken, and named in a warning, where the
    user has no home or may not write to it.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    wanted: Path | str = "the home of a user who has none"
    with suppress(OSError, RuntimeError):
        wanted = (state if state.is_absolute() else Path.home() / ".local" / "state") / "statsig-runs"
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK):
            return wanted
    substitute = Path(gettempdir()) / f"statsig-runs-{os.geteuid()}"
    with suppress(OSError):
        substitute.mkdir(mode=0o700)
    log.warning("The rate-limit log is in %s, since %s cannot be written", substitute, wanted)
    return substitute


def log_name(api_key: str, origin: str) -> str:
    """Name the log of one key at one API: the same in every process, and no way back to the key."""
    digest = hashlib.pbkdf2_hmac("sha256", api_key.encode(), f"statsig-runs {origin}".encode(), 10_000, dklen=12)
    return f"rate-{digest.hex()}.sqlite"


def open_log(rates: list[Rate], path: Path) -> Bucket:
    """Open the log, new where there is none or a damaged one.

    Raises:
        OSError, sqlite3.Error: it cannot be used.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid != os.geteuid():
        raise PermissionError(errno.EACCES, "its folder is another user's", str(path.parent))
    try:
        return _open_sqlite(rates, path)
    except sqlite3.OperationalError:
        raise  # locked, full, not readable: it may be in use
    except sqlite3.DatabaseError:  # damaged, by a power cut perhaps; an hour of history is no loss
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        return _open_sqlite(rates, path)


def _open_sqlite(rates: list[Rate], path: Path) -> SQLiteBucket:
    bucket = SQLiteBucket.init_from_file(rates, db_path=str(path))
    bucket.conn.execute("PRAGMA journal_mode = WAL")
    bucket.conn.execute("PRAGMA synchronous = OFF")  # or requests would wait for the disk now and then
    return bucket


def enter(bucket: Bucket) -> float:
    """Enter one request, or return the seconds until there may be room."""
    with _alone(bucket):
        _mend_clock(bucket)
        item = RateItem("request", _now(bucket))
        if bucket.put(item):
            return 0.0
        return max(int(bucket.waiting(item)), 1) / 1000  # type: ignore[arg-type]  # never awaitable here


def forget(bucket: Bucket) -> None:
    """Take out what is older than any window."""
    with _alone(bucket):
        bucket.leak(_now(bucket) - _KEPT)


@contextmanager
def _alone(bucket: Bucket) -> Iterator[None]:
    """Keep other processes out: by SQLite's own lock, ten times as fast as a lock file beside it."""
    if isinstance(bucket, InMemoryBucket):
        yield
        return
    with bucket.conn:
        bucket.conn.execute("BEGIN IMMEDIATE")
        yield


def _now(bucket: Bucket) -> int:
    """Milliseconds: of the wall clock, which processes share, or of the monotonic one in memory."""
    return int(bucket.now())  # type: ignore[no-untyped-call]


def _mend_clock(bucket: Bucket) -> None:
    """Move the log back with a clock that was set back: entries in the future would block for as long."""
    newest = bucket.peek(0)
    now = _now(bucket)
    if isinstance(bucket, SQLiteBucket) and newest is not None and newest.timestamp > now:
        step = newest.timestamp - now
        bucket.conn.execute(f"UPDATE '{bucket.table}' SET item_timestamp = item_timestamp - {step}")  # noqa: S608
