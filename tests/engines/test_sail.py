"""The whole of the models on Sail, over the Delta tables that dlt wrote to a folder, beside DuckDB."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from statsig_runs.contract import AcceptedRun, MissingRun, read_run
from statsig_runs.errors import ConfigurationError
from statsig_runs.job.refresh import build
from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.settings import load_settings
from statsig_runs.warehouse import Warehouse, open_warehouse
from statsig_runs.warehouse.destinations import resolve_lake
from statsig_runs.warehouse.lake import LakeDatabase
from tests.support.killed_build import load_and_die
from tests.support.marts import MARTS
from tests.support.one_run import payload
from tests.support.polling import NEVER_EMPTY, Polled, polled_moments, polling
from tests.support.two_syncs import EARLIER, FEW, NOW, Table, differences, sync, sync_twice
from tests.support.workplace import COMMAND

for module in ("deltalake", "pysail", "pyspark", "dbt.adapters.spark"):
    pytest.importorskip(module, reason="the extra `filesystem` is not installed")

pytestmark = pytest.mark.timeout(900)  # the first test waits for two syncs on DuckDB and on the engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that is configured as the lake."""
    folder = tmp_path_factory.mktemp("lake")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(folder / "lake"))
        yield folder


@pytest.fixture(scope="module")
def warehouse(folder: Path) -> Warehouse:
    """A lake that was synced twice, and modelled inside this process."""
    warehouse = warehouse_of(folder)
    sync_twice(warehouse)
    return warehouse


def warehouse_of(folder: Path, project: str = "") -> Warehouse:
    schemas = Schemas.of_project(project)
    return open_warehouse(folder / "statsig_runs.duckdb", schemas, "filesystem")


def read(mart: str, schema: str = "statsig") -> Table:
    lake, _ = resolve_lake()
    delta = lake.open(schema, mart)
    assert delta is not None, mart
    table = delta.to_pyarrow_table()
    return table.column_names, [tuple(row.values()) for row in table.to_pylist()]


def without_the_last_note(marts: dict[str, Table]) -> dict[str, Table]:
    """In a lake `fct_loads` is no view: what is known only after a build stands there after the next."""
    columns, rows = marts["fct_loads"]
    position = columns.index("model_seconds")
    newest = max(rows)
    rows = [row if row is not newest else (*row[:position], None, *row[position + 1 :]) for row in rows]
    return marts | {"fct_loads": (columns, rows)}


@pytest.mark.usefixtures("warehouse")
def test_every_mart_has_duckdbs_rows(duckdb_marts: dict[str, Table]) -> None:
    assert differences(without_the_last_note(duckdb_marts), read) == {}


def test_a_local_cluster_builds_the_same_from_nothing(
    duckdb_marts: dict[str, Table], warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAIL_MODE", "local-cluster")

    build(warehouse, load_settings(), full_refresh=True)

    assert differences(duckdb_marts, read) == {}


def test_a_build_is_one_commit_to_each_mart_and_readers_meet_no_hole(folder: Path) -> None:
    polled_project = warehouse_of(folder, "polled")
    sync(polled_project, [EARLIER])
    lake, _ = resolve_lake()
    database = LakeDatabase(lake)
    most: Counter[str] = Counter()

    def read_all(polled: Polled) -> None:
        for mart in NEVER_EMPTY:
            [(count,)] = database.query(f"select count(*) from statsig_polled.{mart}") or [(0,)]
            if not count or count < most[mart]:  # each sync brings more runs, and removes none
                polled.complain("disagreement" if count else "empty", f"{mart}: {most[mart]} rows, then {count}")
            most[mart] = count

    def commits() -> dict[str, int]:
        return {mart: delta.version() for mart in MARTS if (delta := lake.open("statsig_polled", mart))}

    before = commits()
    with polling(read_all) as polled:
        moments = polled_moments(2)
        sync(polled_project, moments)  # as of each moment every run is fetched again, so every run is modelled again
        build(polled_project, load_settings(), full_refresh=True)

    assert polled.complaints == []
    assert polled.reads > 5
    assert commits() == {mart: before[mart] + len(moments) + 1 for mart in MARTS}


def test_a_killed_build_leaves_each_mart_as_before_or_after_and_the_next_makes_up_for_it(
    folder: Path, few_duckdb_marts: dict[str, Table]
) -> None:
    warehouse = warehouse_of(folder, "killed")
    compared = [mart for mart in MARTS if mart != "fct_loads"]  # the records of these loads have other numbers

    def read_all() -> dict[str, Table]:
        return {mart: read(mart, "statsig_killed") for mart in compared}

    sync(warehouse, [EARLIER], runs=FEW)
    before = read_all()
    load_and_die(warehouse, after="fct_runs", runs=FEW)
    left = read_all()
    sync(warehouse, [NOW], runs=FEW)
    after = read_all()

    assert differences({mart: few_duckdb_marts[mart] for mart in compared}, after.__getitem__) == {}
    changed = differences(before, left.__getitem__)
    assert "fct_runs" in changed
    assert "agg_daily" not in changed
    assert differences({mart: after[mart] for mart in changed}, left.__getitem__) == {}


def test_the_next_sync_finds_what_the_lake_holds(folder: Path, warehouse: Warehouse) -> None:
    loader = warehouse.destination.loader(warehouse.schemas, folder / "another machine")
    loader.repair()

    assert loader.progress() == Progress(as_of=NOW)
    assert set(loader.known.runs(["drifted", "never seen"], now=NOW, settle_days=14)) == {"drifted"}
    assert len(loader.known.to_read_again(now=NOW, settle_days=14, full=True)) == len(read("fct_runs")[1])


def test_hostile_ids_are_loaded_and_a_forgotten_run_keeps_its_rows(folder: Path) -> None:
    other = warehouse_of(folder, "hostile")
    loader = other.destination.loader(other.schemas, other.state)
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    ids = ["'); drop table x;--", "{table}", "%s", "a/b?c", 'q"uote', "back\\slash", "plain"]
    runs = [read_run(json.dumps(payload(runID=run_id)).encode(), fetched_at=moment) for run_id in ids]
    assert all(isinstance(run, AcceptedRun) for run in runs)

    loader.load(runs, Progress())
    loader.load([*runs[:-1], MissingRun("plain", moment, "gone")], Progress())

    rows = read("ingestion_runs", other.schemas.raw)[1]
    assert sorted(row[0] for row in rows) == sorted(ids)
    events = read("run_status_events", other.schemas.raw)[1]
    assert {row[0] for row in events} == set(ids)
    assert [row[0] for row in read("missing_runs", other.schemas.raw)[1]] == ["plain"]


def test_an_address_that_sail_cannot_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "two words"))

    with pytest.raises(ConfigurationError, match="Choose another bucket_url"):
        open_warehouse(tmp_path / "statsig_runs.duckdb", destination="filesystem")


