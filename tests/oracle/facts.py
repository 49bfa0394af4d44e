"""The row-level marts: runs, buckets, stages, attempts. One loop over the runs, one row at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tests.oracle.vocabulary import (
    History,
    Settings,
    parse_date,
    parse_timestamp,
    read_history,
    seconds_between,
)

Row = dict[str, Any]


@dataclass
class Run:
    """One payload read with its fetch: the run-level history and that of every bucket with events."""

    payload: dict
    fetched_at: datetime
    created_at: datetime
    sources: set[str]
    dates: set[date]
    history: History
    buckets: dict[tuple[str, date], History]

    @property
    def run_id(self) -> str:
        return self.payload["runID"]

    @property
    def trigger(self) -> str:
        return self.payload["trigger"]


def read_run(payload: dict, fetched_at: datetime, settings: Settings) -> Run:
    """A source or date that stands twice is one bucket with the events of both, in the order listed.

    Choice: a bucket without events is not a bucket, as no raw table has a row for it.
    """
    statuses: dict[tuple[str, date], list[dict]] = {}
    for source in payload["granularHistory"]:
        for day in source["statusByDate"]:
            statuses.setdefault((source["source"], parse_date(day["dateStamp"])), []).extend(day["statuses"])
    return Run(
        payload=payload,
        fetched_at=fetched_at,
        created_at=parse_timestamp(payload["createdAt"]),
        sources=set(payload["sources"]),
        dates={parse_date(d) for d in payload["dateStamps"]},
        history=read_history(payload["runHistory"], fetched_at, settings),
        buckets={k: read_history(v, fetched_at, settings) for k, v in statuses.items() if v},
    )


def effective_outcome(run: Run) -> str | None:
    outcomes = [h.outcome for h in run.buckets.values()]
    if not outcomes:
        return run.history.outcome
    if "in_progress" in outcomes:
        return "in_progress"
    if all(o == "succeeded" for o in outcomes):
        return "succeeded"
    if "succeeded" not in outcomes:
        return "failed"
    return "partial"


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
        "error_count": history.error_count,
        "retry_count": history.retry_count,
        "restart_count": history.restart_count,
        "outcome": history.outcome,
    }


def fct_runs(runs: list[Run]) -> list[Row]:
    rows = []
    for run in runs:
        effective = effective_outcome(run)
        histories = [run.history, *run.buckets.values()]
        errors = [h.first_error_at for h in histories if h.first_error_at is not None]
        is_recovered = bool(errors) and effective == "succeeded"
        recovered_at = None
        if is_recovered:
            of_buckets = [h.recovered_at for h in run.buckets.values() if h.recovered_at is not None]
            recovered_at = max(of_buckets) if of_buckets else run.history.recovered_at
        first_error_at = min(errors) if errors else None
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
            "run_id": run.run_id,
            "source": source,
            "date_stamp": day,
            "created_at": run.created_at,
            "created_date": run.created_at.date(),
            "trigger": run.trigger,
            "is_requested_date": day in run.dates,
            **history_columns(history),
            "first_error_at": history.first_error_at,
            "recovered_at": history.recovered_at,
            "recovery_seconds": seconds_between(history.first_error_at, history.recovered_at),
            "is_recovered": history.error_count > 0 and history.outcome == "succeeded",
        }
        for run in runs
        for (source, day), history in run.buckets.items()
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
        for run in runs
        for (source, day), history in run.buckets.items()
        for row in stage_rows({"run_id": run.run_id, "source": source, "date_stamp": day}, history)
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
        for (source, day), history in run.buckets.items():
            keys = {"level": "source_date", "run_id": run.run_id, "source": source, "date_stamp": day}
            rows += attempt_rows(keys, history)
    return rows
