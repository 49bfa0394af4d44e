"""Which runs a made-up team starts: the habits of its sources, the days they count in, the dates that go wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest

from statsig_runs.simulator.sample_runs import generate_runs
from tests.support.run_parts import buckets, moment, statuses


@pytest.fixture(scope="module")
def runs() -> list[dict[str, Any]]:
    return generate_runs(3000, until=datetime(2026, 7, 1, 12, tzinfo=UTC))


def pst_date(run: dict[str, Any]) -> date:
    """The date in Pacific Standard Time, UTC-8 all year, that the run was created on."""
    return (datetime.fromisoformat(run["createdAt"]) - timedelta(hours=8)).date()


def test_the_newest_date_stamp_is_the_day_before_the_runs_own_in_pst(runs: list[dict[str, Any]]) -> None:
    assert {pst_date(run) - date.fromisoformat(max(run["dateStamps"])) for run in runs} == {timedelta(days=1)}


def asking_for(runs: list[dict[str, Any]], source: str) -> list[dict[str, Any]]:
    """Oldest first."""
    return [run for run in reversed(runs) if source in run["sources"]]


def asked_dates(runs: list[dict[str, Any]], source: str) -> list[date]:
    return sorted({date.fromisoformat(day) for run in asking_for(runs, source) for day in run["dateStamps"]})


def test_a_daily_source_runs_at_half_past_six_in_the_evening_pst_of_the_day_after(runs: list[dict[str, Any]]) -> None:
    started = {datetime.fromisoformat(run["createdAt"]).time() for run in asking_for(runs, "Support events")}
    assert time(2, 30) <= min(started) <= max(started) < time(2, 40)


def test_one_source_runs_on_weekdays_and_one_on_sundays(runs: list[dict[str, Any]]) -> None:
    finance, guardrail = asked_dates(runs, "Finance metrics"), asked_dates(runs, "Guardrail metrics")
    assert {day.weekday() for day in finance} == {0, 1, 2, 3, 4}
    assert {day.weekday() for day in guardrail} == {6}
    assert len(guardrail) == (guardrail[-1] - guardrail[0]).days / 7 + 1


def test_every_ninth_date_of_one_source_was_never_asked_for(runs: list[dict[str, Any]]) -> None:
    asked = asked_dates(runs, "Support events")
    gaps = [day for day, following in pairwise(asked) if following - day > timedelta(days=1)]
    assert {following - day for day, following in pairwise(gaps)} == {timedelta(days=9)}


def test_a_date_of_that_source_fails_for_good_and_another_comes_a_day_later(runs: list[dict[str, Any]]) -> None:
    told = {run["dateStamps"][0]: buckets(run) for run in asking_for(runs, "Support events")}
    last = {day: history["Support events", day][0] for day, history in told.items()}
    failed = sorted(date.fromisoformat(day) for day, event in last.items() if event["status"] == "download_error")
    assert timedelta(days=9) in {following - day for day, following in pairwise(failed)}
    took = {day: moment(event) - moment(told[day]["Support events", day][-1]) for day, event in last.items()}
    assert len([day for day, time_taken in took.items() if timedelta(hours=27) < time_taken < timedelta(hours=29)]) > 5


def test_runs_of_daily_events_end_with_their_download(runs: list[dict[str, Any]]) -> None:
    told = asking_for(runs, "Support events") + asking_for(runs, "Checkout events")
    good = [run for run in told if run["latestStatus"] == "download_complete"]
    assert len(good) > len(told) / 2
    assert {status for run in told for status in statuses(run["runHistory"])}.isdisjoint(
        {"metrics_started", "metrics_complete", "metrics_error", "pulse_started", "pulse_complete"}
    )
