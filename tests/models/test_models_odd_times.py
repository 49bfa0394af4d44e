"""Times and dates that cannot be: every command works on them, and the run in which nothing is odd has its numbers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from statsig_runs.models import Definitions, build_models
from statsig_runs.warehouse import Warehouse
from tests import oracle
from tests.support import warehouse_of_runs as warehouse
from tests.support.odd_times import DAY, DOTNET_LAST, GO_ZERO, UNIX_ZERO, odd_runs, plain
from tests.support.published_runs import PATIENT, publish, run_command
from tests.support.written_runs import at, history, payload

FETCHED = at("2026-02-28T12:00:00")
RUNS = [(run, FETCHED) for run in [*odd_runs(), plain()]]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A published copy of these runs, in the default place of a folder of their own."""
    return publish(tmp_path_factory.mktemp("odd") / "data" / "statsig_runs.duckdb", RUNS)


@pytest.fixture(scope="module")
def marts(odd: Warehouse) -> dict[str, list[oracle.Row]]:
    return warehouse.read_marts(odd.database)


def test_the_run_in_which_nothing_is_odd_has_its_numbers(marts: dict[str, list[oracle.Row]]):
    [run] = [row for row in marts["fct_runs"] if row["run_id"] == "plain"]
    assert (run["created_date"], run["total_seconds"], run["effective_seconds"]) == (date(2026, 2, 28), 3600.0, 3600.0)
    assert (run["outcome"], run["effective_outcome"], run["completed_at"]) == (
        "succeeded",
        "succeeded",
        at("2026-02-28T10:00:00"),
    )
    [freshness] = [row for row in marts["fct_date_freshness"] if row["date_stamp"] == date.fromisoformat(DAY)]
    assert freshness["first_succeeded_at"] == at("2026-02-28T10:00:00")
    assert (freshness["landing_lag_seconds"], freshness["state"]) == (7200.0, "landed")


def test_an_odd_time_makes_no_day_quiet_and_no_percentile_long(marts: dict[str, list[oracle.Row]]):
    days = {row["created_date"]: row for row in marts["agg_daily"]}
    assert set(days) == {date(1, 1, 1), date(1970, 1, 1), date(2026, 2, 28), date(9999, 12, 31)}
    usual = days[date(2026, 2, 28)]
    assert (usual["run_count"], usual["p50_total_seconds"], usual["p95_total_seconds"]) == (10, 3600.0, 3600.0)
    assert {row["created_date"] for row in marts["agg_source_daily"]} == set(days)
    stages = [row for row in marts["agg_stage_daily"] if row["created_date"] == date(2026, 2, 28)]
    assert {row["stage"]: row["p95_seconds"] for row in stages} == {"queue": 600.0, "download": None, "pulse": None}


def test_an_odd_date_is_a_row_of_which_nothing_is_expected(marts: dict[str, list[oracle.Row]]):
    rows = {row["date_stamp"]: row for row in marts["fct_date_freshness"]}
    assert set(rows) == {date(1, 1, 1), date(1970, 1, 1), date.fromisoformat(DAY), date(9999, 12, 31)}
    for day in (date(1, 1, 1), date(1970, 1, 1), date(9999, 12, 31)):
        assert (rows[day]["run_count"], rows[day]["state"], rows[day]["is_overdue"]) == (1, "landed", False)
        assert (rows[day]["day_ended_at"], rows[day]["expected_by"], rows[day]["is_expected"]) == (None, None, False)
    [source] = marts["source_status"]
    assert (source["health"], source["last_run_id"]) == ("healthy", "run event 9999-12-31T23:59:59.999")
    assert source["last_started_at"] == at("2026-02-28T09:00:00")
    assert source["last_succeeded_at"] == at("2026-02-28T10:00:00")
    assert (source["latest_landed_date"], source["complete_through_date"]) == (date.fromisoformat(DAY),) * 2


def test_each_odd_time_is_a_finding(marts: dict[str, list[oracle.Row]]):
    found = {
        (row["run_id"], row["source"], row["date_stamp"])
        for row in marts["dq_findings"]
        if row["finding"] == "implausible_time"
    }
    odd_dates = {"0001-01-01", "1970-01-01", "9999-12-31"}
    assert found == {
        *((f"created {moment}", None, None) for moment in (GO_ZERO, UNIX_ZERO, DOTNET_LAST)),
        *((f"run event {moment}", None, None) for moment in (GO_ZERO, UNIX_ZERO, DOTNET_LAST)),
        *((f"bucket event {moment}", "Odd", date.fromisoformat(DAY)) for moment in (GO_ZERO, UNIX_ZERO, DOTNET_LAST)),
        *((f"date {day}", None, None) for day in odd_dates),
        *((f"date {day}", "Odd", date.fromisoformat(day)) for day in odd_dates),
    }


@pytest.mark.parametrize("command", [("status",), ("status", "--json"), ("report",), ("export", "out"), ("check",)])
def test_every_reader_works(odd: Warehouse, command: tuple[str, ...]):
    done = run_command(odd.database.parents[1], *command, **PATIENT)
    assert done.code in ({0, 5} if command == ("check",) else {0}), done.err


@pytest.mark.parametrize("hours", [-14, 14])
def test_the_farthest_days_hold_the_farthest_dates(tmp_path: Path, hours: int):
    """Nothing overflows where a date's end is computed."""
    database = tmp_path / "statsig_runs.duckdb"
    warehouse.load(database, RUNS)
    build_models(database, definitions=Definitions(day_utc_offset_hours=hours))
    with duckdb.connect(str(database), read_only=True) as con:
        ended = con.execute("select epoch(day_ended_at) from statsig.fct_date_freshness where is_landed").fetchall()
    day_after = at("2026-02-28T00:00:00").timestamp()
    assert sorted(ended, key=str) == sorted([(None,), (None,), (None,), (day_after - hours * 3600,)], key=str)


def test_a_first_event_that_cannot_be_leaves_the_end_as_it_is(tmp_path: Path):
    events = history("0001-01-01T00:00:00.000 pulse_started", "2024-03-01T10:00:00.000 pulse_complete")
    run = payload(
        "odd",
        ["Events"],
        ["2024-02-29"],
        history("2024-03-01T09:00:00.000 enqueued"),
        {("Events", "2024-02-29"): events},
    )
    database = tmp_path / "statsig_runs.duckdb"
    marts = warehouse.build_by_sql(database, [(run, at("2024-03-01T12:00:00"))])
    [date], [source] = marts["fct_date_freshness"], marts["source_status"]
    ended = at("2024-03-01T10:00:00")
    assert (date["first_succeeded_at"], source["last_succeeded_at"]) == (ended, ended)
    assert (date["landing_lag_seconds"], source["hours_since_success"]) == (2 * 3600, 2)
