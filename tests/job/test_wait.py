"""`wait-for`: what ends the waiting, what is waited for, and what no waiting would mend.

A sync is played by a function that writes into the job's file and publishes it; a pause by one that does not sleep.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from statsig_runs.errors import (
    AlreadyRunningError,
    ApiError,
    CheckFailedError,
    ConfigurationError,
    NotAuthorisedError,
    StatsigRunsError,
)
from statsig_runs.job.summary import Summary
from statsig_runs.job.wait import wait_for
from statsig_runs.warehouse import Warehouse, open_warehouse
from tests.support.published_runs import NOW, run_command

DAY = date(2024, 3, 14)
LANDED = "is_landed = true, is_overdue = false, first_succeeded_at = timestamptz '2024-03-15 09:30:00+00'"
OVERDUE = "is_overdue = true, expected_by = timestamptz '2024-03-15 04:00:00+00'"


class Play:
    """A warehouse, and what happens in it: a function a sync, and one a pause, in turn."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.syncs: list[Callable[[], None]] = []
        self.pauses: list[Callable[[], None]] = []
        self.synced = 0

    def sync(self) -> Summary:
        self.synced += 1
        summary = Summary(NOW)
        try:
            self.syncs.pop(0)()
        except AlreadyRunningError:
            raise
        except StatsigRunsError as error:
            summary.error = error
        return summary

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.pop(0)()

    def write(self, sql: str, *, then_publish: bool = True) -> None:
        with duckdb.connect(str(self.warehouse.database)) as connection:
            connection.execute(sql)
        if then_publish:
            self.warehouse.publish()

    def tell(self, source: str, what: str) -> Callable[[], None]:
        """Something that changes what the mart says of the date of a source."""
        where = f"where source = '{source}' and date_stamp = date '{DAY}'"
        return lambda: self.write(f"update statsig.fct_date_freshness set {what} {where}")


def nothing() -> None:
    pass


