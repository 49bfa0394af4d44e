"""The loader on a DuckDB file: what it tells the next sync."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.destinations.exceptions import DatabaseTransientException
from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob

from statsig_runs.contract import AcceptedRun, MissingRun
from statsig_runs.dlt_context import own_names_only
from statsig_runs.errors import StorageError
from statsig_runs.plan import Gap, Progress
from statsig_runs.schemas import Schemas
from statsig_runs.simulator.sample_messages import tell_messages
from statsig_runs.simulator.sample_runs import generate_runs
from statsig_runs.status_messages.message import read_message
from statsig_runs.tables import BATCH_TABLES, TABLES
from statsig_runs.warehouse import open_warehouse
from statsig_runs.warehouse.loader import Loader
from tests.support.one_run import NOW
from tests.support.two_syncs import EARLIER, FEW, load_record, outcomes_as_of
from tests.support.warehouse_of_runs import accept

FAR = Progress(as_of=NOW, gaps=(Gap(2, NOW, below=("c",), is_bad=True),), leftover=("a", "b"), failed=("d",))


def test_progress_is_what_the_last_load_committed_on_this_machine_and_on_another(tmp_path: Path) -> None:
    file = str(tmp_path / "statsig_runs.duckdb")
    loader = Loader(dlt.destinations.duckdb(file), Schemas.of_project(), tmp_path / "one")
    loader.load([], Progress(leftover=("1",)))
    loader.load([], FAR)

    elsewhere = Loader(dlt.destinations.duckdb(file), Schemas.of_project(), tmp_path / "other")
    elsewhere.repair()

    assert loader.progress() == FAR
    assert elsewhere.progress() == FAR


@pytest.mark.parametrize("content", [b"", b"{{{", b"[]", b"{}"])
@pytest.mark.parametrize("damaged", ["state.json", "schemas/statsig_ingestion.schema.json"])
def test_a_damaged_state_is_taken_anew_from_the_database(tmp_path: Path, damaged: str, content: bytes) -> None:
    destination = dlt.destinations.duckdb(str(tmp_path / "statsig_runs.duckdb"))
    progress = FAR
    Loader(destination, Schemas.of_project(), tmp_path / "state").load([], progress)
    file = tmp_path / "state/pipelines/statsig_runs" / damaged
    assert file.stat().st_size > 0
    file.write_bytes(content)

    loader = Loader(destination, Schemas.of_project(), tmp_path / "state")
    loader.repair()
    assert loader.progress() == progress
    loader.load([], Progress(leftover=("3",)))
    assert Loader(destination, Schemas.of_project(), tmp_path / "state").progress() == Progress(leftover=("3",))


def test_a_pending_load_that_dlt_can_neither_finish_nor_put_aside_does_not_block_the_next(tmp_path: Path) -> None:
    destination = dlt.destinations.duckdb(str(tmp_path / "statsig_runs.duckdb"))
    Loader(destination, Schemas.of_project(), tmp_path / "state").load([], Progress(leftover=("1",)))
    jobs = tmp_path / "state/pipelines/statsig_runs/load/normalized/123.456/new_jobs"
    jobs.mkdir(parents=True)
    (jobs / "no job of dlt's").write_text("")

    loader = Loader(destination, Schemas.of_project(), tmp_path / "state")
    loader.repair()
    assert loader.progress() == Progress(leftover=("1",))
    loader.load([], Progress(leftover=("2",)))
    assert loader.progress() == Progress(leftover=("2",))


HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_database_that_cannot_be_opened_at_first_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "statsig_runs.duckdb"
    loader = Loader(dlt.destinations.duckdb(str(file)), Schemas.of_project(), tmp_path / "state")
    loader.load([], Progress(leftover=("1",)))
    other = subprocess.Popen([sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    waits: list[float] = []

    def let_go(seconds: float) -> None:
        waits.append(seconds)
        other.communicate()

    monkeypatch.setattr(time, "sleep", let_go)
    loader.repair()

    assert len(waits) == 1
    assert loader.progress() == Progress(leftover=("1",))


def test_a_database_that_cannot_be_opened_at_all_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "statsig_runs.duckdb"
    file.write_text("this is no database " * 1000)
    loader = Loader(dlt.destinations.duckdb(str(file)), Schemas.of_project(), tmp_path / "state")
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)

    with pytest.raises(StorageError, match=r"not a valid DuckDB database file(.|\n)*run the same command again"):
        loader.repair()
    assert len(waits) == 3


def test_what_failed_is_said_as_it_was_reading_or_writing(tmp_path: Path) -> None:
    file = tmp_path / "statsig_runs.duckdb"
    loader = Loader(dlt.destinations.duckdb(str(file)), Schemas.of_project(), tmp_path / "state")
    file.write_text("this is no database " * 1000)

    with pytest.raises(StorageError, match=r"^The warehouse could not be read: "):
        loader.sql.query("select 1")
    with pytest.raises(StorageError, match=r"^The warehouse could not be written: "):
        loader.sql.execute("select 1")


def test_a_copy_that_was_reported_as_failed_and_is_made_again_brings_no_row_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As DuckDB does on a full disk, where the commit is written and the checkpoint after it fails."""
    copy, failed = DuckDbCopyJob.run, set[str]()

    def run(job: DuckDbCopyJob) -> None:
        copy(job)
        name = job.job_file_info().file_id
        if name not in failed:
            failed.add(name)
            raise DatabaseTransientException(OSError("No space left on device"))

    monkeypatch.setattr(DuckDbCopyJob, "run", run)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    runs = generate_runs(3, seed=1, until=NOW)
    messages = [read_message(json.dumps(tell_messages(each)[0]).encode(), fetched_at=NOW) for each in runs]
    loader = Loader(dlt.destinations.duckdb(str(tmp_path / "runs.duckdb")), Schemas.of_project(), tmp_path / "state")
    with own_names_only():
        loader.load([*(accept(each, NOW) for each in runs), *messages], Progress())

    assert len(failed) == len(BATCH_TABLES)
    for table, key in (("ingestion_runs", "run_id"), ("ingestion_status_messages", "message_hash")):
        loaded = loader.database.query(f"select {key} from statsig_raw.{table}") or []
        assert len(loaded) == len(set(loaded)) == 3


