"""The marts in empty and odd states, and after the status catalogue has learned a word."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from statsig_runs.contract import RejectedRun, read_run
from statsig_runs.models import dbt_project
from statsig_runs.packaged import packaged
from tests import oracle
from tests.support import warehouse_of_runs as warehouse
from tests.support.written_runs import at, history, payload
from tests.support.written_stories import loaded
from tests.support.written_week import all_runs, in_flight


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


def without_buckets() -> list:
    return [(run | {"granularHistory": [], "sources": [], "dateStamps": []}, fetched) for run, fetched in all_runs()]


@pytest.mark.parametrize(
    ("state", "runs"),
    [
        ("no run at all", []),
        ("a single run in flight", [(in_flight("only", ["Events 1"]), at("2024-03-02T09:30:00"))]),
        ("no bucket in any run", without_buckets()),
        ("a run without any event", [(in_flight("bare", []) | {"runHistory": []}, at("2024-03-02T09:30:00"))]),
    ],
)
def test_the_marts_are_right_with(folder: Path, state: str, runs: list):
    database = folder / state / "statsig_runs.duckdb"
    actual = warehouse.build_by_sql(database, runs)
    expected = oracle.build_marts(runs)
    for mart in oracle.MARTS:
        assert warehouse.differences(mart, expected[mart], actual[mart]) == []
    if not runs:
        assert all(rows == [] for rows in actual.values())


def test_runs_that_were_all_rejected_leave_every_mart_empty(folder: Path):
    rejected = read_run(b'{"runID": "broken"}', fetched_at=at("2024-03-02T09:30:00"))
    assert isinstance(rejected, RejectedRun)
    database = folder / "rejected" / "statsig_runs.duckdb"
    warehouse.load(database, [], [rejected])
    warehouse.build(database)
    assert all(rows == [] for rows in warehouse.read_marts(database).values())


def test_a_word_added_to_the_catalogue_changes_the_runs_that_were_built_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """The catalogue wins over the pattern, and every run is judged anew by it, unchanged ones too."""
    run = history(
        "2024-03-01T00:00:00.000 enqueued",
        "2024-03-01T00:01:00.000 download_started",
        "2024-03-01T00:02:00.000 no_data",
        "2024-03-01T00:03:00.000 metrics_started",
        "2024-03-01T00:04:00.000 metrics_error",
    )
    fetched = [(payload("taught", [], [], run, {}), at("2024-03-01T00:04:00") + timedelta(hours=25)), *all_runs()]
    database = folder / "taught" / "statsig_runs.duckdb"
    before = warehouse.build_by_sql(database, fetched)
    taught = next(row for row in before["fct_runs"] if row["run_id"] == "taught")
    assert (taught["outcome"], taught["download_seconds"], taught["error_count"]) == ("failed", None, 1)

    copy = folder / "sql"
    shutil.copytree(packaged("sql"), copy)
    seed = copy / "seeds" / "status_catalogue.csv"
    seed.write_text(seed.read_text() + "no_data,download,complete\nmetrics_error,metrics,complete\n")
    monkeypatch.setattr(dbt_project, "packaged", {"sql": copy}.__getitem__)
    warehouse.build(database)
    after = warehouse.read_marts(database)
    taught = next(row for row in after["fct_runs"] if row["run_id"] == "taught")
    assert (taught["outcome"], taught["download_seconds"], taught["error_count"]) == ("succeeded", 60.0, 0)
    words = {"no_data": ("download", "complete"), "metrics_error": ("metrics", "complete")}
    expected = oracle.build_marts(fetched, oracle.Settings(catalogue=words))
    for mart in oracle.MARTS:
        assert warehouse.differences(mart, expected[mart], after[mart]) == []


def test_runs_that_nobody_fetched_again_change_with_the_final_status_of_their_source(folder: Path):
    """Two settled runs are too few to know how Events end, three are enough, and two that end otherwise undo it."""
    end = "download_complete"
    payload_of_waiting, _ = loaded("Events", date(2024, 2, 22), end=end)
    waiting = (payload_of_waiting, at("2024-02-23T12:00:00"))  # an hour after its last event
    steps = [
        ([loaded("Events", date(2024, 2, day), end=end) for day in (20, 21)] + [waiting], "in_progress"),
        ([loaded("Events", date(2024, 2, 19), end=end)], "succeeded"),
        ([loaded("Events", date(2024, 2, day), end="metrics_complete") for day in (24, 25)], "in_progress"),
    ]
    database, known = folder / "turning" / "statsig_runs.duckdb", []
    for brought, outcome in steps:
        known += brought
        marts = warehouse.build_by_sql(database, brought)
        outcomes = {row["run_id"]: (row["outcome"], row["effective_outcome"]) for row in marts["fct_runs"]}
        assert outcomes["Events 2024-02-22"] == (outcome, outcome)
        expected = oracle.build_marts(known)
        for mart in oracle.MARTS:
            assert warehouse.differences(mart, expected[mart], marts[mart]) == []
