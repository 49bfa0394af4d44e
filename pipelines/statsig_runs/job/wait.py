"""`statsig-runs wait-for`: waits until one date of one source is in. Orchestrators use it as a sensor.

It syncs again and again, or only looks at what others publish. Knows what is worth waiting for and how long to pause;
what a sync does, `sync` knows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from statsig_runs.errors import AlreadyRunningError, ApiError, CheckFailedError, ConfigurationError
from statsig_runs.readers.display import duration, moment, near, visible
from statsig_runs.readers.health import is_plausible
from statsig_runs.readers.published import fetch_rows, reading

if TYPE_CHECKING:
    from statsig_runs.job.summary import Summary
    from statsig_runs.warehouse import Warehouse

log = logging.getLogger(__name__)

_BETWEEN_SYNCS: Final = 300.0
_BETWEEN_LOOKS: Final = 60.0
"""Seconds. A sync asks again for every young run, and a copy is published once a sync."""

Sync = Callable[[], "Summary"]

# a run that was just enqueued asks for the date and has no bucket yet, and one that failed early never has one
_DATE: Final = f"""
    with buckets as (
        select run_id, outcome from fct_source_dates where source = $source and date_stamp = $day
    ),
    without_bucket as (
        select run_id, effective_outcome, {is_plausible("runs.created_at")} as is_plausible, runs.created_at
        from fct_runs as runs
        inner join ingestion_run_date_stamps as requested using (run_id)
        inner join ingestion_run_sources as listed using (run_id)
        where listed.source = $source and requested.date_stamp = $day and run_id not in (select run_id from buckets)
    ),
    newest_without_bucket as (
        from without_bucket
        where effective_outcome in ('failed', 'stalled')
        order by is_plausible desc, created_at desc, run_id desc
        limit 1
    )
    select
        dates.*,
        coalesce(latest_outcome, effective_outcome) as outcome,
        exists (from buckets where outcome = 'in_progress')
        or exists (from without_bucket where effective_outcome = 'in_progress') as is_in_flight
    from (select $source as source, $day::date as date_stamp) as wanted
    left join fct_date_freshness as dates using (source, date_stamp)
    left join newest_without_bucket on true
"""  # noqa: S608  a condition of ours


@dataclass(frozen=True, slots=True)
class Seen:
    """What a published copy says of the date; `outcome` is that of the newest run that has it, None without one.

    Where no run has it, a run that asked for it and failed before it began with it counts.
    """

    is_landed: bool = False
    is_empty: bool = False
    landed_at: datetime | None = None
    outcome: str | None = None
    is_in_flight: bool = False
    is_overdue: bool = False
    expected_by: datetime | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it is lost for good, as far as can be known: it failed, nothing is under way, and it is overdue."""
        return self.outcome in {"failed", "stalled"} and not self.is_in_flight and self.is_overdue

    @property
    def has_ended(self) -> bool:
        """Whether the newest run that has the date has come to an end, and no other is under way."""
        return self.outcome in {"succeeded", "failed", "stalled"} and not self.is_in_flight

    def __str__(self) -> str:
        if self.is_landed:
            landed = f"landed {moment(self.landed_at)}" if self.landed_at else "landed"
            return landed + (", without data" if self.is_empty else "")
        told = "in progress" if self.is_in_flight else (self.outcome or "no run has it yet").replace("_", " ")
        if self.expected_by:
            told += f", {'overdue since' if self.is_overdue else 'expected by'} {moment(self.expected_by)}"
        return told


def wait_for(
    warehouse: Warehouse,
    source: str,
    day: date,
    *,
    sync: Sync | None,
    timeout: float,
    any_outcome: bool = False,
) -> Seen:
    """Return once the date has landed; with `any_outcome` once its newest run has come to an end, however.

    What the published copy says counts first, so that a date that is in costs no request. Another sync that runs is
    waited for, and so is an API that cannot be reached.

    Args:
        warehouse: whose published copy is looked at.
        source: the name of a source.
        day: one of its date stamps.
        sync: brings the copy up to date; None to leave that to another job.
        timeout: seconds after which it is given up; 0 for one look, or with `sync` one before it and one after.
        any_outcome: failed and stalled will do.

    Raises:
        CheckFailedError: it has failed for good, or the time is up.
        ConfigurationError: there is no published copy, no source of this name, or a setting is missing.
        StatsigRunsError: a sync failed in a way that waiting does not mend.
    """
    pause = _BETWEEN_SYNCS if sync else _BETWEEN_LOOKS
    deadline = time.monotonic() + timeout
    name = f"{visible(source, 60)} {day}"
    with suppress(ConfigurationError):  # what is not published or not known yet may be so after a sync
        if _is_done(seen := _look(warehouse, source, day), any_outcome=any_outcome):
            return seen
    while True:
        is_current = _has_synced(sync) if sync else True
        try:
            seen = _look(warehouse, source, day)
        except ConfigurationError:
            if is_current:
                raise
            seen = Seen()
        if _is_done(seen, any_outcome=any_outcome):
            return seen
        if seen.has_failed and is_current:  # what an older copy says may be mended by now
            raise CheckFailedError(f"{name} has failed for good: {seen}. See `statsig-runs status` for why.")
        left = deadline - time.monotonic()
        if left <= 0:
            raise CheckFailedError(f"{name} is not in, and the time to wait, {duration(timeout)}, is up: {seen}.")
        log.info("%s: %s; looking again in %s", name, seen, duration(min(pause, left)))
        time.sleep(min(pause, left))


def _is_done(seen: Seen, *, any_outcome: bool) -> bool:
    return seen.is_landed or (any_outcome and seen.has_ended)


def _has_synced(sync: Sync) -> bool:
    """Sync; what another attempt may mend is told and waited for."""
    try:
        summary = sync()
    except AlreadyRunningError as error:
        log.info("%s", error)
        return False
    if isinstance(summary.error, ApiError):
        log.warning("%s", summary.error)
        return False
    if summary.error:
        raise summary.error
    return True


def _look(warehouse: Warehouse, source: str, day: date) -> Seen:
    with reading(warehouse) as connection:
        known = {row["source"] for row in fetch_rows(connection, "select source from source_status")}
        if source not in known:
            raise ConfigurationError(f"No run names a source '{visible(source, 60)}'. {near(source, known)}")
        [row] = fetch_rows(connection, _DATE, {"source": source, "day": day})
    return Seen(
        is_landed=bool(row["is_landed"]),
        is_empty=row["state"] == "empty",
        landed_at=row["first_succeeded_at"],
        outcome=row["outcome"],
        is_in_flight=row["is_in_flight"],
        is_overdue=bool(row["is_overdue"]),
        expected_by=row["expected_by"],
    )
