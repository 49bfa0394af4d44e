"""DuckLake, its catalogue in PostgreSQL: the models beside DuckDB's, and two projects that sync at once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from statsig_runs.errors import AlreadyRunningError, ModelsError
from statsig_runs.job.refresh import build
from statsig_runs.schemas import Schemas
from statsig_runs.settings import load_settings
from statsig_runs.warehouse import Warehouse, open_warehouse
from tests.support.killed_build import be_killed_between_syncs
from tests.support.lock_holder import held_elsewhere, second_machine
from tests.support.marts import MARTS
from tests.support.odd_times import odd_runs
from tests.support.polling import Polled, look, polled_moments, polling
from tests.support.postgres_server import PASSWORD, USER
from tests.support.two_syncs import EARLIER, NOW, Table, differences, sync, sync_twice
from tests.support.workplace import COMMAND

psycopg2 = pytest.importorskip("psycopg2", reason="the extra `postgres` is not installed")
extensions = pytest.importorskip("duckdb_extensions", reason="the extra `ducklake` is not installed")

ODD = {run["runID"] for run in odd_runs()}

pytestmark = pytest.mark.timeout(900)  # the first test waits for two syncs on DuckDB and on the engine


@pytest.fixture(scope="module")
def empty(postgres_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a machine that is configured for a new lake."""
    folder = tmp_path_factory.mktemp("ducklake")
    server = f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres_port}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute("create database lake_catalogue")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG", f"{server}/lake_catalogue")
        monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE__BUCKET_URL", str(folder / "files"))
        yield folder


