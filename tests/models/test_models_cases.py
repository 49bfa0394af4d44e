"""A small week of runs, one for each oddity of real ones, worked out by hand; by the SQL and its second opinion."""

from __future__ import annotations

from datetime import date

import pytest

from tests import oracle
from tests.support.warehouse_of_runs import build_by_oracle, build_by_sql
from tests.support.written_runs import at
from tests.support.written_week import all_runs

LEAP_DAY = date(2024, 2, 29)


@pytest.fixture(scope="module", params=[build_by_oracle, build_by_sql], ids=["oracle", "sql"])
def marts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    return request.param(tmp_path_factory.mktemp("cases") / "statsig_runs.duckdb", all_runs())


def find(rows: list[oracle.Row], **keys: object) -> oracle.Row:
    found = [row for row in rows if all(row[name] == value for name, value in keys.items())]
    assert len(found) == 1, (keys, found)
    return found[0]


def check(row: oracle.Row, **expected: object) -> None:
    assert {name: row[name] for name in expected} == expected


def test_a_fan_out_is_restarts_and_no_retry(marts):
    check(
        find(marts["fct_runs"], run_id="fan-out"),
        queue_seconds=100.0,
        download_seconds=None,
        metrics_seconds=pytest.approx(1680.25),
        pulse_seconds=1140.0,
        total_seconds=3000.0,
        waiting_seconds=pytest.approx(79.75),
        error_count=0,
        retry_count=0,
        restart_count=4,
        outcome="succeeded",
        effective_outcome="succeeded",
        is_recovered=False,
    )
    attempts = [a for a in marts["fct_stage_attempts"] if a["run_id"] == "fan-out" and a["level"] == "run"]
    assert {(a["stage"], a["attempt_number"], a["kind"], a["restart_count"]) for a in attempts} == {
        ("queue", 1, "first", 0),
        ("metrics", 1, "first", 3),
        ("pulse", 1, "first", 1),
    }


def test_a_recovery_that_only_the_source_shows_counts_for_the_run(marts):
    check(
        find(marts["fct_runs"], run_id="late recovery"),
        outcome="failed",
        effective_outcome="succeeded",
        has_level_mismatch=True,
        is_recovered=True,
        first_error_at=at("2024-03-01T06:11:00"),
        recovered_at=at("2024-03-02T09:11:00"),
        recovery_seconds=97_200.0,
        retry_count=0,
        download_seconds=60.0,
        total_seconds=660.0,
        completed_at=at("2024-03-02T10:00:00"),
        effective_seconds=100_800.0,
    )
    check(
        find(marts["fct_source_dates"], run_id="late recovery"),
        outcome="succeeded",
        is_recovered=True,
        error_count=1,
        retry_count=0,
        download_seconds=97_260.0,
        total_seconds=100_800.0,
        recovery_seconds=97_200.0,
    )
    second = find(
        marts["fct_stage_attempts"],
        run_id="late recovery",
        level="source_date",
        stage="download",
        attempt_number=2,
    )
    check(
        second,
        kind="unopened",
        started_at=None,
        ended_at=at("2024-03-02T09:11:00"),
        attempt_seconds=None,
        outcome="complete",
    )
    check(
        find(marts["fct_source_date_stages"], run_id="late recovery", stage="download"),
        active_seconds=60.0,
        attempt_count=2,
        error_count=1,
        outcome="complete",
    )


def test_a_recomputed_date_has_no_queue_and_no_download_and_was_not_requested(marts):
    extra = date(2024, 2, 27)
    check(
        find(marts["fct_source_dates"], run_id="recomputed date", date_stamp=extra),
        is_requested_date=False,
        queue_seconds=None,
        download_seconds=None,
        metrics_seconds=pytest.approx(1677.5),
        pulse_seconds=1080.0,
        total_seconds=pytest.approx(2877.5),
        outcome="succeeded",
    )
    check(
        find(marts["fct_source_date_stages"], run_id="recomputed date", date_stamp=extra, stage="metrics"),
        stage_order=1,
    )
    check(find(marts["fct_source_dates"], run_id="recomputed date", date_stamp=LEAP_DAY), is_requested_date=True)


def test_a_retry_that_only_the_run_shows_recovers_by_the_runs_own_history(marts):
    check(
        find(marts["fct_runs"], run_id="retried run"),
        error_count=1,
        retry_count=1,
        download_seconds=900.0,
        is_recovered=True,
        first_error_at=at("2024-03-01T12:06:00"),
        recovered_at=at("2024-03-01T12:20:00"),
        recovery_seconds=840.0,
        has_level_mismatch=False,
    )
    check(find(marts["fct_run_stages"], run_id="retried run", stage="download"), active_seconds=780.0)
    check(
        find(marts["fct_source_dates"], run_id="retried run"),
        error_count=0,
        retry_count=0,
        is_recovered=False,
        first_error_at=None,
    )


