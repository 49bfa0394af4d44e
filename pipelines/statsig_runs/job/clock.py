"""Corrects times of fetches and loads that lie in the future: a clock that ran ahead has written them.

A run that was "fetched" a year from now would make everything look fresh for a year. When it was really fetched is not
known, only that it was before now. So it counts as fetched now, and the payloads that it had before keep their order.
Knows neither the API nor what the tables are used for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.contract import AcceptedRun, Outcome, read_run
from statsig_runs.job.messages import mended_state, messages_ahead
from statsig_runs.moments import CLOCKS_DIFFER_BY
from statsig_runs.source import BATCH_SIZE

if TYPE_CHECKING:
    from statsig_runs.plan import Progress
    from statsig_runs.status_messages import Message
    from statsig_runs.warehouse.loader import Loader

log = logging.getLogger(__name__)

_MOMENT: Final = timedelta(microseconds=1)
"""The least by which two times in the tables differ."""


def mend_clock(loader: Loader, now: datetime) -> None:
    """Where something counts as fetched or loaded after `now` (UTC), give it a time that is not.

    Raises:
        StorageError: the destination cannot be read or written.
    """
    horizon = now + CLOCKS_DIFFER_BY
    before = loader.progress()
    progress, beside = _mend_progress(before, now), mended_state(loader, now)
    done = 0
    for outcomes, superseded in _ahead(loader, now, horizon):
        loader.load(outcomes, progress, superseded, beside)
        done += len(outcomes) + len(superseded)
    if not done and (beside or progress != before):
        loader.load([], progress, (), beside)
    for number, load in enumerate(loader.known.loads_after(horizon), 1):
        loader.record(_mend_load(load, now - number * _MOMENT))
        done += 1
    if done:
        log.warning(
            "a clock ran ahead: %d times of fetches and loads had not come yet, and count as those of this sync", done
        )


def _ahead(
    loader: Loader, now: datetime, horizon: datetime
) -> Iterator[tuple[list[Outcome | Message], list[AcceptedRun]]]:
    """What was fetched after `horizon`, as fetched until `now`: what is to be loaded, and older payloads of runs."""
    known = loader.known
    absences = {each.run_id: each for each in known.missing()}
    missing = {name: replace(each, fetched_at=min(each.fetched_at, now)) for name, each in absences.items()}
    for rows in known.payloads_after(horizon, BATCH_SIZE):
        current, superseded = _mend_runs(rows, now, horizon)
        brought = {run.run_id for run in current}
        # a run that is loaded counts as found again, unless the same load says that it is missing
        yield [*current, *(missing[name] for name in missing.keys() & brought)], superseded
    refusals = [replace(each, fetched_at=now - age * _MOMENT) for age, each in enumerate(known.refusals_after(horizon))]
    late = [missing[name] for name, each in absences.items() if each.fetched_at > horizon]
    messages = messages_ahead(loader, now, horizon)
    if refusals or late or messages:
        yield [*refusals, *late, *messages], []


def _mend_runs(
    rows: Iterable[tuple[str, datetime, bytes, datetime | None]], now: datetime, horizon: datetime
) -> tuple[list[AcceptedRun], list[AcceptedRun]]:
    """The payloads that their runs have now, and those that they had before; rows are newest first in each run."""
    current: list[AcceptedRun] = []
    superseded: list[AcceptedRun] = []
    for _, versions in groupby(rows, key=itemgetter(0)):
        for age, (_, fetched_at, payload, of_run) in enumerate(versions):
            newest = of_run - _MOMENT if of_run and of_run <= horizon else now
            run = read_run(payload, fetched_at=newest - age * _MOMENT)
            if isinstance(run, AcceptedRun):
                (current if fetched_at == of_run else superseded).append(run)
    return current, superseded


def _mend_progress(progress: Progress, now: datetime) -> Progress:
    gaps = tuple(replace(gap, as_of=min(gap.as_of, now)) if gap.as_of else gap for gap in progress.gaps)
    return replace(progress, as_of=min(progress.as_of, now) if progress.as_of else None, gaps=gaps)


def _mend_load(load: dict[str, Any], finished_at: datetime) -> dict[str, Any]:
    seconds = max(load["finished_at"] - load["started_at"], timedelta(0))
    return load | {"started_at": finished_at - seconds, "finished_at": finished_at}
