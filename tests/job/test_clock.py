"""A clock that ran ahead once: the next sync with a right one makes everything good, and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import dlt.common.time
import pytest

from statsig_runs.api import transport
from statsig_runs.contract import MissingRun, RejectedRun, read_run
from statsig_runs.job import refresh, summary, sync
from statsig_runs.job.clock import mend_clock
from statsig_runs.job.progress import LogWatch
from statsig_runs.plan import Gap, Progress
from statsig_runs.request import Request
from statsig_runs.settings import load_settings
from statsig_runs.simulator import API_KEY, Simulator
from statsig_runs.simulator.sample_runs import generate_runs, runs_as_of
from statsig_runs.status_messages import StatusMessage, StatusProgress, read_message
from statsig_runs.warehouse import Warehouse
from statsig_runs.warehouse.destinations import open_warehouse
from statsig_runs.warehouse.loader import Loader
from tests.support.one_run import payload
from tests.support.warehouse_of_runs import accept
from tests.support.workplace import OF_THE_FETCH, contents, query

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AHEAD = timedelta(days=400)
TIMES = """
    select max(moment) from (
        select max(fetched_at) as moment from statsig_raw.ingestion_runs
        union all select max(fetched_at) from statsig_raw.run_payloads
        union all select max(fetched_at) from statsig_raw.rejected_runs
        union all select max(fetched_at) from statsig_raw.missing_runs
        union all select max(first_fetched_at) from statsig_raw.ingestion_status_messages
        union all select max(finished_at) from statsig_raw.sync_loads
        union all select max(fetched_at) from statsig.fct_runs
        union all select max(finished_at) from statsig.fct_loads
    )
"""


@contextmanager
def clock_ahead(by: timedelta) -> Iterator[None]:
    """As if the machine's clock were set wrong: what a sync stamps, and what dlt numbers its loads by."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by

    right = dlt.common.time.precise_time
    with pytest.MonkeyPatch.context() as patch:
        for module in (transport, summary, sync):
            patch.setattr(module, "datetime", Clock)
        patch.setattr(dlt.common.time, "precise_time", lambda: right() + by.total_seconds())
        patch.setattr(dlt.common.time.increasing_precise_time, "_last", 0.0)
        yield


def run_sync(warehouse: Warehouse, simulator: Simulator) -> summary.Summary:
    settings = load_settings(api_key=API_KEY, base_url=simulator.url, rate_limits="10000/1")
    done = sync.run_sync(warehouse, settings, Request(), LogWatch())
    assert done.error is None
    return done


def test_after_a_clock_was_wrong_the_next_sync_is_as_if_it_never_had_been(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "refresh_page", lambda _: None)  # it is about the data
    now = datetime.now(UTC)
    today = generate_runs(40, seed=5, until=now, malformed=1)
    wrong, right = (open_warehouse(tmp_path / name / "statsig_runs.duckdb") for name in ("wrong", "right"))
    with Simulator(runs_as_of(today, now - timedelta(days=1)), api_key=API_KEY) as simulator:
        with clock_ahead(AHEAD):
            run_sync(wrong, simulator)
        assert query(wrong.database, TIMES)[0][0] > now + timedelta(days=399)
        run_sync(right, simulator)
        for run in today:
            simulator.runs.add(run)
        run_sync(right, simulator)
        caplog.clear()
        run_sync(wrong, simulator)
        assert "a clock ran ahead: " in caplog.text
        caplog.clear()
        again = run_sync(wrong, simulator)
        expected = run_sync(right, simulator)
    assert "a clock ran ahead" not in caplog.text
    assert query(wrong.database, TIMES)[0][0] < datetime.now(UTC)
    assert again.requests == expected.requests
    states = [contents(each.database, without=rf"{OF_THE_FETCH}|elapsed_seconds") for each in (wrong, right)]
    for tables in states:
        del tables["statsig_raw.sync_loads"], tables["statsig.fct_loads"]
    assert states[0] == states[1]
    assert query(wrong.database, "select count(*) from statsig.fct_loads") == [(3,)]


@pytest.fixture
def loader(tmp_path: Path) -> Iterator[Loader]:
    with open_warehouse(tmp_path / "statsig_runs.duckdb").writing() as loader:
        yield loader


def times(loader: Loader, table: str, key: str = "run_id", moment: str = "fetched_at") -> dict[str, datetime]:
    rows = loader.sql.query(f"select {key}, {moment} from statsig_raw.{table} order by 1")
    assert rows is not None
    return {name: value.astimezone(UTC) for name, value in rows}


