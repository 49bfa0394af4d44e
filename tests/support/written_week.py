"""One run for each oddity that the Console API's published examples show, written down event by event."""

from __future__ import annotations

from datetime import datetime

from tests.support.written_runs import at, history, payload


def fan_out() -> dict:
    """A healthy Metrics run: four starts of metrics and one start of pulse a date, and no error between."""
    run = history(
        "2024-03-01T00:00:00.000 enqueued",
        "2024-03-01T00:01:40.000 started",
        "2024-03-01T00:02:00.000 metrics_started",
        "2024-03-01T00:02:10.000 metrics_started",
        "2024-03-01T00:02:20.500 metrics_started",
        "2024-03-01T00:02:30.000 metrics_started",
        "2024-03-01T00:30:00.250 metrics_complete",
        "2024-03-01T00:31:00.000 pulse_started",
        "2024-03-01T00:31:05.000 pulse_started",
        "2024-03-01T00:50:00.000 pulse_complete",
    )
    bucket = history(
        "2024-03-01T00:02:00.000 metrics_started",
        "2024-03-01T00:29:50.000 metrics_complete",
        "2024-03-01T00:31:00.000 pulse_started",
        "2024-03-01T00:49:50.000 pulse_complete",
    )
    buckets = {("Metrics", "2024-02-28"): bucket, ("Metrics", "2024-02-29"): bucket}
    return payload("fan-out", ["Metrics"], ["2024-02-28", "2024-02-29"], run, buckets)


def late_recovery() -> dict:
    """The run stays at download_error; its source completes 27 h later, without a second start."""
    until_error = [
        "2024-03-01T06:00:00.000 enqueued",
        "2024-03-01T06:02:00.000 started",
        "2024-03-01T06:10:00.000 download_started",
        "2024-03-01T06:11:00.000 download_error",
    ]
    bucket = history(
        *until_error,
        "2024-03-02T09:11:00.000 download_complete",
        "2024-03-02T09:12:00.000 metrics_started",
        "2024-03-02T09:40:00.000 metrics_complete",
        "2024-03-02T09:41:00.000 pulse_started",
        "2024-03-02T10:00:00.000 pulse_complete",
    )
    events = {("Events 1", "2024-02-29"): bucket}
    return payload("late recovery", ["Events 1"], ["2024-02-29"], history(*until_error), events)


def recomputed_date() -> dict:
    """A date that was not asked for is recomputed: its history begins with metrics."""
    run = history(
        "2024-03-01T08:00:00.000 enqueued",
        "2024-03-01T08:01:00.000 started",
        "2024-03-01T08:05:00.000 download_started",
        "2024-03-01T08:30:00.000 download_complete",
        "2024-03-01T08:31:00.000 metrics_started",
        "2024-03-01T09:00:00.000 metrics_complete",
        "2024-03-01T09:01:00.000 pulse_started",
        "2024-03-01T09:20:00.000 pulse_complete",
    )
    extra = history(
        "2024-03-01T08:31:02.500 metrics_started",
        "2024-03-01T08:59:00.000 metrics_complete",
        "2024-03-01T09:01:00.000 pulse_started",
        "2024-03-01T09:19:00.000 pulse_complete",
    )
    buckets = {("Events 2", "2024-02-29"): run, ("Events 2", "2024-02-27"): extra}
    return payload("recomputed date", ["Events 2"], ["2024-02-29"], run, buckets)


def retried_run() -> dict:
    """Two download attempts at run level, one at source level."""
    run = history(
        "2024-03-01T12:00:00.000 enqueued",
        "2024-03-01T12:01:00.000 started",
        "2024-03-01T12:05:00.000 download_started",
        "2024-03-01T12:06:00.000 download_error",
        "2024-03-01T12:08:00.000 download_started",
        "2024-03-01T12:20:00.000 download_complete",
        "2024-03-01T12:30:00.000 pulse_started",
        "2024-03-01T12:45:00.000 pulse_complete",
    )
    bucket = history(
        "2024-03-01T12:00:00.000 enqueued",
        "2024-03-01T12:00:58.000 started",
        "2024-03-01T12:05:00.000 download_started",
        "2024-03-01T12:19:50.000 download_complete",
        "2024-03-01T12:30:00.000 pulse_started",
        "2024-03-01T12:44:50.000 pulse_complete",
    )
    return payload("retried run", ["Events 2"], ["2024-02-29"], run, {("Events 2", "2024-02-29"): bucket})


def backfill(run_id: str, minutes: str) -> dict:
    run = history("2024-03-03T00:00:00.000 enqueued", f"2024-03-03T{minutes}:00.000 pulse_complete")
    return payload(run_id, ["Events 2"], ["2024-02-26"], run, {("Events 2", "2024-02-26"): run}, trigger="backfill")


def in_flight(run_id: str, sources: list[str]) -> dict:
    run = history(
        "2024-03-02T08:00:00.000 enqueued",
        "2024-03-02T08:02:00.000 started",
        "2024-03-02T08:10:00.000 download_started",
    )
    return payload(run_id, sources, ["2024-03-01"], run, {})


def all_runs() -> list[tuple[dict, datetime]]:
    return [
        (fan_out(), at("2024-03-01T01:00:00")),
        (late_recovery(), at("2024-03-02T12:00:00")),
        (recomputed_date(), at("2024-03-01T12:00:00")),
        (retried_run(), at("2024-03-01T18:00:00")),
        (backfill("backfill 1", "00:50"), at("2024-03-04T00:00:00")),
        (backfill("backfill 2", "01:00"), at("2024-03-04T00:00:00")),
        (backfill("backfill 3", "01:10"), at("2024-03-04T00:00:00")),
        (in_flight("in flight", ["Events 2"]), at("2024-03-02T09:30:00")),
        (in_flight("of both", ["Events 2", "Events 1"]), at("2024-03-02T09:30:00")),
    ]
