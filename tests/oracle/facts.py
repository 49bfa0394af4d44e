"""The row-level marts: runs, buckets, stages, attempts. One loop over the runs, one row at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.oracle.measures import parse_timestamp, seconds_between
from tests.oracle.runs import Run, buckets_of
from tests.oracle.vocabulary import History

Row = dict[str, Any]


def marts(runs: list[Run]) -> dict[str, list[Row]]:
    """All marts of this module, by name."""
    return {
        "fct_runs": fct_runs(runs),
        "fct_run_stages": fct_run_stages(runs),
        "fct_source_date_stages": fct_source_date_stages(runs),
        "fct_stage_attempts": fct_stage_attempts(runs),
        "fct_source_dates": fct_source_dates(runs),
    }


def effective_outcome(run: Run) -> str | None:
    outcomes = {h.outcome for h in run.buckets.values()}
    if not outcomes:
        return run.history.outcome
    if "in_progress" in outcomes:
        return "in_progress"
    if outcomes in ({"succeeded"}, {"stalled"}):
        return outcomes.pop()
    return "partial" if "succeeded" in outcomes else "failed"


def completed_at(run: Run) -> datetime | None:
    """The latest event at either level. Choice: null too where no event has ever come."""
    moments = [e.at for h in run.histories for e in h.events]
    return max(moments) if moments and effective_outcome(run) != "in_progress" else None


def effective_seconds(run: Run) -> float | None:
    return seconds_between(min((e.at for h in run.histories for e in h.events), default=None), completed_at(run))


def history_columns(history: History) -> Row:
    """What a run and a bucket both say of their own history. Choice: counts of no events are 0, not null."""
    return {
        "first_event_at": history.first_event_at,
        "last_event_at": history.last_event_at,
        "total_seconds": history.total_seconds,
        "queue_seconds": history.duration_of("queue"),
        "download_seconds": history.duration_of("download"),
        "metrics_seconds": history.duration_of("metrics"),
        "pulse_seconds": history.duration_of("pulse"),
        "waiting_seconds": history.waiting_seconds,
        "error_count": history.error_count,
        "retry_count": history.retry_count,
        "restart_count": history.restart_count,
        "outcome": history.outcome,
    }


def fct_runs(runs: list[Run]) -> list[Row]:
    rows = []
    for run in runs:
        effective = effective_outcome(run)
        first_error_at = min((h.first_error_at for h in run.histories if h.first_error_at is not None), default=None)
        is_recovered = first_error_at is not None and effective == "succeeded"
        recovered_at = None
        if is_recovered:
            moments = [h.recovered_at for h in run.histories if h.recovered_at is not None]
            recovered_at = max(moments) if moments else completed_at(run)
        rows.append(
            {
                "run_id": run.run_id,
                "trigger": run.trigger,
                "created_at": run.created_at,
                "created_date": run.created_at.date(),
                "latest_status": run.payload["latestStatus"],
                "last_updated_at": parse_timestamp(run.payload["lastUpdatedAt"]),
                "fetched_at": run.fetched_at,
                "source_count": len(run.sources),
                "date_count": len(run.dates),
                **history_columns(run.history),
                "effective_outcome": effective,
                "completed_at": completed_at(run),
                "effective_seconds": effective_seconds(run),
                "is_recovered": is_recovered,
                "first_error_at": first_error_at,
                "recovered_at": recovered_at,
                "recovery_seconds": seconds_between(first_error_at, recovered_at),
                # Choice: a null outcome differs from any outcome, and not from null.
                "has_level_mismatch": run.history.outcome != effective,
            }
        )
    return rows


def fct_source_dates(runs: list[Run]) -> list[Row]:
    return [
        {
            "run_id": bucket.run.run_id,
            "source": bucket.source,
            "date_stamp": bucket.day,
            "created_at": bucket.run.created_at,
            "created_date": bucket.run.created_at.date(),
            "trigger": bucket.run.trigger,
            "is_requested_date": bucket.is_requested_date,
            **history_columns(bucket.history),
            "first_error_at": bucket.history.first_error_at,
            "recovered_at": bucket.history.recovered_at,
            "recovery_seconds": seconds_between(bucket.history.first_error_at, bucket.history.recovered_at),
            "is_recovered": bucket.history.error_count > 0 and bucket.outcome == "succeeded",
        }
        for bucket in buckets_of(runs)
    ]


def stage_rows(keys: Row, history: History) -> list[Row]:
    return [
        {
            **keys,
            "stage": stage.name,
            "stage_order": stage.order,
            "started_at": stage.started_at,
            "ended_at": stage.ended_at,
            "duration_seconds": stage.duration_seconds,
            "active_seconds": stage.active_seconds,
            "wait_seconds": stage.wait_seconds,
            "attempt_count": len(stage.attempts),
            "retry_count": stage.retry_count,
            "restart_count": stage.restart_count,
            "error_count": stage.error_count,
            "outcome": stage.attempts[-1].outcome,
        }
        for stage in history.stages
    ]


def fct_run_stages(runs: list[Run]) -> list[Row]:
    return [row for run in runs for row in stage_rows({"run_id": run.run_id}, run.history)]


def fct_source_date_stages(runs: list[Run]) -> list[Row]:
    return [
        row
        for bucket in buckets_of(runs)
        for row in stage_rows(
            {"run_id": bucket.run.run_id, "source": bucket.source, "date_stamp": bucket.day}, bucket.history
        )
    ]


def attempt_rows(keys: Row, history: History) -> list[Row]:
    return [
        {
            **keys,
            "stage": stage.name,
            "attempt_number": attempt.number,
            "kind": attempt.kind,
            "started_at": attempt.started_at,
            "ended_at": attempt.ended_at,
            "attempt_seconds": attempt.seconds,
            "outcome": attempt.outcome,
            "restart_count": attempt.restart_count,
        }
        for stage in history.stages
        for attempt in stage.attempts
    ]


def fct_stage_attempts(runs: list[Run]) -> list[Row]:
    rows = []
    for run in runs:
        at_run = {"level": "run", "run_id": run.run_id, "source": None, "date_stamp": None}
        rows += attempt_rows(at_run, run.history)
    for bucket in buckets_of(runs):
        keys = {
            "level": "source_date",
            "run_id": bucket.run.run_id,
            "source": bucket.source,
            "date_stamp": bucket.day,
        }
        rows += attempt_rows(keys, bucket.history)
    return rows
