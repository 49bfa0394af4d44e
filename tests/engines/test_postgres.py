"""The whole of the models on PostgreSQL, loaded by dlt, beside DuckDB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.warehouse import Warehouse, open_warehouse
from tests.engines.conftest import read_duckdb
from tests.support.odd_times import odd_runs
from tests.support.postgres_server import PASSWORD, USER
from tests.support.published_runs import PATIENT, run_command
from tests.support.two_syncs import NOW, Table, differences, sync, sync_twice

psycopg2 = pytest.importorskip("psycopg2", reason="the extra `postgres` is not installed")
pytest.importorskip("dbt.adapters.postgres", reason="the extra `postgres` is not installed")

OF_OTHERS = {
    "PGTZ": "Asia/Tokyo",
    "PGDATESTYLE": "German",
    "PGOPTIONS": "-c timezone=Asia/Tokyo -c default_transaction_read_only=on",
    "PGCLIENTENCODING": "LATIN1",
}
"""What PostgreSQL's own library would make of a session."""
ODD = {run["runID"] for run in odd_runs()}

pytestmark = pytest.mark.timeout(900)  # the first test waits for two syncs on DuckDB and on the engine


@pytest.fixture(scope="module")
def database(postgres_port: int) -> Iterator[str]:
    """An empty database, configured for dlt; the address to connect to it."""
    server = f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres_port}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute("create database two_projects")
        connection.cursor().execute("alter database two_projects set timezone = 'Asia/Tokyo'")  # nobody's may matter
    with pytest.MonkeyPatch.context() as monkeypatch:
        zone = quote("-c timezone=Asia/Tokyo -c datestyle=German")
        monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"{server}/two_projects?options={zone}")
        for name, value in OF_OTHERS.items():
            monkeypatch.setenv(name, value)
        yield f"{server}/two_projects"


@pytest.fixture(scope="module")
def folder(database: str, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  the place to sync to
    """The folder of a machine that has synced two projects to the database."""
    folder = tmp_path_factory.mktemp("postgres")
    sync_twice(warehouse_of(folder, "shop"))
    sync(warehouse_of(folder, "forum"), [NOW], runs=20, seed=2)
    return folder


def warehouse_of(folder: Path, project: str) -> Warehouse:
    schemas = Schemas.of_project(project)
    return open_warehouse(folder / "statsig_runs.duckdb", schemas, "postgres")


def read(database: str, mart: str, schema: str = "statsig_shop") -> Table:
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("set time zone 'UTC'")  # in Tokyo, a time of this kind is of a year that Python does not know
        cursor.execute(f"select * from {schema}.{mart}")
        return [column.name for column in cursor.description], cursor.fetchall()


@pytest.mark.usefixtures("folder")
def test_every_mart_has_duckdbs_rows(duckdb_marts: dict[str, Table], database: str) -> None:
    assert differences(duckdb_marts, lambda mart: read(database, mart)) == {}


@pytest.mark.usefixtures("folder")
def test_two_projects_share_a_database_and_no_run(database: str) -> None:
    shop = {row[0] for row in read(database, "fct_runs")[1]}
    forum = {row[0] for row in read(database, "fct_runs", "statsig_forum")[1]}

    assert len(forum) == 18 + len(ODD)  # 20, less 3 that break the contract, and the one that drifted
    assert shop & forum == {"drifted", *ODD}


@pytest.mark.usefixtures("folder")
def test_comments_say_what_each_column_means(database: str) -> None:
    query = "obj_description('statsig_shop.fct_runs'::regclass), col_description('statsig_shop.fct_runs'::regclass, 1)"
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {query}")
        [(of_table, of_column)] = cursor.fetchall()

    assert of_table.startswith("One row per run.")
    assert of_column == "The run's id."


@pytest.mark.usefixtures("folder")
def test_another_machine_goes_on_from_what_the_warehouse_holds(database: str, tmp_path: Path) -> None:
    other = warehouse_of(tmp_path, "shop")

    loader = other.destination.loader(other.schemas, other.state)
    loader.repair()

    assert loader.progress() == Progress(as_of=NOW)
    assert set(loader.known.runs(["drifted", "never seen"], now=NOW, settle_days=14)) == {"drifted"}
    assert len(loader.known.to_read_again(now=NOW, settle_days=14, full=True)) == len(read(database, "fct_runs")[1])


def test_the_password_is_in_no_file(folder: Path) -> None:
    contents = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    assert any(b"env_var" in content for content in contents.values())
    for form in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe="")):
        assert [file for file, content in contents.items() if form.encode() in content] == []


@pytest.mark.usefixtures("folder")
def test_the_published_copy_has_every_row_of_both_projects(duckdb_marts: dict[str, Table], folder: Path) -> None:
    copy = warehouse_of(folder, "shop").published.file

    assert differences(duckdb_marts, read_duckdb(copy, "statsig_shop").__getitem__) == {}
    assert len(read_duckdb(copy, "statsig_forum")["fct_runs"][1]) == 18 + len(ODD)


def test_a_reader_needs_no_credentials_and_says_where_the_copy_is_from(folder: Path) -> None:
    project = {"SOURCES__STATSIG_RUNS__PROJECT": "shop", "SOURCES__STATSIG_RUNS__DESTINATION": "postgres", **PATIENT}
    database = ("--database", str(folder / "statsig_runs.duckdb"))
    told = {
        name: run_command(folder, name, *rest, *database, **project)
        for name, *rest in (["status"], ["check"], ["report"], ["query", "from fct_runs"], ["export", "marts"])
    }

    assert {name: done.code for name, done in told.items()} == {**dict.fromkeys(told, 0), "check": 5}
    assert {name: done.err for name, done in told.items() if name != "check"} == dict.fromkeys({*told} - {"check"}, "")
    words = " ".join(told["status"].out.split())
    assert re.search(
        r"This is a copy of postgres at 127.0.0.1:\d+/two_projects with the runs created since 1926", words
    )
    assert "all are there, in the schema statsig_shop." in words
    assert (folder / "published" / "statsig_runs.html").exists()


def test_a_copy_of_another_place_than_syncs_go_to_is_said(folder: Path) -> None:
    elsewhere = {"SOURCES__STATSIG_RUNS__PROJECT": "shop", "SOURCES__STATSIG_RUNS__DESTINATION": "snowflake"}
    done = run_command(folder, "status", "--database", str(folder / "statsig_runs.duckdb"), **elsewhere)

    assert done.code == 0
    assert "The setting `destination` is snowflake, and nothing was published from there yet" in done.err
