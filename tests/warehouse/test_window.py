"""The published copy of a warehouse elsewhere: another DuckDB file stands for the warehouse, so no server is needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from statsig_runs.contract import read_run
from statsig_runs.models import Mart, build_models
from statsig_runs.origin import read_origin
from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.warehouse import Warehouse, open_warehouse
from statsig_runs.warehouse.published import Published
from statsig_runs.warehouse.window import Window
from tests.support.written_runs import history, payload

NOW = datetime.now(UTC)
PLACE = "postgres at db.example.com:5432/analytics"
OF_RUNS = (
    *("statsig.fct_runs", "statsig.fct_source_dates", "statsig.fct_run_stages", "statsig.fct_source_date_stages"),
    *("statsig.fct_stage_attempts", "statsig_raw.ingestion_runs", "statsig_raw.ingestion_run_sources"),
    *("statsig_raw.run_status_events", "statsig_raw.run_payloads"),
)
TABLES = (*OF_RUNS, "statsig.agg_daily", "statsig.source_status", "statsig.dq_findings", "statsig.fct_date_freshness")


def run_of(run_id: str, created: datetime, last: str = "pulse_complete") -> dict[str, Any]:
    end = created + timedelta(hours=1)
    events = history(*(f"{at:%Y-%m-%dT%H:%M:%S}.000 {status}" for at, status in [(created, "enqueued"), (end, last)]))
    day = f"{created:%Y-%m-%d}"
    return payload(run_id, ["Events"], [day], events, {("Events", day): events})


class Elsewhere:
    """A warehouse whose copy is published beside another database."""

    def __init__(self, folder: Path) -> None:
        self.warehouse: Warehouse = open_warehouse(folder / "elsewhere.duckdb")
        self.copy = Published(folder / "here.duckdb")
        self.read: list[str] = []
        self._marts: dict[str, Mart] = {}

    def sync(self, runs: Sequence[dict[str, Any]], *, full_refresh: bool = False) -> None:
        """Load these runs, build, and publish."""
        database = self.warehouse.database
        profile = {"type": "duckdb", "path": str(database), "schema": "statsig", "settings": {"TimeZone": "UTC"}}
        with self.warehouse.writing() as loader:
            outcomes = [read_run(json.dumps(run).encode(), fetched_at=datetime.now(UTC)) for run in runs]
            loader.load(outcomes, Progress(as_of=NOW))
            self._marts = build_models(database, full_refresh=full_refresh, profile=profile).renewal.marts
        self.publish()

    def publish(self, days: float = 90) -> None:
        loader = self.warehouse.destination.loader(self.warehouse.schemas, self.warehouse.state)
        window = Window(loader, self._marts, "postgres", PLACE, days)
        batches = loader.database.batches
        self.read = []

        def recorded(sql: str, parameters: Sequence[Any] = ()) -> Any:
            self.read.append(f"{sql} {list(parameters)}")
            return batches(sql, parameters)

        loader.database.batches = recorded  # type: ignore[method-assign,assignment]
        self.copy.publish(lambda draft: window.write(draft, self.copy.file), PLACE)

    def rows(self, table: str, *, of_copy: bool = True) -> list[tuple[Any, ...]]:
        file = self.copy.file if of_copy else self.warehouse.database
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            names = connection.execute(
                "select column_name from duckdb_columns() where schema_name || '.' || table_name = ? "
                "and not starts_with(column_name, '_dlt') order by column_index",
                [table],
            ).fetchall()
            columns = ", ".join(name for (name,) in names)
            return connection.execute(f"select {columns} from {table} order by all").fetchall()

    def ids(self, table: str = "statsig.fct_runs") -> set[str]:
        with duckdb.connect(str(self.copy.file), read_only=True) as connection:
            return {run_id for (run_id,) in connection.execute(f"select run_id from {table}").fetchall()}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    elsewhere = Elsewhere(tmp_path_factory.mktemp("elsewhere"))
    impossible = run_of("impossible", NOW) | {"createdAt": "0001-01-01T00:00:00.000Z"}
    young = [run_of(f"run {number}", NOW - timedelta(days=number)) for number in range(1, 5)]
    elsewhere.sync([*young, run_of("old", NOW - timedelta(days=100)), impossible])
    return elsewhere


YOUNG = {"run 1", "run 2", "run 3", "run 4", "impossible"}


def test_what_was_created_before_the_window_is_left_out_but_for_what_cannot_have_been(elsewhere: Elsewhere) -> None:
    elsewhere.publish(days=90)

    assert {table: elsewhere.ids(table) for table in OF_RUNS} == dict.fromkeys(OF_RUNS, YOUNG)
    days = {row[0] for row in elsewhere.rows("statsig.agg_daily")}
    assert (NOW - timedelta(days=100)).date() in days


def test_a_window_that_grows_or_shrinks_takes_runs_in_and_lets_them_go(elsewhere: Elsewhere) -> None:
    for days, expected in ((200, {*YOUNG, "old"}), (2.5, {"run 1", "run 2", "run 3", "impossible"}), (90, YOUNG)):
        elsewhere.publish(days=days)
        assert {table: elsewhere.ids(table) for table in OF_RUNS} == dict.fromkeys(OF_RUNS, expected)


def test_the_copy_says_where_it_is_from_and_since_when(elsewhere: Elsewhere) -> None:
    elsewhere.publish(days=90)

    with elsewhere.copy.open() as connection:
        origin = read_origin(connection, Schemas.of_project())
        [(comment,)] = connection.execute(
            "select comment from duckdb_tables() where table_name = 'fct_stage_attempts'"
        ).fetchall()
    assert origin is not None
    assert origin.since.date() == (NOW - timedelta(days=91)).date()
    assert str(origin).startswith(f"a copy of {PLACE} with the runs created since 20")
    assert comment.endswith(f" Of the last 90 days: the others are in {PLACE}.")


def test_a_copy_that_somebody_damaged_is_made_anew(elsewhere: Elsewhere) -> None:
    elsewhere.copy.file.chmod(0o600)
    elsewhere.copy.file.write_bytes(b"no database at all")

    elsewhere.publish()

    assert elsewhere.ids() == YOUNG


def test_whichever_part_of_the_copy_is_damaged_the_next_one_is_published(
    elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere.publish()
    whole = elsewhere.copy.file.read_bytes()
    for place in range(3 * 4096, len(whole), 2**18):  # after three headers, the blocks
        elsewhere.copy.file.chmod(0o600)
        elsewhere.copy.file.write_bytes(whole[: place + 100] + bytes(64) + whole[place + 164 :])
        elsewhere.publish()
        assert elsewhere.copy.file.exists()
    assert "here.duckdb is damaged and is read from" in caplog.text


def test_the_copy_of_the_jobs_own_file_is_not_gone_on_from(elsewhere: Elsewhere) -> None:
    with duckdb.connect(str(elsewhere.copy.database)) as connection:
        connection.execute("create schema private; create table private.notes as select 1 as note")
    elsewhere.copy.publish()
    elsewhere.copy.database.unlink()

    elsewhere.publish()

    assert elsewhere.ids() == YOUNG
    with elsewhere.copy.open() as connection:
        assert connection.execute("from duckdb_tables() where schema_name = 'private'").fetchall() == []


def test_a_lost_database_is_not_made_from_the_copy_of_a_warehouse(elsewhere: Elsewhere) -> None:
    own = open_warehouse(elsewhere.copy.database)

    own.prepare()

    with duckdb.connect(str(own.database), read_only=True) as connection:
        assert connection.execute("from duckdb_tables()").fetchall() == []


def test_only_the_runs_that_changed_are_read_again_and_every_row_is_there(tmp_path: Path) -> None:
    elsewhere = Elsewhere(tmp_path)
    elsewhere.sync([run_of(f"run {number}", NOW - timedelta(days=number)) for number in range(4)])
    elsewhere.sync([run_of("run 2", NOW - timedelta(days=2), "pulse_error")])

    of_runs = [told for told in elsewhere.read if "where run_id in" in told]
    assert of_runs
    assert all(told.endswith("['run 2']") for told in of_runs)
    for table in TABLES:
        assert elsewhere.rows(table) == elsewhere.rows(table, of_copy=False), table

    elsewhere.sync([run_of("run 9", NOW)], full_refresh=True)

    for table in TABLES:
        assert elsewhere.rows(table) == elsewhere.rows(table, of_copy=False), table


def test_a_project_that_sleeps_keeps_its_last_runs(tmp_path: Path) -> None:
    elsewhere = Elsewhere(tmp_path)
    elsewhere.sync([run_of("last", NOW - timedelta(days=400)), run_of("before", NOW - timedelta(days=500))])

    assert elsewhere.ids() == {"last"}
