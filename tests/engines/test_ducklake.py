"""DuckLake, its catalogue in PostgreSQL: the models beside DuckDB's, and two projects that sync at once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest

from statsig_runs.schemas import Schemas
from statsig_runs.warehouse import Warehouse, open_warehouse
from tests.support.odd_times import odd_runs
from tests.support.postgres_server import PASSWORD, USER
from tests.support.two_syncs import NOW, Table, differences, sync, sync_twice
from tests.support.workplace import COMMAND

psycopg2 = pytest.importorskip("psycopg2", reason="the extra `postgres` is not installed")
extensions = pytest.importorskip("duckdb_extensions", reason="the extra `ducklake` is not installed")

ODD = {run["runID"] for run in odd_runs()}

pytestmark = pytest.mark.timeout(900)  # the first test waits for two syncs on DuckDB and on the engine


@pytest.fixture(scope="module")
def folder(postgres_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a machine that has synced two projects to one lake at the same time."""
    folder = tmp_path_factory.mktemp("ducklake")
    server = f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres_port}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute("create database lake_catalogue")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG", f"{server}/lake_catalogue")
        monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE__BUCKET_URL", str(folder / "files"))
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            for done in [pool.submit(sync_project, folder, name) for name in ("shop", "forum")]:
                done.result()
        yield folder


def sync_project(folder: Path, project: str) -> None:
    if project == "shop":
        sync_twice(warehouse_of(folder, project))
    else:
        sync(warehouse_of(folder, project), [NOW], runs=20, seed=2)


def warehouse_of(folder: Path, project: str) -> Warehouse:
    schemas = Schemas.of_project(project)
    return open_warehouse(folder / "statsig_runs.duckdb", schemas, "ducklake")


def read(folder: Path, mart: str, project: str = "shop") -> Table:
    warehouse = warehouse_of(folder, project)
    with warehouse.destination.loader(warehouse.schemas, folder / "reader").pipeline.sql_client() as client:
        connection: duckdb.DuckDBPyConnection = client.native_connection
        connection.execute("set timezone = 'UTC'")
        result = connection.execute(f"select * from {warehouse.schemas.marts}.{mart}")
        return [column[0] for column in result.description or ()], result.fetchall()


def test_every_mart_has_duckdbs_rows(duckdb_marts: dict[str, Table], folder: Path) -> None:
    assert differences(duckdb_marts, lambda mart: read(folder, mart)) == {}


def test_the_project_synced_at_the_same_time_has_its_own_runs(folder: Path) -> None:
    shop = {row[0] for row in read(folder, "fct_runs")[1]}
    forum = {row[0] for row in read(folder, "fct_runs", "forum")[1]}

    assert len(forum) == 18 + len(ODD)  # 20, less 3 that break the contract, and the one that drifted
    assert shop & forum == {"drifted", *ODD}


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