@pytest.mark.usefixtures("warehouse")
def test_a_spark_without_delta_is_told_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Spark 4.2 says it."""
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.session import SparkSession

    def refuse(_session: SparkSession, sql: str) -> None:
        if "using delta" in sql:
            raise PySparkException("Failed to find the data source: delta.", errorClass="DATA_SOURCE_NOT_FOUND")

    monkeypatch.setattr(SparkSession, "sql", refuse)

    with pytest.raises(ConfigurationError, match=r"io\.delta:delta-spark") as raised:
        build(warehouse_of(folder), load_settings())
    assert "\n" not in str(raised.value)


def test_upkeep_deletes_what_no_reader_needs_and_leaves_the_rows(folder: Path, warehouse: Warehouse) -> None:
    loader = warehouse.destination.loader(warehouse.schemas, warehouse.state)
    before = {mart: sorted(map(repr, read(mart)[1])) for mart in MARTS}
    lake, _ = resolve_lake()
    many = sum(file.stat().st_size for file in (folder / "lake" / "statsig").rglob("*.parquet"))

    warehouse.tidy(loader, days=0)

    deltas = [lake.open(schema, table) for schema in warehouse.schemas for table in lake.tables(schema)]
    live = {str(Path(file)) for delta in deltas if delta for file in delta.file_uris()}
    there = {str(file) for schema in warehouse.schemas for file in (folder / "lake" / schema).rglob("part-*.parquet")}
    assert there == live
    assert {mart: sorted(map(repr, read(mart)[1])) for mart in MARTS} == before
    assert sum(file.stat().st_size for file in (folder / "lake" / "statsig").rglob("*.parquet")) < many

    sync(warehouse, [NOW + timedelta(hours=1)])  # what upkeep wrote, dlt merges into and Sail models
    assert len(read("fct_runs")[1]) == len(before["fct_runs"])


@pytest.mark.usefixtures("warehouse")
def test_the_log_is_the_commands_own(folder: Path) -> None:
    call = [str(COMMAND), "transform", "--destination", "filesystem", "--database", str(folder / "statsig_runs.duckdb")]
    done = subprocess.run([*call, "--log-format", "json"], check=True, capture_output=True, text=True, cwd=folder)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"][:6] for line in lines] == ["Built "]


class NoBucket(BaseHTTPRequestHandler):
    """Knows no object, and keeps who asked for it."""

    def do_GET(self) -> None:
        self.server.askers.append((self.path, self.headers["Authorization"] or ""))  # type: ignore[attr-defined]
        self.send_error(404)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_a_bucket_is_read_with_the_credentials_that_dlt_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), NoBucket)
    server.askers = []  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    credentials = "DESTINATION__FILESYSTEM__CREDENTIALS__"
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "s3://bucket/lake")
    monkeypatch.setenv(f"{credentials}AWS_ACCESS_KEY_ID", "dltsown")
    monkeypatch.setenv(f"{credentials}AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv(f"{credentials}REGION_NAME", "eu-west-1")
    monkeypatch.setenv(f"{credentials}ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    bucket = warehouse_of(tmp_path)

    with bucket.destination.modelling(bucket.schemas):
        by_listing = list(server.askers)  # type: ignore[attr-defined]
        from pyspark.sql import SparkSession

        session = SparkSession.builder.getOrCreate()
        with pytest.raises(Exception, match="Not Found"):
            session.sql("create table statsig.asked (id int) using delta location 's3://bucket/lake/statsig/asked'")
    server.shutdown()

    by_sail = server.askers[len(by_listing) :]  # type: ignore[attr-defined]
    assert by_listing
    assert by_sail
    assert all("Credential=dltsown/" in authorization for _, authorization in [*by_listing, *by_sail])
    assert "AWS_SECRET_ACCESS_KEY" not in os.environ