@pytest.mark.parametrize("table", TABLES)
def test_a_merge_that_cannot_insert_has_deleted_nothing(tmp_path: Path, table: str) -> None:
    database = tmp_path / "runs.duckdb"

    def load(loader: Loader) -> None:
        refused = read_message(b"[]", fetched_at=EARLIER)
        loader.load([*outcomes_as_of(EARLIER, FEW, seed=1), refused], Progress(as_of=EARLIER))
        loader.record(load_record(EARLIER, 0))

    with open_warehouse(database).writing() as loader:
        load(loader)
        with duckdb.connect(str(database)) as con:
            con.execute(f"alter table statsig_raw.{table} add column of_others integer default 1")
            con.execute(f"alter table statsig_raw.{table} alter of_others set not null")
            con.execute(f"alter table statsig_raw.{table} alter of_others drop default")
            before = con.execute(f"from statsig_raw.{table} order by all").fetchall()
        with pytest.raises(StorageError, match="NOT NULL"):
            load(loader)

    with duckdb.connect(str(database)) as con:
        assert con.execute(f"from statsig_raw.{table} order by all").fetchall() == before
    assert before


def test_of_an_unchanged_run_only_the_fetch_is_written(tmp_path: Path) -> None:
    file = tmp_path / "runs.duckdb"
    first = outcomes_as_of(EARLIER, FEW, seed=1)
    runs = [each for each in first if isinstance(each, AcceptedRun)]
    later = EARLIER + timedelta(hours=1)

    def rows(table: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(file)) as con:
            return con.execute(f"from statsig_raw.{table} order by all").fetchall()

    with open_warehouse(file).writing() as loader:
        loader.load([*first, MissingRun(runs[0].run_id, EARLIER, "no such run")], Progress())
        before = {table: rows(table) for table in BATCH_TABLES}
        with duckdb.connect(str(file)) as con:
            con.execute("delete from statsig_raw.run_status_events")  # would come back, if they were written

        known = loader.known.runs([run.run_id for run in runs], now=later, settle_days=14)
        loader.load([replace(run, fetched_at=later) for run in runs], Progress(), known=known)

    assert rows("run_status_events") == []
    assert {moment for (*_, moment) in rows("ingestion_runs")} == {later}
    with duckdb.connect(str(file)) as con:
        fetched = con.execute("select distinct run_id, fetched_at from statsig_raw.run_payloads").fetchall()
    assert sorted(fetched) == sorted((run.run_id, later) for run in runs)
    assert [row for row in rows("missing_runs") if row[0] == runs[0].run_id] == []
    same = set(BATCH_TABLES) - {"run_status_events", "ingestion_runs", "run_payloads", "missing_runs"}
    assert {table: rows(table) for table in same} == {table: before[table] for table in same}


def test_a_run_whose_load_was_killed_elsewhere_is_written_whole(tmp_path: Path) -> None:
    """There, with a folder that is gone: the run itself is the new one, its events are still the old ones."""
    destination = dlt.destinations.duckdb(str(tmp_path / "runs.duckdb"))
    run = next(run for run in generate_runs(9, seed=1, until=NOW) if len(run["runHistory"]) > 1)
    longer, later = accept(run, NOW + timedelta(hours=1)), NOW + timedelta(hours=2)
    Loader(destination, Schemas.of_project(), tmp_path / "one").load(
        [accept(run | {"runHistory": run["runHistory"][1:]}, NOW)], Progress()
    )
    killed = Loader(destination, Schemas.of_project(), tmp_path / "killed")
    killed.repair()
    for sql in ("update {}.ingestion_runs set fetched_at = %s", "update {}.run_payloads set fetched_at = %s"):
        killed.sql.execute(sql.format("statsig_raw"), [longer.fetched_at])
    killed.sql.execute("update statsig_raw.run_payloads set content_hash = %s", [longer.content_hash])

    loader = Loader(destination, Schemas.of_project(), tmp_path / "other")
    loader.repair()
    known = loader.known.runs([longer.run_id], now=later, settle_days=14)
    assert known[longer.run_id].content_hash == longer.content_hash
    loader.load([replace(longer, fetched_at=later)], Progress(), known=known)

    [(events,)] = loader.sql.query("select count(*) from statsig_raw.run_status_events") or []
    assert events == len(run["runHistory"])


def test_a_run_that_comes_twice_changed_and_as_it_was_ends_as_it_came_last(tmp_path: Path) -> None:
    run = next(run for run in generate_runs(9, seed=1, until=NOW) if len(run["runHistory"]) > 1)
    shorter = run | {"runHistory": run["runHistory"][1:]}
    times = [NOW + timedelta(minutes=minute) for minute in range(3)]
    with open_warehouse(tmp_path / "runs.duckdb").writing() as loader:
        loader.load([accept(run, times[0])], Progress())
        for first, last in ((shorter, run), (run, shorter)):
            known = loader.known.runs([run["runID"]], now=NOW, settle_days=14)
            loader.load([accept(first, times[1]), accept(last, times[2])], Progress(), known=known)
            [(events,)] = loader.sql.query("select count(*) from statsig_raw.run_status_events") or []
            assert events == len(last["runHistory"])
