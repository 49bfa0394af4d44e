"""What dlt's errors mean.

dlt wraps an error in others, several deep. This module finds the first one, says it in our words, tells a server or a
disk that is down from a load that is broken, and tries a connection again that was refused.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from gzip import BadGzipFile
from pathlib import Path
from typing import Final

import tenacity
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation, DestinationConnectionError
from dlt.load.exceptions import LoadClientJobRetry
from dlt.pipeline.exceptions import PipelineStepFailed

from statsig_runs.errors import StorageError

_DISK_IN_TROUBLE: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
_LOCKED_OUT: Final = (
    "Another session has locked a table, such as a pg_dump or a transaction that was left open; `pg_stat_activity` has "
    "both. "
)
_TABLE_MISSING: Final = "`statsig-runs replay` makes tables that are missing anew, from the payloads. "


@contextmanager
def translated(failure: str = "The data could not be loaded") -> Iterator[None]:
    """Raise dlt's errors as ours: what failed, and the text of the first cause. dlt's own runs over many lines.

    Raises:
        StorageError: the destination or the disk refused what was done inside, or could not be reached.
    """
    try:
        yield
    except (PipelineStepFailed, DatabaseException, DestinationConnectionError, OSError) as error:
        if any(isinstance(cause, KeyboardInterrupt) for cause in _causes(error)):
            raise KeyboardInterrupt from None  # dlt makes an error of its own of it
        cause = cause_of(error)
        hint = _LOCKED_OUT if "lock timeout" in cause else ""
        if _comes_from(error, DatabaseUndefinedRelation):
            hint = _TABLE_MISSING
        message = (
            f"{failure}: {cause}\n{hint}What was loaded before is kept; "
            "mend the cause and run the same command again, it goes on where this one stopped."
        )
    else:
        return
    raise StorageError(message)


def cause_of(error: BaseException) -> str:
    """The text of the first cause."""
    innermost = _causes(error)[-1]
    return f"{type(innermost).__name__}: {str(innermost).strip()[:500]}"


def _causes(error: BaseException) -> list[BaseException]:
    """From the outermost error to the first one.

    The outermost error of a disk in trouble comes first: after a full disk, dlt misses the file that it could not
    write. Then comes the outermost error of the system: what lies below it was an earlier try.
    """
    causes = [error]
    while inner := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(inner)
    of_system = [cause for cause in causes if isinstance(cause, OSError)]
    troubled = [cause for cause in of_system if cause.errno in _DISK_IN_TROUBLE]
    first = next(iter(troubled or of_system), causes[-1])
    return causes[: causes.index(first) + 1]


def _comes_from(error: BaseException, kind: type[Exception]) -> bool:
    return any(isinstance(cause, kind) for cause in _causes(error))


def _tries(count: int, kind: type[Exception]) -> tenacity.Retrying:
    """Try again what fails with such an error; the last try may raise it."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(partial(_comes_from, kind=kind)),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=4),
        stop=tenacity.stop_after_attempt(count),
        reraise=True,
    )


CONNECTING: Final = _tries(4, DestinationConnectionError)
"""Four times within seconds: a server may be restarting, and two first syncs may create the same catalogue."""

COPYING: Final = _tries(5, LoadClientJobRetry)
"""Five times, where dlt holds that an error may pass. dlt would try again at once, whatever the first try has left."""


def is_outage(error: BaseException, work: Path) -> bool:
    """Whether dlt's folder `work` is sound all the same: the disk or the server failed, or somebody pressed Ctrl-C."""
    return _comes_from(error, DestinationConnectionError) or any(
        isinstance(cause, KeyboardInterrupt)
        or "No space left" in str(cause)
        or (isinstance(cause, OSError) and not _is_of_a_file(cause, work))
        for cause in _causes(error)
    )


def _is_of_a_file(error: OSError, work: Path) -> bool:
    """Whether one file is missing, damaged or in the way, on a disk that is well."""
    if error.errno in _DISK_IN_TROUBLE:
        return False
    is_inside = isinstance(error.filename, str) and Path(error.filename).is_relative_to(work)
    return is_inside or isinstance(error, FileNotFoundError | BadGzipFile)