def failing(error: StatsigRunsError) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def play(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    shutil.copytree(folder / "data", tmp_path / "data")
    played = Play(open_warehouse(tmp_path / "data" / "statsig_runs.duckdb"))
    monkeypatch.setattr(time, "sleep", played.sleep)
    yield played
    assert (played.syncs, played.pauses) == ([], [])


def test_a_date_that_is_in_costs_no_sync(play: Play):
    seen = wait_for(play.warehouse, "Events 1", DAY, sync=play.sync, timeout=0)
    assert (seen.is_landed, str(seen), play.synced) == (True, "landed 2024-03-15 03:30 UTC", 0)


def test_it_syncs_until_the_date_lands(play: Play):
    play.syncs = [nothing, nothing, play.tell("Metrics", LANDED)]
    play.pauses = [nothing, nothing]
    seen = wait_for(play.warehouse, "Metrics", DAY, sync=play.sync, timeout=3600)
    assert (str(seen), play.synced) == ("landed 2024-03-15 09:30 UTC", 3)


def test_without_syncing_it_sees_what_another_job_publishes(play: Play):
    play.pauses = [nothing, play.tell("Metrics", LANDED)]
    assert wait_for(play.warehouse, "Metrics", DAY, sync=None, timeout=3600).is_landed


def test_when_the_time_is_up_it_says_how_far_the_date_is(play: Play):
    play.syncs = [nothing]
    with pytest.raises(
        CheckFailedError, match="2024-03-14 is not in, and the time to wait, 0 s, is up: in progress, over"
    ):
        wait_for(play.warehouse, "Metrics", DAY, sync=play.sync, timeout=0)
    with pytest.raises(CheckFailedError, match="is up: no run has it yet"):
        wait_for(play.warehouse, "Metrics", date(2024, 3, 20), sync=None, timeout=0)


def test_a_date_has_failed_for_good_once_it_is_overdue_and_nothing_is_under_way(play: Play):
    play.pauses = [play.tell("Events 2", OVERDUE)]  # failed, but a repetition may still come in time
    with pytest.raises(
        CheckFailedError, match="Events 2 2024-03-14 has failed for good: failed, overdue since 2024-03-15"
    ):
        wait_for(play.warehouse, "Events 2", DAY, sync=None, timeout=3600)


@pytest.mark.parametrize("begun", [True, False], ids=["with a bucket", "just enqueued"])
def test_a_failed_date_that_is_tried_again_is_waited_for(play: Play, *, begun: bool):
    """`late` is a run in flight: let it be one of Events 2."""
    play.tell("Events 2", OVERDUE)()
    move = "update statsig.fct_source_dates set source = 'Events 2' where run_id = 'late'"
    if not begun:
        move = """
            delete from statsig.fct_source_dates where run_id = 'late';
            update statsig_raw.ingestion_run_sources set source = 'Events 2' where run_id = 'late'
        """
    play.write(move)
    with pytest.raises(CheckFailedError, match="the time to wait, 0 s, is up: in progress, overdue since"):
        wait_for(play.warehouse, "Events 2", DAY, sync=None, timeout=0)


def test_a_run_that_asked_for_the_date_and_failed_before_it_began_with_it_counts(play: Play):
    play.tell("Events 2", f"{OVERDUE}, latest_outcome = null, latest_run_id = null, run_count = 0")()
    play.write("delete from statsig.fct_source_dates where run_id = 'failed'")
    with pytest.raises(CheckFailedError, match="Events 2 2024-03-14 has failed for good: failed, overdue since"):
        wait_for(play.warehouse, "Events 2", DAY, sync=None, timeout=3600)
    assert wait_for(play.warehouse, "Events 2", DAY, sync=None, timeout=0, any_outcome=True).outcome == "failed"


def test_a_date_that_came_empty_has_landed_and_is_told(play: Play):
    seen = wait_for(play.warehouse, "Metrics", date(2024, 3, 10), sync=None, timeout=0)
    assert (seen.is_landed, seen.is_empty) == (True, True)
    assert str(seen) == "landed 2024-03-11 02:00 UTC, without data"


def test_any_outcome_is_content_with_a_failure_and_not_with_a_run_in_progress(play: Play):
    assert wait_for(play.warehouse, "Events 2", DAY, sync=None, timeout=0, any_outcome=True).outcome == "failed"
    with pytest.raises(CheckFailedError, match="in progress"):
        wait_for(play.warehouse, "Metrics", DAY, sync=None, timeout=0, any_outcome=True)


def test_another_sync_and_an_api_that_cannot_be_reached_are_waited_for(play: Play):
    play.syncs = [failing(AlreadyRunningError("pid 1")), failing(ApiError("away")), play.tell("Metrics", LANDED)]
    play.pauses = [nothing, nothing]
    assert wait_for(play.warehouse, "Metrics", DAY, sync=play.sync, timeout=3600).is_landed


def test_a_failure_that_an_older_copy_tells_is_not_for_good_while_no_sync_can_say_more(play: Play):
    play.tell("Events 2", OVERDUE)()
    play.syncs = [failing(ApiError("away")), play.tell("Events 2", LANDED)]
    play.pauses = [nothing]
    assert wait_for(play.warehouse, "Events 2", DAY, sync=play.sync, timeout=3600).is_landed


def test_what_another_sync_publishes_meanwhile_counts(play: Play):
    def busy() -> None:
        play.tell("Metrics", LANDED)()
        raise AlreadyRunningError("pid 1")

    play.syncs = [busy]
    assert wait_for(play.warehouse, "Metrics", DAY, sync=play.sync, timeout=3600).is_landed


def test_what_no_waiting_mends_ends_it_at_once(play: Play):
    play.syncs = [failing(NotAuthorisedError("no"))]
    with pytest.raises(NotAuthorisedError):
        wait_for(play.warehouse, "Metrics", DAY, sync=play.sync, timeout=3600)


def test_a_source_that_no_run_names_is_looked_for_once_more_after_a_sync(play: Play):
    play.syncs = [nothing]
    with pytest.raises(ConfigurationError, match=r"No run names a source 'metric'\. Did you mean 'Metrics'\?"):
        wait_for(play.warehouse, "metric", DAY, sync=play.sync, timeout=3600)
    rename = "update statsig.source_status set source = 'New'"
    also = f"update statsig.fct_date_freshness set source = 'New', {LANDED} where source = 'Metrics'"
    play.syncs = [lambda: play.write(f"{rename} where source = 'Metrics'; {also}")]
    assert wait_for(play.warehouse, "New", DAY, sync=play.sync, timeout=3600).is_landed


def test_before_the_first_publication_an_api_that_is_away_is_waited_for(tmp_path: Path):
    play = Play(open_warehouse(tmp_path / "statsig_runs.duckdb"))
    play.syncs = [failing(ApiError("away"))]
    with pytest.raises(CheckFailedError, match="is up: no run has it yet"):
        wait_for(play.warehouse, "Metrics", DAY, sync=play.sync, timeout=0)
    with pytest.raises(ConfigurationError, match="Nothing has been published"):
        wait_for(play.warehouse, "Metrics", DAY, sync=None, timeout=3600)


def test_the_command_looks_and_ends_with_what_it_saw(folder: Path):
    at_14 = ("--date", "2024-03-14", "--no-sync", "--timeout", "0s")
    done = run_command(folder, "wait-for", "--source", "Events 1", *at_14)
    assert (done.code, done.out, done.err) == (0, "Events 1 2024-03-14: landed 2024-03-15 03:30 UTC.\n", "")
    done = run_command(folder, "wait-for", "--source", "Metrics", *at_14)
    assert (done.code, done.out) == (5, "")
    assert "the time to wait, 0 s, is up: in progress, overdue since 2024-03-15 04:00 UTC" in done.err


def test_the_command_says_that_syncs_go_elsewhere_than_what_it_reads(folder: Path):
    done = run_command(
        folder,
        *("wait-for", "--source", "Events 1", "--date", "2024-03-14", "--no-sync", "--timeout", "0s"),
        SOURCES__STATSIG_RUNS__DESTINATION="snowflake",
    )
    assert done.code == 0
    assert "The setting `destination` is snowflake, and nothing was published from there yet" in done.err
