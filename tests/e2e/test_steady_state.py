"""What a sync costs when there is nothing new: it is the one that runs every hour, for years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import generate_runs
from tests.support.workplace import KEY, Workplace, bytes_below


def test_a_sync_of_an_unchanged_api_reads_the_pages_of_the_settle_window_and_one_more_at_most(
    tmp_path: Path,
) -> None:
    now = datetime.now(UTC)
    runs = generate_runs(500, until=now)
    with Simulator(runs, api_key=KEY) as simulator:
        workplace = Workplace(tmp_path, simulator.url, SOURCES__STATSIG_RUNS__SETTLE_DAYS="5")
        workplace.draws_page = True
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
