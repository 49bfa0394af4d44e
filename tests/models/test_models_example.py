"""Marts of a few runs whose every value was worked out by hand, by both the SQL and its second opinion."""

from __future__ import annotations

from datetime import date

import pytest

from tests import oracle
from tests.support.warehouse_of_runs import build_by_oracle, build_by_sql
from tests.support.written_runs import at, history, payload

RUN_ID = "de941fa2-3e0f-44ec-a44c-5c51eed07e0d"


def example_run() -> dict:
    """The example of the OpenAPI document."""
    bucket = history(
        "2023-12-13T02:30:55.992 enqueued",
        "2023-12-13T02:32:33.118 started",
        "2023-12-13T02:40:50.210 download_started",
        "2023-12-13T02:41:47.374 download_error",
    )
    run = history(
        "2023-12-13T02:30:55.992 enqueued",
        "2023-12-13T02:32:35.607 started",
        "2023-12-13T02:40:56.694 download_started",
        "2023-12-13T02:41:48.458 download_error",
        "2023-12-13T02:44:12.421 download_started",
        "2023-12-13T02:44:24.865 download_error",
    )
    buckets = {("Events 1", "2023-12-11"): bucket, ("Events 2", "2023-12-11"): bucket}
    return payload(RUN_ID, ["Events 1", "Events 2"], ["2023-12-11"], run, buckets)


@pytest.fixture(scope="module", params=[build_by_oracle, build_by_sql], ids=["oracle", "sql"])
def build(request: pytest.FixtureRequest):
    return request.param


@pytest.fixture(scope="module")
def example(build, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[oracle.Row]]:
    database = tmp_path_factory.mktemp("example") / "statsig_runs.duckdb"
    return build(database, [(example_run(), at("2023-12-13T03:00:00"))])


def without(row: oracle.Row, *columns: str) -> oracle.Row:
    return {name: value for name, value in row.items() if name not in columns}


def test_the_example_is_one_failed_run_with_one_retry_and_its_milliseconds(example):
    assert example["fct_runs"] == [
        {
            "run_id": RUN_ID,
            "trigger": "scheduled",
            "created_at": at("2023-12-13T02:30:55.992"),
            "created_date": date(2023, 12, 13),
            "latest_status": "download_error",
            "last_updated_at": at("2023-12-13T02:44:23.790"),
            "fetched_at": at("2023-12-13T03:00:00"),
            "source_count": 2,
            "date_count": 1,
            "first_event_at": at("2023-12-13T02:30:55.992"),
            "last_event_at": at("2023-12-13T02:44:24.865"),
            "total_seconds": pytest.approx(808.873),
            "queue_seconds": pytest.approx(99.615),
            "download_seconds": pytest.approx(208.171),
            "metrics_seconds": None,
            "pulse_seconds": None,
            "waiting_seconds": pytest.approx(501.087),
            "error_count": 2,
            "retry_count": 1,
            "restart_count": 0,
            "outcome": "failed",
            "effective_outcome": "failed",
            "completed_at": at("2023-12-13T02:44:24.865"),
            "effective_seconds": pytest.approx(808.873),
            "is_recovered": False,
            "first_error_at": at("2023-12-13T02:41:47.374"),
            "recovered_at": None,
            "recovery_seconds": None,
            "has_level_mismatch": False,
        }
    ]


def test_the_example_has_a_queue_and_a_download_stage_with_two_attempts(example):
    stages = {row["stage"]: without(row, "run_id", "stage") for row in example["fct_run_stages"]}
    assert stages == {
        "queue": {
            "stage_order": 1,
            "started_at": at("2023-12-13T02:30:55.992"),
            "ended_at": at("2023-12-13T02:32:35.607"),
            "duration_seconds": pytest.approx(99.615),
            "active_seconds": pytest.approx(99.615),
            "wait_seconds": None,
            "attempt_count": 1,
            "retry_count": 0,
            "restart_count": 0,
            "error_count": 0,
            "outcome": "complete",
        },
        "download": {
            "stage_order": 2,
            "started_at": at("2023-12-13T02:40:56.694"),
            "ended_at": at("2023-12-13T02:44:24.865"),
            "duration_seconds": pytest.approx(208.171),
            "active_seconds": pytest.approx(64.208),
            "wait_seconds": pytest.approx(501.087),
            "attempt_count": 2,
            "retry_count": 1,
            "restart_count": 0,
            "error_count": 2,
            "outcome": "error",
        },
    }


def test_the_examples_attempts_are_told_apart_at_both_levels(example):
    attempts = {
        (r["level"], r["source"], r["date_stamp"], r["stage"], r["attempt_number"]): (
            r["kind"],
            r["attempt_seconds"],
            r["outcome"],
        )
        for r in example["fct_stage_attempts"]
    }
    day = date(2023, 12, 11)
    assert attempts == {
        ("run", None, None, "queue", 1): ("first", pytest.approx(99.615), "complete"),
        ("run", None, None, "download", 1): ("first", pytest.approx(51.764), "error"),
        ("run", None, None, "download", 2): ("retry", pytest.approx(12.444), "error"),
        ("source_date", "Events 1", day, "queue", 1): ("first", pytest.approx(97.126), "complete"),
        ("source_date", "Events 1", day, "download", 1): ("first", pytest.approx(57.164), "error"),
        ("source_date", "Events 2", day, "queue", 1): ("first", pytest.approx(97.126), "complete"),
        ("source_date", "Events 2", day, "download", 1): ("first", pytest.approx(57.164), "error"),
    }


