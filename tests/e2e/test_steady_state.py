"""What a sync costs when there is nothing new: it is the one that runs every hour, for years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

import pytest

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import generate_runs
from tests.e2e.conftest import NEVER_SETTLED, TODAY, YESTERDAY
from tests.support.workplace import KEY, Workplace, bytes_below, contents

OF_THE_JOB = r"_dlt.*|(publish|model)_seconds|finished_at"
"""Columns that tell when the job did what, and not what it found."""


def test_a_sync_of_an_unchanged_api_reads_the_pages_of_the_settle_window_and_one_more_at_most(
    tmp_path: Path,
) -> None:
    now = datetime.now(UTC)
    runs = generate_runs(500, until=now)
    with Simulator(runs, api_key=KEY) as simulator:
        workplace = Workplace(tmp_path, simulator.url, SOURCES__STATSIG_RUNS__SETTLE_DAYS="5")
        workplace.as_installed = True
        first = workplace.sync()
        assert first.code == 0, first.err
        assert first.summary["new"] == 500
        assert simulator.statuses == {200: 52}  # 50 pages; the ingestion status of 5 days, and of those before
        files = len(bytes_below([workplace.data]))
        simulator.statuses.clear()
        second = workplace.sync()
        asked = simulator.statuses.total()
    young = sum(datetime.fromisoformat(run["createdAt"]) > now - timedelta(days=5) for run in runs)
    assert 130 < young < 190
    assert ceil(young / 10) + 1 <= asked <= ceil(young / 10) + 2  # one is for the ingestion status
    assert second.summary["requests"] == asked
    assert (second.summary["new"], second.summary["changed"]) == (0, 0)
    assert workplace.query("select count(*), count(distinct run_id) from statsig_raw.run_payloads") == [(500, 500)]
    assert workplace.query("select count(*) from statsig.fct_loads") == [(2,)]
    grown = len(bytes_below([workplace.data])) - files
    assert grown <= 1  # nothing piles up; of a first load, dlt keeps one record less


def test_a_sync_that_finds_nothing_new_builds_nothing_and_publishes_what_a_full_refresh_would(
    workplace: Workplace,
) -> None:
    workplace.environment |= NEVER_SETTLED
    assert workplace.sync().code == 0
    renewed = workplace.run("sync", "--json", "--log-level", "info")
    assert (renewed.summary["unchanged"], renewed.summary["error"]) == (len(TODAY), None)
    assert "nothing has changed" in renewed.err
    assert "building the models" not in renewed.err
    published = contents(workplace.published, without=OF_THE_JOB)
    newest = "select max(fetched_at), (select max(fetched_at) from statsig_raw.ingestion_runs) from statsig.fct_runs"
    assert len(set(workplace.query(newest)[0])) == 1
    transformed = workplace.run("transform", "--full-refresh")
    assert transformed.code == 0, transformed.err
    assert contents(workplace.published, without=OF_THE_JOB) == published


def test_a_sync_that_changes_few_runs_does_without_dbt_and_publishes_what_a_full_refresh_would(
    workplace: Workplace, simulator: Simulator
) -> None:
    workplace.environment |= NEVER_SETTLED
    assert workplace.sync().code == 0
    for said in ("building the models", "up to date with 5 changed runs"):  # how, the first build could not say
        for run in TODAY[:5]:
            simulator.runs.add(run | {"latestStatus": said})
        changed = workplace.run("sync", "--json", "--log-level", "info")
        assert (changed.summary["changed"], changed.summary["error"]) == (5, None)
        assert said in changed.err
    published = contents(workplace.published, without=OF_THE_JOB)
    transformed = workplace.run("transform", "--full-refresh")
    assert transformed.code == 0, transformed.err
    assert contents(workplace.published, without=OF_THE_JOB) == published


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SOURCES__STATSIG_RUNS__SETTLE_HOURS", "48"),
        ("SOURCES__STATSIG_RUNS__DAY_UTC_OFFSET_HOURS", "0"),
        ("SOURCES__STATSIG_RUNS__VOLUME_DROP_RATIO", "0.4"),
    ],
)
def test_another_definition_is_built_though_nothing_new_was_found(
    synced_yesterday: Workplace, tmp_path: Path, variable: str, value: str
) -> None:
    with Simulator(YESTERDAY, api_key=KEY) as simulator:
        workplace = synced_yesterday.copy(tmp_path)
        workplace.environment |= {"SOURCES__STATSIG_RUNS__BASE_URL": simulator.url, variable: value}
        done = workplace.run("sync", "--json", "--log-level", "info")
    assert (done.summary["changed"], done.summary["error"]) == (0, None)
    assert "building the models" in done.err
