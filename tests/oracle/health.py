"""The marts of someone on call: how each source does, and what runs now."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.oracle.facts import Row, effective_outcome, effective_seconds
from tests.oracle.freshness import DAY, newest_ended_date
from tests.oracle.measures import percentile, seconds_between
from tests.oracle.runs import Bucket, FinalStatuses, Run, by_source
from tests.oracle.vocabulary import Settings

NEWEST = 100
MINIMUM_FOR_P50 = 5
MINIMUM_FOR_P95 = 20


def source_health(newest_first: list[Bucket], overdue_date_count: int) -> str:
    """Choice: with a newer bucket in progress a stalled source is `recovering`."""
    is_newer_in_progress = False
    for bucket in newest_first:
        if bucket.outcome == "in_progress":
            is_newer_in_progress = True
        elif bucket.outcome == "succeeded":
            return "incomplete" if overdue_date_count else "healthy"
        elif is_newer_in_progress:
            return "recovering"
        else:
            return "stalled" if bucket.outcome == "stalled" else "failing"
    return "never_finished"


def newer_than_success(newest_first: list[Bucket]) -> list[Bucket]:
    """The buckets newer than the newest that succeeded; all, if none did."""
    newer = []
    for bucket in newest_first:
        if bucket.outcome == "succeeded":
            break
        newer.append(bucket)
    return newer


def latest_end(buckets: list[Bucket], outcome: str) -> datetime | None:
    """Choice: an implausible last event is passed over, or one from the year 9999 would be the latest for ever."""
    ends = [b.history.plausible_last_event_at for b in buckets if b.outcome == outcome]
    return max((e for e in ends if e is not None), default=None)


def source_status(runs: list[Run], finals: FinalStatuses, freshness: list[Row], settings: Settings) -> list[Row]:
    """One row per source that has a bucket or that a run lists.

    Choices: a source without a bucket has `never_finished`; `last_started_at` is when the run of `last_run_id` was
    created; `last_failed_at` is of failed buckets, not of stalled ones.
    """
    newest_fetch = max((r.fetched_at for r in runs), default=None)
    sources: dict[str, list[Bucket]] = {source: [] for run in runs for source in run.sources}
    rows = []
    for source, buckets in (sources | by_source(runs)).items():
        dates = date_columns([r for r in freshness if r["source"] == source], newest_fetch, settings)
        newer = newer_than_success(buckets)
        last_succeeded_at = latest_end(buckets, "succeeded")
        seconds = seconds_between(last_succeeded_at, newest_fetch)
        rows.append(
            {
                "source": source,
                "health": source_health(buckets, dates["overdue_date_count"]),
                "last_run_id": buckets[0].run.run_id if buckets else None,
                "last_started_at": buckets[0].run.created_at if buckets else None,
                "last_succeeded_at": last_succeeded_at,
                "last_failed_at": latest_end(buckets, "failed"),
                "consecutive_failures": sum(1 for b in newer if b.outcome != "in_progress"),
                "errors_since_last_success": sum(b.history.error_count for b in newer),
                "hours_since_success": None if seconds is None else seconds / 3600,
                "final_status": finals.get(source),
                **dates,
            }
        )
    return rows


def with_errors(rows: list[Row], newest_open_errors: dict[str, Row]) -> list[Row]:
    for row in rows:
        error = newest_open_errors.get(row["source"], {})
        row["last_error_message"] = error.get("error_message")
        row["last_error_status"] = error.get("status")
    return rows


def date_columns(freshness: list[Row], now: datetime, settings: Settings) -> Row:
    """What the dates of one source add up to; those that are implausible (they have no end) are left out."""
    newest_ended = newest_ended_date(now, settings)
    dates = [r for r in freshness if r["day_ended_at"] is not None]
    landed = [r["date_stamp"] for r in dates if r["is_landed"]]
    recent = [r for r in dates if r["date_stamp"] > newest_ended - settings.completeness_days * DAY]
    overdue = [r["date_stamp"] for r in recent if r["is_overdue"]]
    open_dates = [r["date_stamp"] for r in recent if r["date_stamp"] <= newest_ended and not r["is_landed"]]
    if open_dates:
        complete_through = min(open_dates) - DAY
    else:
        complete_through = max((day for day in landed if day <= newest_ended), default=None)
    return {
        "latest_landed_date": max(landed, default=None),
        "overdue_date_count": len(overdue),
        "oldest_overdue_date": min(overdue, default=None),
        "complete_through_date": complete_through,
    }


def current_stage(run: Run) -> str | None:
    """Choice: the run's own last event, if its history is in progress, else that of the newest bucket that is."""
    if run.history.outcome == "in_progress":
        return run.history.events[-1].stage
    open_buckets = [h for h in run.buckets.values() if h.outcome == "in_progress"]
    return max(open_buckets, key=lambda h: h.events[-1].at).events[-1].stage if open_buckets else None


def is_sample(run: Run) -> bool:
    """Choice: what has an implausible creation or event is no measure for others."""
    is_odd = any(h.has_implausible_event for h in run.histories) or not run.has_plausible_creation
    return effective_outcome(run) == "succeeded" and not is_odd


def fct_in_flight_runs(runs: list[Run]) -> list[Row]:
    """Choice: nothing is expected of a run with an implausible creation; it is neither late nor not late."""
    samples: dict[frozenset[str], list[float | None]] = {}
    for run in sorted(runs, key=lambda r: r.place, reverse=True):
        if is_sample(run):
            samples.setdefault(frozenset(run.sources), []).append(effective_seconds(run))
    rows = []
    for run in runs:
        if effective_outcome(run) != "in_progress":
            continue
        sample = samples.get(frozenset(run.sources), [])[:NEWEST]
        p50 = percentile(sample, 0.5) if len(sample) >= MINIMUM_FOR_P50 else None
        p95 = percentile(sample, 0.95) if len(sample) >= MINIMUM_FOR_P95 else None
        elapsed = seconds_between(run.created_at, run.fetched_at)
        is_known = run.has_plausible_creation
        rows.append(
            {
                "run_id": run.run_id,
                "created_at": run.created_at,
                "current_stage": current_stage(run),
                "elapsed_seconds": elapsed,
                "expected_p50_seconds": p50,
                "expected_p95_seconds": p95,
                "is_late": elapsed > p95 if p95 is not None and is_known else None,
                "expected_at": run.created_at + timedelta(seconds=p50) if p50 is not None and is_known else None,
            }
        )
    return rows
