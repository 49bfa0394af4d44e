"""The marts by day: counts, rates and percentiles over the row-level marts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from tests.oracle.facts import Row
from tests.oracle.measures import percentile
from tests.oracle.runs import Run, buckets_of

FAILED = ("failed", "stalled")
QUIET_DAYS = 400

Key = tuple[str, str | None, date | None]


def marts(runs: list[Run], facts: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """All marts of this module, by name, over those of `facts`."""
    return {
        "agg_daily": agg_daily(runs, facts["fct_runs"]),
        "agg_source_daily": agg_source_daily(runs, facts["fct_source_dates"]),
        "agg_stage_daily": agg_stage_daily(runs, facts["fct_run_stages"], facts["fct_stage_attempts"]),
    }


def calendar(runs: Iterable[Run]) -> set[date]:
    """The created dates of these runs, and the quiet days after the first and less than 400 days before the last.

    Choice: a run with an implausible creation keeps its own day, and makes none quiet.
    """
    runs = list(runs)
    days = {r.created_at.date() for r in runs}
    plausible = {r.created_at.date() for r in runs if r.has_plausible_creation}
    if plausible:
        first, last = min(plausible), max(plausible)
        back = (last - timedelta(days=n) for n in range(1, QUIET_DAYS))
        days |= {day for day in back if day > first}
    return days


def key_of(row: Row) -> Key:
    """Of a run, a stage of a run, or a bucket."""
    return row["run_id"], row.get("source"), row.get("date_stamp")


def divide(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def outcome_columns(rows: list[Row], outcome: str, seconds: str, odd: set[Key]) -> Row:
    """Counts and rates of some runs or buckets; the columns that say what became of each and how long it took.

    Choice: a duration between implausible events (of the `odd` ones) is in no percentile, though its row is counted.
    """
    outcomes = [r[outcome] for r in rows]
    finished = [r for r in rows if r[outcome] not in (None, "in_progress")]
    broken = [r for r in finished if r[outcome] in (*FAILED, "partial")]
    with_error = [r for r in finished if r in broken or r["first_error_at"] is not None]
    recovered = [r for r in finished if r["is_recovered"]]
    run_count = len({r["run_id"] for r in rows})
    retry_count = sum(r["retry_count"] for r in rows)
    durations = [r[seconds] for r in rows if r[outcome] == "succeeded" and key_of(r) not in odd]
    return {
        "run_count": run_count,
        "in_progress_count": outcomes.count("in_progress"),
        "succeeded_count": outcomes.count("succeeded"),
        "failed_count": sum(1 for o in outcomes if o in FAILED),
        "recovered_count": len(recovered),
        "finished_count": len(finished),
        "with_error_count": len(with_error),
        "final_error_rate": divide(len(broken), len(finished)),
        "any_error_rate": divide(len(with_error), len(finished)),
        "recovery_rate": divide(len(recovered), len(with_error)),
        "retry_count": retry_count,
        "retries_per_run": divide(retry_count, run_count),
        "p50_total_seconds": percentile(durations, 0.5),
        "p95_total_seconds": percentile(durations, 0.95),
    }


def agg_daily(runs: list[Run], fct_runs: list[Row]) -> list[Row]:
    odd: set[Key] = {(r.run_id, None, None) for r in runs if any(h.has_implausible_event for h in r.histories)}
    rows = []
    for day in calendar(runs):
        for trigger in {r.trigger for r in runs}:
            own = [r for r in fct_runs if r["created_date"] == day and r["trigger"] == trigger]
            partial = sum(1 for r in own if r["effective_outcome"] == "partial")
            keys = {"created_date": day, "trigger": trigger, "partial_count": partial}
            rows.append({**keys, **outcome_columns(own, "effective_outcome", "effective_seconds", odd)})
    return rows


def agg_source_daily(runs: list[Run], fct_source_dates: list[Row]) -> list[Row]:
    """Choice: days and sources are those of the buckets, not of the runs and their lists."""
    buckets = buckets_of(runs)
    odd: set[Key] = {(b.run.run_id, b.source, b.day) for b in buckets if b.history.has_implausible_event}
    groups: dict[tuple[date, str], list[Row]] = {}
    for row in fct_source_dates:
        groups.setdefault((row["created_date"], row["source"]), []).append(row)
    rows = []
    for day in calendar(b.run for b in buckets):
        for source in {b.source for b in buckets}:
            own = groups.get((day, source), [])
            keys = {"created_date": day, "source": source, "bucket_count": len(own)}
            rows.append({**keys, **outcome_columns(own, "outcome", "total_seconds", odd)})
    return rows


def agg_stage_daily(runs: list[Run], stages: list[Row], attempts: list[Row]) -> list[Row]:
    """Run level. Only days and stages that occur: the calendar is asked for in the other two marts."""
    day_of = {r.run_id: r.created_at.date() for r in runs}
    odd = {(r.run_id, None, None) for r in runs if r.history.has_implausible_event}
    groups: dict[tuple[date, str], list[Row]] = {}
    for stage in stages:
        groups.setdefault((day_of[stage["run_id"]], stage["stage"]), []).append(stage)
    closed: dict[tuple[date, str], list[str]] = {}
    for attempt in attempts:
        if attempt["level"] == "run" and attempt["outcome"] != "running":
            closed.setdefault((day_of[attempt["run_id"]], attempt["stage"]), []).append(attempt["outcome"])
    rows = []
    for (day, name), own in groups.items():
        outcomes = closed.get((day, name), [])
        durations = [s["duration_seconds"] for s in own if key_of(s) not in odd]
        waits = [s["wait_seconds"] for s in own if key_of(s) not in odd]
        rows.append(
            {
                "created_date": day,
                "stage": name,
                "run_count": len(own),
                "attempt_count": sum(s["attempt_count"] for s in own),
                "error_count": sum(s["error_count"] for s in own),
                "retry_count": sum(s["retry_count"] for s in own),
                "restart_count": sum(s["restart_count"] for s in own),
                "attempt_error_rate": divide(outcomes.count("error"), len(outcomes)),
                "p50_seconds": percentile(durations, 0.5),
                "p95_seconds": percentile(durations, 0.95),
                "p50_wait_seconds": percentile(waits, 0.5),
                "p95_wait_seconds": percentile(waits, 0.95),
            }
        )
    return rows