def test_each_source_and_date_of_the_example_failed_once_without_a_retry(example):
    rows = sorted(example["fct_source_dates"], key=lambda row: row["source"])
    assert [row["source"] for row in rows] == ["Events 1", "Events 2"]
    for row in rows:
        assert without(row, "source") == {
            "run_id": RUN_ID,
            "date_stamp": date(2023, 12, 11),
            "created_at": at("2023-12-13T02:30:55.992"),
            "created_date": date(2023, 12, 13),
            "trigger": "scheduled",
            "is_requested_date": True,
            "first_event_at": at("2023-12-13T02:30:55.992"),
            "last_event_at": at("2023-12-13T02:41:47.374"),
            "total_seconds": pytest.approx(651.382),
            "queue_seconds": pytest.approx(97.126),
            "download_seconds": pytest.approx(57.164),
            "metrics_seconds": None,
            "pulse_seconds": None,
            "waiting_seconds": pytest.approx(497.092),
            "error_count": 1,
            "retry_count": 0,
            "restart_count": 0,
            "outcome": "failed",
            "first_error_at": at("2023-12-13T02:41:47.374"),
            "recovered_at": None,
            "recovery_seconds": None,
            "is_recovered": False,
        }
    stages = {
        (r["source"], r["stage"]): (r["stage_order"], r["wait_seconds"], r["outcome"])
        for r in example["fct_source_date_stages"]
    }
    assert stages == {
        ("Events 1", "queue"): (1, None, "complete"),
        ("Events 1", "download"): (2, pytest.approx(497.092), "error"),
        ("Events 2", "queue"): (1, None, "complete"),
        ("Events 2", "download"): (2, pytest.approx(497.092), "error"),
    }


def test_the_examples_day_counts_one_failure_and_one_retry_for_runs_and_none_for_buckets(example):
    counts = {
        "run_count": 1,
        "in_progress_count": 0,
        "succeeded_count": 0,
        "failed_count": 1,
        "recovered_count": 0,
        "finished_count": 1,
        "with_error_count": 1,
        "final_error_rate": 1.0,
        "any_error_rate": 1.0,
        "recovery_rate": 0.0,
        "p50_total_seconds": None,
        "p95_total_seconds": None,
    }
    assert example["agg_daily"] == [
        {
            "created_date": date(2023, 12, 13),
            "trigger": "scheduled",
            **counts,
            "partial_count": 0,
            "retry_count": 1,
            "retries_per_run": 1.0,
        }
    ]
    of_source = {
        "created_date": date(2023, 12, 13),
        "bucket_count": 1,
        **counts,
        "retry_count": 0,
        "retries_per_run": 0.0,
    }
    assert {r["source"]: without(r, "source") for r in example["agg_source_daily"]} == {
        "Events 1": of_source,
        "Events 2": of_source,
    }


def test_every_closed_download_attempt_of_the_examples_day_ended_in_error(example):
    rows = {r["stage"]: without(r, "stage", "created_date") for r in example["agg_stage_daily"]}
    assert rows == {
        "queue": {
            "run_count": 1,
            "attempt_count": 1,
            "error_count": 0,
            "retry_count": 0,
            "restart_count": 0,
            "attempt_error_rate": 0.0,
            "p50_seconds": pytest.approx(99.615),
            "p95_seconds": pytest.approx(99.615),
            "p50_wait_seconds": None,
            "p95_wait_seconds": None,
        },
        "download": {
            "run_count": 1,
            "attempt_count": 2,
            "error_count": 2,
            "retry_count": 1,
            "restart_count": 0,
            "attempt_error_rate": 1.0,
            "p50_seconds": pytest.approx(208.171),
            "p95_seconds": pytest.approx(208.171),
            "p50_wait_seconds": pytest.approx(501.087),
            "p95_wait_seconds": pytest.approx(501.087),
        },
    }


def test_nothing_of_the_example_has_landed_nothing_is_in_flight_and_nothing_is_odd(example):
    """11 December ends at midnight in PST. It is expected 2 + 48 h later, and 24 more as no final status is known."""
    of_both = {
        "date_stamp": date(2023, 12, 11),
        "run_count": 1,
        "latest_run_id": RUN_ID,
        "latest_outcome": "failed",
        "first_succeeded_at": None,
        "landing_lag_seconds": None,
        "is_landed": False,
        "day_ended_at": at("2023-12-12T08:00:00"),
        "is_expected": False,
        "expected_by": at("2023-12-15T10:00:00"),
        "is_overdue": False,
        "state": "failed",
        "row_count": None,
        "metric_count": None,
        "reported_status": None,
        "error_message": None,
    }
    freshness = {r["source"]: without(r, "source") for r in example["fct_date_freshness"]}
    assert freshness == {"Events 1": of_both, "Events 2": of_both}
    assert example["fct_in_flight_runs"] == []
    assert example["dq_findings"] == []


def test_both_sources_of_the_example_are_failing(example):
    of_both = {
        "health": "failing",
        "last_run_id": RUN_ID,
        "last_started_at": at("2023-12-13T02:30:55.992"),
        "last_succeeded_at": None,
        "last_failed_at": at("2023-12-13T02:41:47.374"),
        "consecutive_failures": 1,
        "errors_since_last_success": 1,
        "hours_since_success": None,
        "final_status": None,
        "latest_landed_date": None,
        "overdue_date_count": 0,
        "oldest_overdue_date": None,
        "complete_through_date": date(2023, 12, 10),
        "last_error_message": None,
        "last_error_status": None,
    }
    status = {r["source"]: without(r, "source") for r in example["source_status"]}
    assert status == {"Events 1": of_both, "Events 2": of_both}
