"""The only right to write to a warehouse: a file lock that the kernel frees when its process dies.

That is the lock of one folder on one machine. Where the data is on a PostgreSQL server, other machines may write there
too: the server holds a second lock, for as long as the connection lives that asked for it. A DuckLake whose catalogue
is a file has its second lock beside that file.

A process that hangs keeps it. So a lock that is older than any sync is told as an error of its own: a scheduler that
takes "another sync is running" for a reason to wait would wait for ever.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from statsig_runs.errors import AlreadyRunningError, LockHeldTooLongError, StatsigRunsError, StorageError
from statsig_runs.whole_files import write_whole

LONGEST_SYNC: Final = timedelta(hours=12)
"""Enough for 430,000 runs at the API's pace. Under a day, so that a nightly sync finds that the last one hangs."""

_ALIVE: Final = {"keepalives": 1, "keepalives_idle": 60, "keepalives_interval": 20, "keepalives_count": 6}
_LASTING: Final = (
    "set tcp_keepalives_idle = 60; set tcp_keepalives_interval = 20; set tcp_keepalives_count = 6",
    "set idle_session_timeout = 0",
)
"""Within three minutes the server notices that a machine is gone, and frees its lock; it ends no session that waits."""
_WHO_HOLDS: Final = """
    select coalesce('address ' || host(client_addr), 'the server itself'), 'since ' || backend_start
    from pg_locks inner join pg_stat_activity using (pid)
    where locktype = 'advisory' and classid::bigint = %s and objid::bigint = %s and objsubid = 1 and granted
    limit 1
"""


@contextmanager
def folder_lock(folder: Path, place: str) -> Iterator[None]:
    """Hold the lock in a folder, which is created, and beside it a note of who holds it.

    Args:
        folder: where the lock is.
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
        write_whole(holder, json.dumps({"pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()}).encode())
        yield
    finally:
        with suppress(OSError):
            holder.unlink()  # or another process could be told of this one while the next one holds the lock
        lock.release()


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
    """Whoever holds the lock, as the error that `folder_lock` would raise; nothing is created.

    The lock is only tried where a note says that somebody has it: a sync that began meanwhile would be refused.
    """
    from filelock import FileLock, Timeout

    if not (folder / "lock.json").exists():
        return None
    try:
        with FileLock(folder / "lock", timeout=0):
            return None
    except Timeout:
        return _refusal(place, folder / "lock.json")


@contextmanager
def server_lock(
    server: Mapping[str, str], schema: str, place: str, check: Callable[[Any, str], None] | None = None
) -> Iterator[None]:
    """Hold the lock of one project on a PostgreSQL server.

    Args:
        server: what to connect with, as the driver names it, credentials included.
        schema: what is written to; two projects have a lock each.
        place: where that is, for people.
        check: refuses the server, by a cursor and `place`, where it cannot hold the data.

    Raises:
        AlreadyRunningError: another connection holds it; the text says from where and since when.
        ConfigurationError: the server was refused.
        StorageError: the server cannot be reached.
    """
    import psycopg2

    key = int.from_bytes(hashlib.sha256(f"statsig-runs {schema}".encode()).digest()[:8], signed=True)
    try:
        connection = psycopg2.connect(**server, **_ALIVE)
    except psycopg2.Error as error:
        raise StorageError(f"{place} cannot be reached: {error}\nNothing was changed.") from None
    with closing(connection):
        connection.autocommit = True  # a transaction that is open for hours would keep the server from tidying up
        with connection.cursor() as cursor:
            for setting in _LASTING:
                with suppress(psycopg2.Error):  # a pool before the server, or an old one, may refuse it
                    cursor.execute(setting)
            if check:
                check(cursor, place)
            cursor.execute("select pg_try_advisory_lock(%s)", [key])
            if cursor.fetchone() == (False,):
                cursor.execute(_WHO_HOLDS, [key % 2**64 >> 32, key % 2**32])
                told = " ".join(str(value) for value in cursor.fetchone() or ("", ""))
                raise AlreadyRunningError(
                    f"Another statsig-runs works on {place}, schema {schema}, from another place: {told.strip()}. "
                    "Nothing was changed; try again when it is done."
                )
        yield


@contextmanager
def file_lock(file: Path, schema: str, place: str) -> Iterator[None]:
    """Hold the lock of one project beside a file; arguments and errors else as of `server_lock`."""
    from filelock import FileLock, Timeout

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(file.with_name(f"{file.name}.{schema}.lock")).acquire(timeout=0)
    except Timeout:
        raise AlreadyRunningError(
            f"Another statsig-runs works on {place}, schema {schema}, from another place. "
            "Nothing was changed; try again when it is done."
        ) from None
    except OSError as error:
        raise StorageError(f"{place} cannot be locked: {error}\nNothing was changed.") from None
    with held:
        yield


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
