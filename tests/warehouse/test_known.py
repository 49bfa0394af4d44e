"""What the next sync asks a warehouse: which runs it holds, and which of them may still change."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from statsig_runs.contract import MissingRun
from statsig_runs.plan import Progress
from statsig_runs.simulator.sample_runs import generate_runs
from statsig_runs.warehouse import open_warehouse
from statsig_runs.warehouse.loader import Loader
from tests.support.one_run import NOW
from tests.support.warehouse_of_runs import accept

CREATED = {
    "old": NOW - timedelta(days=15),
    "old and in progress": NOW - timedelta(days=400),
    "old and not modelled": NOW - timedelta(days=20),
    "young": NOW - timedelta(days=13),
    "of tomorrow": NOW + timedelta(days=1),
    "of a far year": NOW + timedelta(days=2000),
    "missing": NOW - timedelta(days=1),
}


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """Of a warehouse without marts; each run was fetched a minute before the one above it."""
    [run] = generate_runs(1, seed=1, until=NOW)
    written = (run | {"runID": name, "createdAt": created.isoformat()} for name, created in CREATED.items())
    with open_warehouse(tmp_path_factory.mktemp("known") / "statsig_runs.duckdb").writing() as loader:
        runs = [accept(run, NOW - age * timedelta(minutes=1)) for age, run in enumerate(written)]
        loader.load([*runs, MissingRun("missing", NOW, "no such run")], Progress())
    return loader


def to_read_again(loader: Loader, *, now: datetime = NOW, full: bool = False) -> list[str]:
    return list(loader.known.to_read_again(now=now, settle_days=14, full=full))


def test_before_and_after_the_models_are_built_those_are_read_again_that_may_change(loader: Loader) -> None:
    longest_ago_first = [name for name in reversed(CREATED) if name != "missing"]
    assert to_read_again(loader) == longest_ago_first

    loader.sql.execute("create schema statsig")
    loader.sql.execute("create table statsig.fct_runs (run_id varchar, effective_outcome varchar)")
    for name in CREATED.keys() - {"old and not modelled"}:
        outcome = "in_progress" if "in progress" in name else "succeeded"
        loader.sql.execute("insert into statsig.fct_runs values (%s, %s)", [name, outcome])

    unsettled = ["of tomorrow", "young", "old and not modelled", "old and in progress"]
    assert to_read_again(loader) == unsettled
    assert to_read_again(loader, now=NOW + timedelta(days=2)) == [name for name in unsettled if name != "young"]
    assert to_read_again(loader, full=True) == longest_ago_first
