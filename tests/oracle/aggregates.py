"""The marts by day: counts, rates and percentiles over the row-level marts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from tests.oracle.facts import Row
from tests.oracle.vocabulary import percentile

FAILED = ("failed", "stalled")


def days_between(rows: list[Row]) -> Iterator[date]:
    """Every calendar day from the first to the last `created_date` of these rows."""
    if not rows:
        return
    day, last = min(r["created_date"] for r in rows), max(r["created_date"] for r in rows)
    while day <= last:
        yield day
        day += timedelta(days=1)


def divide(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def outcome_columns(rows: list[Row], outcome: str) -> Row:
    """Counts and rates of some runs or buckets.

    Choices, both by the letter: *finished* is all but in_progress, so a run without any event (null outcome) is
    in it, as `run_count` - `in_progress_count`; "those with at least one error event" are all such rows, those
    in progress too. An error event of a run may stand at either level, as for `is_recovered`.
    """
    outcomes = [r[outcome] for r in rows]
    finished = [r for r in rows if r[outcome] != "in_progress"]
    with_error = [r for r in rows if r["first_error_at"] is not None]
    failed = sum(1 for o in outcomes if o in FAILED)
    recovered = sum(1 for r in rows if r["is_recovered"])
    run_count = len({r["run_id"] for r in rows})
    retry_count = sum(r["retry_count"] for r in rows)
    return {
        "run_count": run_count,
        "in_progress_count": outcomes.count("in_progress"),
        "succeeded_count": outcomes.count("succeeded"),
        "failed_count": failed,
        "recovered_count": recovered,
        "final_error_rate": divide(failed, len(finished)),
        "any_error_rate": divide(len(with_error), len(finished)),
        "recovery_rate": divide(recovered, len(with_error)) if finished else None,
        "retry_count": retry_count,
        "retries_per_run": divide(retry_count, run_count),
        "p50_total_seconds": percentile([r["total_seconds"] for r in finished], 0.5),
        "p95_total_seconds": percentile([r["total_seconds"] for r in finished], 0.95),
    }


def agg_daily(fct_runs: list[Row]) -> list[Row]:
    rows = []
    for day in days_between(fct_runs):
        for trigger in sorted({r["trigger"] for r in fct_runs}):
            own = [r for r in fct_runs if r["created_date"] == day and r["trigger"] == trigger]
            partial = sum(1 for r in own if r["effective_outcome"] == "partial")
            keys = {"created_date": day, "trigger": trigger, "partial_count": partial}
            rows.append({**keys, **outcome_columns(own, "effective_outcome")})
    return rows


def agg_source_daily(fct_source_dates: list[Row]) -> list[Row]:
    """Choice: both the calendar and the sources ever seen are those of the buckets."""
    rows = []
    for day in days_between(fct_source_dates):
        for source in sorted({r["source"] for r in fct_source_dates}):
            own = [r for r in fct_source_dates if r["created_date"] == day and r["source"] == source]
            keys = {"created_date": day, "source": source, "bucket_count": len(own)}
            rows.append({**keys, **outcome_columns(own, "outcome")})
    return rows


def agg_stage_daily(fct_runs: list[Row], stages: list[Row], attempts: list[Row]) -> list[Row]:
    """Run level. Only days and stages that occur: the calendar is asked for in the other two marts."""
    day_of = {r["run_id"]: r["created_date"] for r in fct_runs}
    groups: dict[tuple[date, str], list[Row]] = {}
    for stage in stages:
        groups.setdefault((day_of[stage["run_id"]], stage["stage"]), []).append(stage)
    rows = []
    for (day, name), own in groups.items():
        closed = [
            a
            for a in attempts
            if a["level"] == "run" and a["stage"] == name and day_of[a["run_id"]] == day and a["outcome"] != "running"
        ]
        in_error = sum(1 for a in closed if a["outcome"] == "error")
        durations = [s["duration_seconds"] for s in own]
        rows.append(
            {
                "created_date": day,
                "stage": name,
                "run_count": len(own),
                "attempt_count": sum(s["attempt_count"] for s in own),
                "error_count": sum(s["error_count"] for s in own),
                "retry_count": sum(s["retry_count"] for s in own),
                "restart_count": sum(s["restart_count"] for s in own),
                "attempt_error_rate": divide(in_error, len(closed)),
                "p50_seconds": percentile(durations, 0.5),
                "p95_seconds": percentile(durations, 0.95),
            }
        )
    return rows
