"""`dq_findings`: what looks odd in the runs themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from tests.oracle.facts import Row
from tests.oracle.measures import is_plausible, is_plausible_date, parse_timestamp
from tests.oracle.runs import Run, buckets_of
from tests.oracle.vocabulary import History

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


def has_unknown_field(value: object, place: str = "") -> bool:
    """True if an object anywhere in the payload has a key that the OpenAPI document does not name."""
    if isinstance(value, list):
        return any(has_unknown_field(item, place) for item in value)
    if isinstance(value, dict):
        if set(value) - KNOWN_FIELDS[place]:
            return True
        return any(has_unknown_field(item, key) for key, item in value.items())
    return False


def has_implausible_time(run: Run) -> bool:
    """Of the run itself: a time of its own, an event of its own history, or a date that it asks for."""
    moments = [run.created_at, parse_timestamp(run.payload["lastUpdatedAt"])]
    return (
        run.history.has_implausible_event
        or any(not is_plausible(moment, run.fetched_at) for moment in moments)
        or any(not is_plausible_date(day, run.fetched_at) for day in run.dates)
    )


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
        "implausible_time": has_implausible_time(run),
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


Key = tuple[str, str | None, str | None, date | None]


def dq_findings(runs: list[Run], fct_runs: list[Row], of_reports: Iterable[Key] = ()) -> list[Row]:
    """Keys of the findings, each once: (finding, run, source, date); the detail's words are free."""
    found: set[Key] = set(of_reports)
    mismatched = {r["run_id"] for r in fct_runs if r["has_level_mismatch"]}
    for run in runs:
        at_run = run_findings(run, run.run_id in mismatched) + history_findings(run.history)
        found.update((finding, run.run_id, None, None) for finding in at_run)
    for bucket in buckets_of(runs):
        at_bucket = history_findings(bucket.history)
        if not bucket.is_requested_date:
            at_bucket.append("unrequested_date")
        if bucket.history.has_implausible_event or not bucket.has_plausible_day:
            at_bucket.append("implausible_time")
        found.update((finding, bucket.run.run_id, bucket.source, bucket.day) for finding in at_bucket)
    return [
        {"finding": finding, "run_id": run_id, "source": source, "date_stamp": day}
        for finding, run_id, source, day in found
    ]
