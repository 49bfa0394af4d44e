"""The marts of someone on call: what has landed, how each source does, what runs now, what looks odd."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from tests.oracle.facts import Row, Run
from tests.oracle.vocabulary import History, percentile, seconds_between

KNOWN_FIELDS = {
    "": {
        "runID",
        "latestStatus",
        "lastUpdatedAt",
        "createdAt",
        "trigger",
        "sources",
        "dateStamps",
        "runHistory",
        "granularHistory",
    },
    "runHistory": {"statusTimestamp", "status"},
    "granularHistory": {"source", "latestSourceStatus", "statusByDate"},
    "statusByDate": {"dateStamp", "statuses"},
    "statuses": {"statusTimestamp", "status"},
}
MINIMUM_SAMPLE = 5


def newest_last(buckets: list[Row]) -> list[Row]:
    """The order of a source's buckets."""
    return sorted(buckets, key=lambda b: (b["created_at"], b["run_id"], b["date_stamp"]))


def end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)


def fct_date_freshness(fct_source_dates: list[Row]) -> list[Row]:
    """Choice: a date has landed when any run brought it home, even if a newer run of it did not."""
    groups: dict[tuple[str, date], list[Row]] = {}
    for bucket in fct_source_dates:
        groups.setdefault((bucket["source"], bucket["date_stamp"]), []).append(bucket)
    rows = []
    for (source, day), buckets in groups.items():
        latest = newest_last(buckets)[-1]
        landed = [b["last_event_at"] for b in buckets if b["outcome"] == "succeeded"]
        first_succeeded_at = min(landed) if landed else None
        rows.append(
            {
                "source": source,
                "date_stamp": day,
                "run_count": len(buckets),
                "latest_run_id": latest["run_id"],
                "latest_outcome": latest["outcome"],
                "first_succeeded_at": first_succeeded_at,
                "landing_lag_seconds": seconds_between(end_of(day), first_succeeded_at),
                "is_landed": bool(landed),
            }
        )
    return rows


def source_health(buckets: list[Row]) -> str:
    """`buckets` newest last. Choice: with a newer bucket in progress a stalled source is `recovering`."""
    is_newer_in_progress = False
    for bucket in reversed(buckets):
        if bucket["outcome"] == "in_progress":
            is_newer_in_progress = True
        elif bucket["outcome"] == "succeeded":
            return "healthy"
        elif is_newer_in_progress:
            return "recovering"
        else:
            return "stalled" if bucket["outcome"] == "stalled" else "failing"
    return "never_finished"


def errors_of(source: str, runs: list[Run]) -> list[datetime]:
    return [
        event.at
        for run in runs
        for (name, _), history in run.buckets.items()
        for event in history.events
        if name == source and event.phase == "error"
    ]


def source_status(runs: list[Run], fct_source_dates: list[Row]) -> list[Row]:
    """One row per source that has a bucket or that a run lists.

    Choices: a source without a bucket has `never_finished`; `last_started_at` is when the run of `last_run_id` was
    created; `last_succeeded_at` and `last_failed_at` are the latest last events of succeeded, and of failed (not
    stalled), buckets; the consecutive failures are finished buckets newer than the newest success, those in
    progress skipped; the errors since the last success are later than `last_succeeded_at`, or all without one.
    """
    by_source: dict[str, list[Row]] = {source: [] for run in runs for source in run.sources}
    for bucket in newest_last(fct_source_dates):
        by_source.setdefault(bucket["source"], []).append(bucket)
    newest_fetch = max((r.fetched_at for r in runs), default=None)
    rows = []
    for source, buckets in by_source.items():
        since_success: list[Row] = []
        for bucket in reversed(buckets):
            if bucket["outcome"] == "succeeded":
                break
            since_success.append(bucket)
        succeeded = [b for b in buckets if b["outcome"] == "succeeded"]
        failed = [b for b in buckets if b["outcome"] == "failed"]
        last_succeeded_at = max((b["last_event_at"] for b in succeeded), default=None)
        seconds = seconds_between(last_succeeded_at, newest_fetch)
        errors = errors_of(source, runs)
        rows.append(
            {
                "source": source,
                "health": source_health(buckets),
                "last_run_id": buckets[-1]["run_id"] if buckets else None,
                "last_started_at": buckets[-1]["created_at"] if buckets else None,
                "last_succeeded_at": last_succeeded_at,
                "last_failed_at": max((b["last_event_at"] for b in failed), default=None),
                "consecutive_failures": sum(1 for b in since_success if b["outcome"] != "in_progress"),
                "errors_since_last_success": sum(
                    1 for moment in errors if last_succeeded_at is None or moment > last_succeeded_at
                ),
                "hours_since_success": None if seconds is None else seconds / 3600,
                "latest_landed_date": max((b["date_stamp"] for b in succeeded), default=None),
            }
        )
    return rows


