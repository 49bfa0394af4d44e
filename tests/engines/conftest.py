"""DuckDB's marts, which every other engine is compared with, and a PostgreSQL server for all who need one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from statsig_runs.warehouse import open_warehouse
from tests.support import postgres_server
from tests.support.marts import MARTS
from tests.support.two_syncs import FEW, Table, sync_twice


@pytest.fixture(autouse=True, scope="session")
def _a_main_module_with_a_file() -> Iterator[None]:
    """PySpark takes a main module without one, such as that of pytest-xdist's workers, for a run of its doctests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)
        yield


@pytest.fixture(scope="session")
def duckdb_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = open_warehouse(tmp_path_factory.mktemp("duckdb") / "statsig_runs.duckdb")
    sync_twice(warehouse)
    return warehouse.database


@pytest.fixture(scope="session")
def duckdb_marts(duckdb_file: Path) -> dict[str, Table]:
    return read_duckdb(duckdb_file)


@pytest.fixture(scope="session")
def few_duckdb_marts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    """Of the same two syncs with fewer runs."""
    warehouse = open_warehouse(tmp_path_factory.mktemp("few") / "statsig_runs.duckdb")
    sync_twice(warehouse, runs=FEW)
    return read_duckdb(warehouse.database)


def read_duckdb(database: Path, schema: str = "statsig") -> dict[str, Table]:
    with duckdb.connect(str(database), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        results: dict[str, Table] = {}
        for mart in MARTS:
            result = con.execute(f"select * from {schema}.{mart}")
            results[mart] = ([column[0] for column in result.description or ()], result.fetchall())
    return results


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    programs = postgres_server.find_programs()
    if not programs:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres_server.running(programs) as port:
        yield port