def test_a_run_in_flight_is_expected_by_five_runs_of_the_same_sources_and_late_by_no_fewer_than_twenty(marts):
    check(
        find(marts["fct_in_flight_runs"], run_id="in flight"),
        created_at=at("2024-03-02T08:00:00"),
        current_stage="download",
        elapsed_seconds=5400.0,
        expected_p50_seconds=3600.0,
        expected_p95_seconds=None,
        is_late=None,
        expected_at=at("2024-03-02T09:00:00"),
    )
    check(
        find(marts["fct_in_flight_runs"], run_id="of both"),
        elapsed_seconds=5400.0,
        expected_p50_seconds=None,
        expected_p95_seconds=None,
        expected_at=None,
    )
    assert len(marts["fct_in_flight_runs"]) == 2


def test_the_calendar_has_a_row_for_each_day_and_trigger_with_null_rates_where_nothing_ran(marts):
    assert len(marts["agg_daily"]) == 6
    check(
        find(marts["agg_daily"], created_date=date(2024, 3, 1), trigger="scheduled"),
        run_count=4,
        succeeded_count=4,
        failed_count=0,
        partial_count=0,
        recovered_count=2,
        finished_count=4,
        with_error_count=2,
        final_error_rate=0.0,
        any_error_rate=0.5,
        recovery_rate=1.0,
        retry_count=1,
        retries_per_run=0.25,
        p50_total_seconds=3900.0,  # the source that recovered a day later took 28 hours, not 11 minutes
        p95_total_seconds=pytest.approx(86_400.0),
    )
    check(
        find(marts["agg_daily"], created_date=date(2024, 3, 2), trigger="scheduled"),
        run_count=2,
        in_progress_count=2,
        finished_count=0,
        with_error_count=0,
        final_error_rate=None,
        any_error_rate=None,
        recovery_rate=None,
        p50_total_seconds=None,
    )
    check(
        find(marts["agg_daily"], created_date=date(2024, 3, 2), trigger="backfill"),
        run_count=0,
        in_progress_count=0,
        succeeded_count=0,
        failed_count=0,
        partial_count=0,
        recovered_count=0,
        retry_count=0,
        final_error_rate=None,
        any_error_rate=None,
        recovery_rate=None,
        retries_per_run=None,
        p50_total_seconds=None,
        p95_total_seconds=None,
    )


def test_a_date_lands_when_its_first_run_succeeds_measured_from_its_end_in_pst(marts):
    check(
        find(marts["fct_date_freshness"], source="Events 1", date_stamp=LEAP_DAY),
        run_count=1,
        first_succeeded_at=at("2024-03-02T10:00:00"),
        day_ended_at=at("2024-03-01T08:00:00"),
        landing_lag_seconds=93_600.0,
        is_landed=True,
        state="landed",
    )
    check(
        find(marts["fct_date_freshness"], source="Events 2", date_stamp=LEAP_DAY),
        run_count=2,
        latest_run_id="retried run",
        latest_outcome="succeeded",
        first_succeeded_at=at("2024-03-01T09:20:00"),
        landing_lag_seconds=4800.0,
    )
    check(
        find(marts["fct_date_freshness"], source="Events 2", date_stamp=date(2024, 2, 26)),
        run_count=3,
        latest_run_id="backfill 3",
        first_succeeded_at=at("2024-03-03T00:50:00"),
    )


def test_a_source_is_healthy_as_of_the_newest_fetch(marts):
    check(
        find(marts["source_status"], source="Events 1"),
        health="healthy",
        last_run_id="late recovery",
        last_succeeded_at=at("2024-03-02T10:00:00"),
        last_failed_at=None,
        consecutive_failures=0,
        errors_since_last_success=0,
        hours_since_success=38.0,
        latest_landed_date=LEAP_DAY,
        overdue_date_count=0,
        complete_through_date=LEAP_DAY,
    )


def test_a_source_started_when_its_last_run_was_created_not_when_its_first_date_was_computed(marts):
    check(
        find(marts["source_status"], source="Metrics"),
        last_run_id="fan-out",
        last_started_at=at("2024-03-01T00:00:00"),
        last_succeeded_at=at("2024-03-01T00:49:50"),
    )


def test_each_oddity_is_one_finding(marts):
    found = {(r["finding"], r["run_id"], r["source"], r["date_stamp"]) for r in marts["dq_findings"]}
    assert found == {
        ("level_mismatch", "late recovery", None, None),
        ("unrequested_date", "recomputed date", "Events 2", date(2024, 2, 27)),
    }