def current_stage(run: Run) -> str | None:
    """Choice: the run's own last event, if its history is in progress, else that of the newest bucket that is."""
    if run.history.outcome == "in_progress":
        return run.history.events[-1].stage
    open_buckets = [h for h in run.buckets.values() if h.outcome == "in_progress"]
    return max(open_buckets, key=lambda h: h.events[-1].at).events[-1].stage if open_buckets else None


def fct_in_flight_runs(runs: list[Run], fct_runs: list[Row]) -> list[Row]:
    """Choices: elapsed since `created_at`; "succeeded" by `effective_outcome`; under five known durations the
    expectation, and with it `is_late` and `expected_at`, is null; `expected_at` = `created_at` + p50.
    """
    outcome_of = {r["run_id"]: r["effective_outcome"] for r in fct_runs}
    samples: dict[frozenset[str], list[float]] = {}
    for run in runs:
        if outcome_of[run.run_id] == "succeeded" and run.history.total_seconds is not None:
            samples.setdefault(frozenset(run.sources), []).append(run.history.total_seconds)
    rows = []
    for run in runs:
        if outcome_of[run.run_id] != "in_progress":
            continue
        sample = samples.get(frozenset(run.sources), [])
        is_known = len(sample) >= MINIMUM_SAMPLE
        p50 = percentile(sample, 0.5) if is_known else None
        p95 = percentile(sample, 0.95) if is_known else None
        elapsed = seconds_between(run.created_at, run.fetched_at)
        rows.append(
            {
                "run_id": run.run_id,
                "created_at": run.created_at,
                "current_stage": current_stage(run),
                "elapsed_seconds": elapsed,
                "expected_p50_seconds": p50,
                "expected_p95_seconds": p95,
                "is_late": elapsed > p95 if p95 is not None else None,
                "expected_at": run.created_at + timedelta(seconds=p50) if p50 is not None else None,
            }
        )
    return rows


def has_unknown_field(value: object, place: str = "") -> bool:
    """True if an object anywhere in the payload has a key that the OpenAPI document does not name."""
    if isinstance(value, list):
        return any(has_unknown_field(item, place) for item in value)
    if isinstance(value, dict):
        if set(value) - KNOWN_FIELDS[place]:
            return True
        return any(has_unknown_field(item, key) for key, item in value.items())
    return False


def run_findings(run: Run, has_level_mismatch: bool) -> list[str]:
    """Choices: `created_at` is compared with the run-level history; an empty history is a run-level one (an
    empty bucket has no row to be seen by) and has no last status to mismatch with.
    """
    events = run.history.events
    facts = {
        "level_mismatch": has_level_mismatch,
        "empty_history": not events,
        "clock_disorder": bool(events) and run.created_at > events[0].at,
        "latest_status_mismatch": bool(events) and events[-1].status != run.payload["latestStatus"],
        "contract_drift": has_unknown_field(run.payload),
    }
    return [finding for finding, is_so in facts.items() if is_so]


def history_findings(history: History) -> list[str]:
    """Choice: a stage "closes before it starts" when its first close is earlier than its first start."""
    found = []
    if any(e.phase == "unknown" for e in history.events):
        found.append("unknown_status")
    for stage in history.stages:
        closes = [a.ended_at for a in stage.attempts if a.ended_at is not None]
        if closes and stage.started_at is not None and min(closes) < stage.started_at:
            found.append("clock_disorder")
    return found


def dq_findings(runs: list[Run], fct_runs: list[Row]) -> list[Row]:
    """Keys of the findings, each once: (finding, run, source, date); the detail's words are free."""
    found: set[tuple[str, str, str | None, date | None]] = set()
    mismatched = {r["run_id"] for r in fct_runs if r["has_level_mismatch"]}
    for run in runs:
        at_run = run_findings(run, run.run_id in mismatched) + history_findings(run.history)
        found.update((finding, run.run_id, None, None) for finding in at_run)
        for (source, day), history in run.buckets.items():
            at_bucket = history_findings(history)
            if day not in run.dates:
                at_bucket.append("unrequested_date")
            found.update((finding, run.run_id, source, day) for finding in at_bucket)
    return [
        {"finding": finding, "run_id": run_id, "source": source, "date_stamp": day}
        for finding, run_id, source, day in found
    ]