@pytest.fixture(scope="module")
def folder(empty: Path) -> Path:
    """The same folder, once two projects were synced to one lake at the same time."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(sync_project, empty, name) for name in ("shop", "forum")]:
            done.result()
    return empty


def sync_project(folder: Path, project: str) -> None:
    if project == "shop":
        sync_twice(warehouse_of(folder, project))
    else:
        sync(warehouse_of(folder, project), [NOW], runs=20, seed=2)


def warehouse_of(folder: Path, project: str) -> Warehouse:
    schemas = Schemas.of_project(project)
    return open_warehouse(folder / "statsig_runs.duckdb", schemas, "ducklake")


@contextmanager
def attached(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.destination.loader(warehouse.schemas, warehouse.folder / "reader").pipeline.sql_client() as client:
        connection: duckdb.DuckDBPyConnection = client.native_connection
        connection.execute("set timezone = 'UTC'")
        yield connection


def read(folder: Path, mart: str, project: str = "shop") -> Table:
    warehouse = warehouse_of(folder, project)
    with attached(warehouse) as connection:
        result = connection.execute(f"select * from {warehouse.schemas.marts}.{mart}")
        return [column[0] for column in result.description or ()], result.fetchall()


def test_every_mart_has_duckdbs_rows(duckdb_marts: dict[str, Table], folder: Path) -> None:
    assert differences(duckdb_marts, lambda mart: read(folder, mart)) == {}


def test_comments_say_what_each_raw_column_means(folder: Path) -> None:
    of = "database_name = 'ducklake' and schema_name = 'statsig_raw_shop' and table_name = 'run_status_events'"
    with attached(warehouse_of(folder, "shop")) as connection:
        [(of_table,)] = connection.execute(f"select comment from duckdb_tables() where {of}").fetchall()
        columns = connection.execute(f"select column_name, comment from duckdb_columns() where {of}").fetchall()

    assert of_table.startswith("One row per run and status event")
    assert ("run_id", "The run's id.") in columns


def test_the_project_synced_at_the_same_time_has_its_own_runs(folder: Path) -> None:
    shop = {row[0] for row in read(folder, "fct_runs")[1]}
    forum = {row[0] for row in read(folder, "fct_runs", "forum")[1]}

    assert len(forum) == 18 + len(ODD)  # 20, less 3 that break the contract, and the one that drifted
    assert shop & forum == {"drifted", *ODD}


def test_a_reader_sees_whole_builds_alone(empty: Path) -> None:
    warehouse = warehouse_of(empty, "polled")
    sync(warehouse, [EARLIER], runs=70)

    with attached(warehouse) as reader, attached(warehouse) as writer:

        def ask(sql: str) -> Any:
            [(value,)] = reader.execute(sql).fetchall()
            return value

        def read_all(polled: Polled) -> None:
            reader.begin()
            try:
                look("statsig_polled", ask, polled)
            finally:
                reader.rollback()

        with polling(read_all) as polled:
            moments = polled_moments(1)
            sync(warehouse, moments, runs=70)  # every run is fetched again, so every run is modelled again
            build(warehouse, load_settings(), full_refresh=True)

            # what a build that fails has done by then is not seen either
            writer.execute("update statsig_raw_polled.ingestion_runs set fetched_at = now()")
            writer.execute("alter table statsig_raw_polled.run_payloads rename column payload to content")
            with pytest.raises(ModelsError, match="payload") as raised:
                build(warehouse, load_settings())

    assert polled.complaints == []
    assert polled.reads > 5
    assert polled.states == {EARLIER, *moments}
    assert "aborted" not in str(raised.value)


def test_a_killed_build_leaves_the_marts_of_the_one_before_and_the_next_makes_up_for_it(
    few_duckdb_marts: dict[str, Table], empty: Path
) -> None:
    warehouse = warehouse_of(empty, "killed")

    def read_killed(mart: str) -> Table:
        return read(empty, mart, "killed")

    left = be_killed_between_syncs(warehouse, read_killed)

    assert left == {EARLIER}
    found = differences(few_duckdb_marts, read_killed)
    assert set(found) <= {"fct_loads"}  # the records of these loads have other numbers


def test_a_build_adds_one_snapshot_and_no_table_to_the_catalogue(folder: Path) -> None:
    """The catalogue keeps a table for each table that ever was."""
    warehouse = warehouse_of(folder, "forum")

    def counts() -> tuple[int, int]:
        with attached(warehouse) as connection:
            [(tables, snapshots)] = connection.execute(
                "select (select count(*) from __ducklake_metadata_ducklake.ducklake.ducklake_table), "
                "(select count(*) from ducklake_snapshots('ducklake'))"
            ).fetchall()
        return tables, snapshots

    tables, snapshots = counts()
    build(warehouse, load_settings())

    assert counts() == (tables, snapshots + 1)


def test_upkeep_deletes_what_no_reader_needs_and_leaves_the_rows(folder: Path) -> None:
    warehouse = warehouse_of(folder, "shop")
    loader = warehouse.destination.loader(warehouse.schemas, warehouse.state)
    before = {mart: sorted(map(repr, read(folder, mart)[1])) for mart in MARTS}
    files = folder / "files" / "statsig_shop"
    many = len(list(files.rglob("*.parquet")))

    warehouse.tidy(loader, days=0)

    assert len(list(files.rglob("*.parquet"))) < many
    assert {mart: sorted(map(repr, read(folder, mart)[1])) for mart in MARTS} == before
    with attached(warehouse) as connection:
        [(snapshots,)] = connection.execute("select count(*) from ducklake_snapshots('ducklake')").fetchall()
    assert snapshots < 5


@pytest.mark.usefixtures("empty")
def test_a_second_machine_ends_with_75(tmp_path: Path) -> None:
    second = second_machine(tmp_path, "ducklake")

    assert second.returncode == 75
    assert "from another place: address 127.0.0.1 since 2" in second.stderr


def test_the_lock_of_a_catalogue_in_a_file_is_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG", f"sqlite:///{tmp_path}/shared/lake.sqlite")
    monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE__BUCKET_URL", str(tmp_path / "files"))
    with held_elsewhere(tmp_path, "locked", "ducklake"):
        with pytest.raises(AlreadyRunningError, match="schema statsig_raw_locked, from another place"):
            warehouse_of(tmp_path / "two", "locked").locked().__enter__()
        with warehouse_of(tmp_path / "two", "unlocked").locked():
            pass

    with warehouse_of(tmp_path / "two", "locked").locked():
        pass


@pytest.mark.parametrize("command", [("transform",), ("sync", "--json"), ("sync", "--log-level", "debug")])
def test_the_catalogues_password_is_in_no_error(command: tuple[str, ...], tmp_path: Path) -> None:
    """DuckDB repeats the address of a catalogue that it cannot reach, password included."""
    environment = {
        **os.environ,
        "STATSIG_API_KEY": "console-key",
        "DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG": "postgresql://loader:s3cr%2Fet+w%C3%B6rd@127.0.0.1:1/catalogue",
        "DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE__BUCKET_URL": str(tmp_path / "files"),
    }
    call = [str(COMMAND), *command, "--destination", "ducklake"]
    asked = subprocess.run(call, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)

    assert asked.returncode == 1
    assert "127.0.0.1" in asked.stderr
    left = [file.read_text("latin-1") for file in tmp_path.rglob("*") if file.is_file()]
    for text in (asked.stdout, asked.stderr, *left):
        assert "s3cr" not in text
        assert "rd@" not in text
