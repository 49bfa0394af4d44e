"""Stories in which exact numbers once misled, each told by the marts as a person would tell it; expected by hand."""

from __future__ import annotations

from datetime import date

import pytest

from tests import oracle
from tests.support import written_stories
from tests.support.warehouse_of_runs import build_by_oracle, build_by_sql
from tests.support.written_runs import at

FEBRUARY = 2
MARCH = 3


@pytest.fixture(scope="module", params=[build_by_oracle, build_by_sql], ids=["oracle", "sql"])
def marts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    told = written_stories.sources() + written_stories.runs()
    return request.param(tmp_path_factory.mktemp("stories") / "statsig_runs.duckdb", told)


def find(rows: list[oracle.Row], **keys: object) -> oracle.Row:
    found = [row for row in rows if all(row[name] == value for name, value in keys.items())]
    assert len(found) == 1, (keys, found)
    return found[0]


def check(row: oracle.Row, **expected: object) -> None:
    assert {name: row[name] for name in expected} == expected


def check_source(marts, source: str, **expected: object) -> None:
    check(find(marts["source_status"], source=source), **expected)


def check_date(marts, source: str, month: int, day: int, **expected: object) -> None:
    check(find(marts["fct_date_freshness"], source=source, date_stamp=date(2024, month, day)), **expected)


def dates(marts, source: str, **columns: object) -> list[date]:
    rows = [r for r in marts["fct_date_freshness"] if r["source"] == source]
    return sorted(r["date_stamp"] for r in rows if all(r[name] == value for name, value in columns.items()))


def test_a_date_that_no_run_of_a_daily_source_asked_for_is_missing_and_overdue(marts):
    check_date(
        marts,
        "forgot a day",
        MARCH,
        2,
        run_count=0,
        latest_run_id=None,
        latest_outcome=None,
        is_landed=False,
        is_expected=True,
        day_ended_at=at("2024-03-03T08:00:00"),
        expected_by=at("2024-03-03T13:00:00"),  # the usual three hours and two of grace
        is_overdue=True,
        state="missing",
    )
    check_source(
        marts,
        "forgot a day",
        health="incomplete",
        consecutive_failures=0,
        latest_landed_date=date(2024, 3, 4),
        overdue_date_count=1,
        oldest_overdue_date=date(2024, 3, 2),
        complete_through_date=date(2024, 3, 1),
    )


def test_nobody_expects_a_weekend_of_a_source_that_runs_on_weekdays(marts):
    assert [d for d in dates(marts, "weekdays") if d.weekday() > 4] == []
    check_date(marts, "weekdays", MARCH, 4, state="awaited", expected_by=at("2024-03-05T22:00:00"), is_overdue=False)
    check_source(
        marts,
        "weekdays",
        health="healthy",
        overdue_date_count=0,
        oldest_overdue_date=None,
        complete_through_date=date(2024, 3, 3),
    )


def test_a_weekly_source_misses_its_own_day_only_and_has_two_days_for_want_of_five_landed_dates(marts):
    assert dates(marts, "Sundays", is_landed=False) == [date(2024, 2, 11), date(2024, 3, 3)]
    check_date(marts, "Sundays", FEBRUARY, 11, state="missing", is_overdue=True)
    check_date(marts, "Sundays", MARCH, 3, state="awaited", expected_by=at("2024-03-06T10:00:00"))
    check_source(marts, "Sundays", overdue_date_count=1, complete_through_date=date(2024, 2, 10))


def test_a_source_is_known_after_a_week_and_not_a_day_before(marts):
    check_date(marts, "a week old", MARCH, 3, is_expected=False, state="landed")
    check_date(marts, "a week old", MARCH, 4, is_expected=True, state="missing")
    assert dates(marts, "six days old")[-1] == date(2024, 3, 3)
    check_source(marts, "six days old", health="healthy", complete_through_date=date(2024, 3, 3))


def test_a_source_that_fell_silent_is_missed_for_four_weeks_and_then_taken_for_retired(marts):
    missed = dates(marts, "just retired", state="missing")
    assert (len(missed), missed[0], missed[-1]) == (28, date(2024, 2, 1), date(2024, 2, 28))
    check_source(
        marts,
        "just retired",
        health="incomplete",
        overdue_date_count=23,  # since 6 February: 28 days
        oldest_overdue_date=date(2024, 2, 6),
        complete_through_date=date(2024, 2, 5),
    )
    check_source(
        marts,
        "long retired",
        health="healthy",
        overdue_date_count=0,
        latest_landed_date=date(2023, 12, 31),
        complete_through_date=date(2023, 12, 31),
    )


def test_a_hole_of_last_month_is_overdue_and_a_date_that_was_late_is_no_habit(marts):
    assert dates(marts, "hole", state="missing") == [date(2024, 2, 10), date(2024, 2, 11)]
    check_date(marts, "hole", FEBRUARY, 12, state="landed", landing_lag_seconds=442_800.0)
    check_date(marts, "hole", MARCH, 4, expected_by=at("2024-03-05T13:00:00"))
    check_source(marts, "hole", health="incomplete", overdue_date_count=2, complete_through_date=date(2024, 2, 9))


def test_a_date_whose_run_failed_is_overdue_like_one_that_nobody_asked_for(marts):
    check_date(marts, "failed today", MARCH, 4, state="failed", run_count=1, is_expected=True, is_overdue=True)
    check_source(marts, "failed today", health="failing", overdue_date_count=1, complete_through_date=date(2024, 3, 3))