def test_what_was_fetched_later_counts_as_fetched_now_and_older_payloads_keep_their_order(loader: Loader) -> None:
    later = NOW + AHEAD
    versions = [
        accept(payload(runID="ahead", latestStatus=word), later + timedelta(hours=hour))
        for hour, word in enumerate("abc")
    ]
    first = accept(payload(runID="mended", latestStatus="old"), later)
    loader.load([*versions, first, accept(payload(runID="right"), NOW - timedelta(days=1))], Progress(as_of=later))
    loader.load([accept(payload(runID="mended", latestStatus="new"), NOW - timedelta(hours=1))], Progress(as_of=later))

    mend_clock(loader, NOW)

    assert times(loader, "ingestion_runs") == {
        "ahead": NOW,
        "mended": NOW - timedelta(hours=1),
        "right": NOW - timedelta(days=1),
    }
    hashes = {run.content_hash: word for word, run in zip("abc", versions, strict=True)} | {first.content_hash: "old"}
    seen = {hashes.get(name, name): moment for name, moment in times(loader, "run_payloads", "content_hash").items()}
    assert seen["c"] == NOW
    assert NOW - timedelta(seconds=1) < seen["a"] < seen["b"] < NOW
    assert NOW - timedelta(hours=1, seconds=1) < seen["old"] < NOW - timedelta(hours=1)
    status = loader.sql.query("select run_id, latest_status from statsig_raw.ingestion_runs order by 1")
    assert status == [("ahead", "c"), ("mended", "new"), ("right", "started")]
    assert loader.progress() == Progress(as_of=NOW)


def test_refused_and_missing_runs_messages_loads_and_progress_are_mended_too(loader: Loader) -> None:
    later = NOW + AHEAD
    refused = read_run(b'{"runID": "refused"}', fetched_at=later)
    message = read_message(json.dumps({"ds": "2026-01-01", "status": "ok"}).encode(), fetched_at=later)
    assert isinstance(refused, RejectedRun)
    assert isinstance(message, StatusMessage)
    gone = accept(payload(runID="gone"), later)
    progress = Progress(as_of=later, gaps=(Gap(4, later), Gap(9, NOW - timedelta(days=9))), leftover=("x",))
    status = StatusProgress(first=NOW.date(), last=later.date())
    loader.load([gone, refused, message], progress, beside={"status": status.to_state()})
    loader.load([MissingRun("gone", later, "no such run"), MissingRun("early", NOW, "no such run")], progress)
    seconds = dict.fromkeys(("fetch_seconds", "load_seconds", "model_seconds", "publish_seconds"), 1.0)
    loader.record(
        {"load_id": "l", "started_at": later, "finished_at": later + timedelta(minutes=2), "new_count": 7, **seconds}
    )

    mend_clock(loader, NOW)

    assert times(loader, "rejected_runs") == {"refused": NOW}
    assert times(loader, "missing_runs") == {"early": NOW, "gone": NOW}
    assert times(loader, "ingestion_runs") == {"gone": NOW}
    assert list(times(loader, "ingestion_status_messages", "message_hash", "first_fetched_at").values()) == [NOW]
    ((load_id, new, started, finished),) = loader.sql.query(
        "select load_id, new_count, started_at, finished_at from statsig_raw.sync_loads"
    ) or [()]
    assert (load_id, new, finished - started) == ("l", 7, timedelta(minutes=2))
    assert NOW - timedelta(seconds=1) < finished.astimezone(UTC) < NOW
    assert loader.progress() == replace(progress, as_of=NOW, gaps=(Gap(4, NOW), Gap(9, NOW - timedelta(days=9))))
    assert StatusProgress.from_state(loader.state("status")) == replace(status, last=NOW.date())


def test_clocks_that_differ_by_minutes_are_left_alone(loader: Loader, caplog: pytest.LogCaptureFixture) -> None:
    soon = NOW + timedelta(minutes=4)
    loader.load([accept(payload(), soon)], Progress(as_of=NOW))

    mend_clock(loader, NOW)

    assert times(loader, "ingestion_runs") == {"r1": soon}
    assert "clock" not in caplog.text


def test_the_state_that_a_load_of_the_future_left_does_not_win_over_later_ones(tmp_path: Path) -> None:
    warehouse = open_warehouse(tmp_path / "statsig_runs.duckdb")
    with clock_ahead(AHEAD), warehouse.writing() as loader:
        loader.load([], Progress(as_of=NOW + AHEAD))
    for day in range(3):
        with warehouse.writing() as loader:
            loader.load([], Progress(as_of=NOW + timedelta(days=day)))
        with warehouse.writing() as loader:
            assert loader.progress() == Progress(as_of=NOW + timedelta(days=day))
