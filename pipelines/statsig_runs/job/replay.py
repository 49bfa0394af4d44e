"""Rebuilds the typed tables without one API request: from their payloads, or from an archive.

For a change of the normaliser, a migration, or to import an archive, of which `archive` knows the forms.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from statsig_runs.contract import AcceptedRun, MissingRun, RejectedRun, read_run
from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.job.archive import DAMAGES, WANTED, Payload, StatusPayload, open_archive, read_archive
from statsig_runs.job.messages import read_again, read_news
from statsig_runs.job.refresh import finish, take_last_build
from statsig_runs.job.summary import Summary
from statsig_runs.source import BATCH_SIZE

if TYPE_CHECKING:
    from statsig_runs.job.progress import Watch
    from statsig_runs.settings import Settings
    from statsig_runs.status_messages import Message
    from statsig_runs.warehouse import Warehouse
    from statsig_runs.warehouse.loader import Loader

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def run_replay(
    warehouse: Warehouse, settings: Settings, watch: Watch, archive: Path | None, fetched_at: datetime | None
) -> Summary:
    """Rebuild the typed tables and all marts, and publish them.

    A payload that is older than what the warehouse holds of its run is kept in `run_payloads` and changes nothing else.

    Args:
        warehouse: where to.
        settings: for the models.
        watch: told how far it is.
        archive: the file to read, `-` for stdin; None for the payloads in the database itself.
        fetched_at: when lines that do not say so were fetched; by default the file's age.

    Raises:
        AlreadyRunningError: another process works on the same database.
        ConfigurationError: the archive cannot be read, or there is nothing to replay.
        StorageError: the database cannot be written.
    """
    started = time.monotonic()
    summary = Summary(datetime.now(UTC))
    with warehouse.writing() as loader:
        take_last_build(warehouse, settings)  # should this one be killed, the next sync builds
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
    loader.look_at_tables()
    if archive is not None:
        _import(loader, settings, summary, watch, archive, fetched_at)
        return
    if not loader.known.is_anything_loaded():
        raise ConfigurationError("There is nothing to replay: load something first, or name an archive with --from.")
    _load(loader, loader.known.payloads(BATCH_SIZE), settings, summary, watch)
    _rebuild_messages(loader)
    loader.drop_accepted_refusals()


def _rebuild_messages(loader: Loader) -> None:
    """Load the messages from their payloads; at least once, so that their tables exist."""
    stream = read_again(loader, BATCH_SIZE)
    batch: list[Message] | None = None
    while batch is None or len(batch) == BATCH_SIZE:
        batch = list(islice(stream, BATCH_SIZE))
        loader.load(batch, loader.progress())


def _import(
    loader: Loader, settings: Settings, summary: Summary, watch: Watch, archive: Path, fetched_at: datetime | None
) -> None:
    damage: list[Exception] = []
    with open_archive(archive) as stream:
        runs = _until_damage(read_archive(stream, fetched_at or _age(archive)), damage)
        first = list(islice(runs, BATCH_SIZE))
        refused = [run for run in first if isinstance(run, RejectedRun)]
        if first and len(refused) == len(first):  # then it is no archive: nobody wants a refusal a line
            raise ConfigurationError(f"The archive {archive} holds no runs: {refused[0].reason}. {WANTED}")
        done = _load(loader, chain(first, runs), settings, summary, watch)
    if damage:
        raise StorageError(
            f"The archive {archive} is damaged: {damage[0]}. What was read before the damage is loaded; "
            "mend the archive and replay it again, runs are not loaded twice."
        )
    if not done:
        raise ConfigurationError(f"There is nothing to replay: the archive {archive} is empty.")


def _load(
    loader: Loader,
    payloads: Iterable[Payload | StatusPayload | RejectedRun],
    settings: Settings,
    summary: Summary,
    watch: Watch,
) -> int:
    """Load and count payloads, and what was no payload; returns how many there were."""
    done = 0
    absences = loader.known.missing()
    stream = iter(payloads)
    while part := list(islice(stream, BATCH_SIZE)):
        batch = [_read(each) for each in part if not isinstance(each, StatusPayload)]
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
        news = read_news([each for each in part if isinstance(each, StatusPayload)], loader)
        loader.load([*current, *_still_missing(absences, current), *news], loader.progress(), superseded)
        for message in news:
            summary.count_message(message)
        for run in current:
            before = known.get(run.run_id)
            summary.count(run, before.content_hash if before else None)
        done += len(part)
        watch.fetched(done, None)
    return done


def _still_missing(absences: Iterable[MissingRun], loaded: Iterable[AcceptedRun | RejectedRun]) -> Iterator[MissingRun]:
    """The missing among the runs of a load: a payload from before the 404 does not bring its run back."""
    runs = sorted((run for run in loaded if isinstance(run, AcceptedRun)), key=attrgetter("fetched_at"))
    fetched_at = {run.run_id: run.fetched_at for run in runs}
    return (each for each in absences if each.run_id in fetched_at and fetched_at[each.run_id] < each.fetched_at)


def _read(payload: Payload | RejectedRun) -> AcceptedRun | RejectedRun:
    return payload if isinstance(payload, RejectedRun) else read_run(payload[0], fetched_at=payload[1])


def _until_damage(
    runs: Iterable[Payload | StatusPayload | RejectedRun], damage: list[Exception]
) -> Iterator[Payload | StatusPayload | RejectedRun]:
    """All runs; where the archive is damaged it ends, and the error goes to `damage`."""
    try:
        yield from runs
    except DAMAGES as error:
        damage.append(error)


def _age(archive: Path) -> datetime:
    return datetime.now(UTC) if str(archive) == "-" else datetime.fromtimestamp(archive.stat().st_mtime, UTC)