def test_a_backfill_that_succeeds_does_not_make_a_failed_day_healthy(marts):
    check_source(
        marts,
        "behind a backfill",
        health="incomplete",
        last_run_id="backfill",
        overdue_date_count=1,
        oldest_overdue_date=date(2024, 3, 3),
        complete_through_date=date(2024, 3, 2),
    )


def test_events_that_end_with_their_download_are_in_at_once_and_not_a_day_later(marts):
    check_source(
        marts,
        "Events",
        health="healthy",
        final_status="download_complete",
        latest_landed_date=date(2024, 3, 4),
        complete_through_date=date(2024, 3, 4),
        overdue_date_count=0,
        hours_since_success=pytest.approx(11 / 3),
    )
    check(
        find(marts["fct_runs"], run_id="Events 2024-03-04"),
        outcome="succeeded",
        effective_outcome="succeeded",
        effective_seconds=1800.0,
    )


def test_what_stops_before_its_sources_usual_end_is_stalled_and_not_a_success(marts):
    check_source(marts, "stopped half-way", final_status="pulse_complete", health="stalled")
    check(find(marts["fct_runs"], run_id="stopped half-way 2024-03-03"), outcome="stalled", has_level_mismatch=False)


def test_a_source_whose_newest_two_runs_end_otherwise_has_no_final_status_and_a_day_more(marts):
    check_source(marts, "changed its end", final_status=None, latest_landed_date=date(2024, 3, 2))
    check_date(marts, "changed its end", MARCH, 3, state="missing", expected_by=at("2024-03-05T13:00:00"))
    check_date(marts, "changed its end", MARCH, 4, state="awaited", expected_by=at("2024-03-06T13:00:00"))


def test_a_failure_counts_its_errors_in_the_same_order_of_buckets(marts):
    check_source(
        marts,
        "late success",
        health="failing",
        last_succeeded_at=at("2024-03-05T12:00:00"),
        consecutive_failures=1,
        errors_since_last_success=1,
    )


RATES = ("final_error_rate", "any_error_rate", "recovery_rate")


@pytest.mark.parametrize(
    ("trigger", "day", "finished", "with_error", "rates"),
    [
        ("in progress with errors", date(2024, 3, 5), 1, 1, (0.0, 1.0, 1.0)),
        ("stalled", date(2024, 2, 20), 1, 1, (1.0, 1.0, 0.0)),
        ("nine of ten", date(2024, 2, 20), 1, 1, (1.0, 1.0, 0.0)),
        ("failed and empty", date(2024, 2, 20), 1, 1, (1.0, 1.0, 0.0)),
        ("quick failures", date(2024, 2, 20), 10, 9, (0.9, 0.9, 0.0)),
        ("waiting", date(2024, 2, 20), 1, 1, (1.0, 1.0, 0.0)),
        ("from 1970", date(2024, 2, 20), 0, 0, (None, None, None)),
    ],
)
def test_rates_are_shares_of_what_has_finished(marts, trigger, day, finished, with_error, rates):
    row = find(marts["agg_daily"], trigger=trigger, created_date=day)
    check(row, finished_count=finished, with_error_count=with_error)
    assert tuple(row[name] for name in RATES) == pytest.approx(rates)


def test_nine_quick_failures_do_not_make_a_day_look_fast(marts):
    row = find(marts["agg_daily"], trigger="quick failures", created_date=date(2024, 2, 20))
    check(row, p50_total_seconds=3600.0, p95_total_seconds=3600.0)


def test_a_run_whose_source_recovered_a_day_later_took_that_day(marts):
    check(
        find(marts["fct_runs"], run_id="a day later"),
        total_seconds=1200.0,
        effective_seconds=98_400.0,
        recovery_seconds=97_200.0,
    )


def test_being_started_again_is_no_recovery(marts):
    check(find(marts["fct_runs"], run_id="requeued"), recovery_seconds=22_800.0)
    check(find(marts["fct_source_dates"], run_id="requeued"), recovery_seconds=22_800.0)


def test_a_run_and_its_buckets_that_are_all_stalled_agree(marts):
    check(
        find(marts["fct_runs"], run_id="stalled"),
        outcome="stalled",
        effective_outcome="stalled",
        has_level_mismatch=False,
    )
    assert ("level_mismatch", "stalled") not in {(r["finding"], r["run_id"]) for r in marts["dq_findings"]}


def test_hours_between_two_stages_are_seen_and_an_overlap_is_no_wait(marts):
    check(find(marts["fct_runs"], run_id="waiting"), waiting_seconds=24_060.0)
    check(find(marts["fct_run_stages"], run_id="waiting", stage="metrics"), wait_seconds=23_760.0)
    check(find(marts["fct_run_stages"], run_id="overlapping", stage="download"), wait_seconds=-480.0)
    check(find(marts["fct_runs"], run_id="overlapping"), waiting_seconds=0.0)
    check(find(marts["fct_runs"], run_id="an hour"), waiting_seconds=None)


def test_a_run_created_in_1970_makes_no_quiet_day_and_is_a_finding(marts):
    odd = date(1970, 1, 1)
    created = {r["created_date"] for r in marts["agg_daily"]}
    assert sorted(created)[:2] == [odd, date(2023, 11, 2)]
    check(find(marts["agg_daily"], created_date=odd, trigger="from 1970"), run_count=1, succeeded_count=1)
    findings = {(r["run_id"], r["source"]) for r in marts["dq_findings"] if r["finding"] == "implausible_time"}
    assert findings == {("from 1970", None)}
