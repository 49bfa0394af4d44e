"""Rebuilds the typed tables without one API request: from `run_payloads`, or from an archive.

For a change of the normaliser, a migration, or to import an archive. An archive is NDJSON, gzipped or not. A line is
a run as the API sends it, a whole answer of the API (`{"message", "data"}`), or a row of `run_payloads` as JSON.
"""

from __future__ import annotations

import gzip
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import msgspec

from statsig_runs.contract import AcceptedRun, MissingRun, RejectedRun, read_run
from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.job.refresh import finish
from statsig_runs.job.summary import Summary
from statsig_runs.source import BATCH_SIZE

if TYPE_CHECKING:
    import io

    from statsig_runs.job.progress import Watch
    from statsig_runs.settings import Settings
    from statsig_runs.warehouse import Warehouse
    from statsig_runs.warehouse.loader import Loader

Payload = tuple[bytes, datetime]
_GZIP_MAGIC: Final = b"\x1f\x8b"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class _Line(msgspec.Struct):
    """What wraps a run in a line, if anything does."""

    data: msgspec.Raw = msgspec.Raw()
    payload: str | dict[str, object] = ""
    fetched_at: str = ""


def run_replay(
    warehouse: Warehouse, settings: Settings, watch: Watch, archive: Path | None, fetched_at: datetime | None
) -> Summary:
    """Rebuild the typed tables and all marts, and publish them.

    A payload that is older than what the warehouse holds of its run is kept in `run_payloads` and changes nothing else.

    Args:
        warehouse: where to.
        settings: for the models.
        watch: told how far it is.
        archive: the file to read, `-` for stdin; None for `run_payloads` and `rejected_runs` themselves.
        fetched_at: when lines that do not say so were fetched; by default the file's age.

    Raises:
        AlreadyRunningError: another process works on the same database.
        ConfigurationError: the archive cannot be read, or there is nothing to replay.
        StorageError: the database cannot be written.
    """
    started = time.monotonic()
    summary = Summary(datetime.now(UTC))
    with warehouse.writing() as loader:
        watch.step("replaying")
        with summary.timed("load_seconds"):
            rebuild(loader, settings, summary, watch, archive, fetched_at)
        finish(warehouse, loader, settings, summary, watch, full_refresh=True)
    summary.seconds = time.monotonic() - started
    return summary


def rebuild(
    loader: Loader,
    settings: Settings,
    summary: Summary,
    watch: Watch,
    archive: Path | None = None,
    fetched_at: datetime | None = None,
) -> None:
    """Load the payloads into the raw tables and count them; arguments and errors as of `run_replay`."""
    if archive is not None:
        damage: list[Exception] = []
        with _open(archive) as stream:
            moment = fetched_at or _age(archive)
            lines = _until_damage(stream, damage)
            done = _load(loader, (_parse(line, moment) for line in lines if line.strip()), settings, summary, watch)
        if damage:
            raise StorageError(
                f"The archive {archive} is damaged: {damage[0]}. What was read before the damage is loaded; "
                "mend the archive and replay it again, runs are not loaded twice."
            )
        if not done:
            raise ConfigurationError(f"There is nothing to replay: the archive {archive} is empty.")
        return
    if not loader.known.is_anything_loaded():
        raise ConfigurationError("There is nothing to replay: load something first, or name an archive with --from.")
    _load(loader, loader.known.payloads(BATCH_SIZE), settings, summary, watch)
    loader.drop_accepted_refusals()


def _load(loader: Loader, payloads: Iterable[Payload], settings: Settings, summary: Summary, watch: Watch) -> int:
    """Load and count payloads; returns how many there were."""
    done = 0
    absences = loader.known.missing()
    stream = iter(payloads)
    while batch := [read_run(body, fetched_at=fetched_at) for body, fetched_at in islice(stream, BATCH_SIZE)]:
        known = loader.known.runs(
            {run.run_id for run in batch}, now=summary.started_at, settle_days=settings.settle_days
        )
        current: list[AcceptedRun | RejectedRun] = []
        superseded: list[AcceptedRun] = []
        for run in batch:
            before = known.get(run.run_id)
            if isinstance(run, AcceptedRun) and before and run.fetched_at < before.fetched_at:
                superseded.append(run)
            else:
                current.append(run)
        seen = loader.known.payload_times({run.run_id for run in superseded})
        superseded = [run for run in superseded if run.fetched_at > seen.get((run.run_id, run.content_hash), _NEVER)]
        loader.load([*current, *_still_missing(absences, current)], loader.progress(), superseded)
        for run in current:
            before = known.get(run.run_id)
            summary.count(run, before.content_hash if before else None)
        done += len(batch)
        watch.fetched(done, None)
    return done


def _still_missing(absences: Iterable[MissingRun], loaded: Iterable[AcceptedRun | RejectedRun]) -> Iterator[MissingRun]:
    """The missing among the runs of a load: a payload from before the 404 does not bring its run back."""
    runs = sorted((run for run in loaded if isinstance(run, AcceptedRun)), key=attrgetter("fetched_at"))
    fetched_at = {run.run_id: run.fetched_at for run in runs}
    return (each for each in absences if each.run_id in fetched_at and fetched_at[each.run_id] < each.fetched_at)


@contextmanager
def _open(archive: Path) -> Iterator[Iterable[bytes]]:
    try:
        with cast("io.BufferedReader", sys.stdin.buffer) if str(archive) == "-" else archive.open("rb") as stream:
            is_gzip = stream.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
            yield gzip.GzipFile(fileobj=stream) if is_gzip else stream
    except FileNotFoundError:
        raise ConfigurationError(f"The archive {archive} does not exist.") from None
    except (PermissionError, IsADirectoryError) as error:
        raise ConfigurationError(f"The archive {archive} cannot be read: {error.strerror}.") from None


def _until_damage(lines: Iterable[bytes], damage: list[Exception]) -> Iterator[bytes]:
    """All lines; where a compressed archive is damaged it ends, and the error goes to `damage`."""
    try:
        yield from lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        damage.append(error)


def _age(archive: Path) -> datetime:
    return datetime.now(UTC) if str(archive) == "-" else datetime.fromtimestamp(archive.stat().st_mtime, UTC)


def _parse(line: bytes, fetched_at: datetime) -> Payload:
    """The run in a line, and when it was fetched. What is no JSON goes on as it is, to be refused by the contract."""
    try:
        wrapped = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return line.strip(), fetched_at
    if wrapped.payload:
        text = wrapped.payload if isinstance(wrapped.payload, str) else msgspec.json.encode(wrapped.payload).decode()
        return text.encode(), _read_moment(wrapped.fetched_at) or fetched_at
    if bytes(wrapped.data):
        return bytes(wrapped.data), fetched_at
    return line.strip(), fetched_at


def _read_moment(text: str) -> datetime | None:
    """ISO 8601 in all the forms that DuckDB and JSON writers give it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
