"""The whole of the models on PostgreSQL, loaded by dlt, beside DuckDB."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import tenacity

from statsig_runs.errors import AlreadyRunningError, ConfigurationError, ModelsError, StorageError
from statsig_runs.job.progress import LogWatch
from statsig_runs.job.refresh import build
from statsig_runs.job.replay import run_replay
from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.settings import load_settings
from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import generate_runs
from statsig_runs.warehouse import Warehouse, open_warehouse
from tests.engines.conftest import read_duckdb
from tests.support.killed_build import be_killed_between_syncs
from tests.support.lock_holder import second_machine
from tests.support.marts import MARTS
from tests.support.odd_times import odd_runs
from tests.support.polling import Polled, look, polled_moments, polling
from tests.support.postgres_server import PASSWORD, USER
from tests.support.published_runs import PATIENT, run_command
from tests.support.two_syncs import EARLIER, NOW, Table, differences, sync, sync_twice
from tests.support.workplace import KEY, Workplace

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


def connect(database: str) -> Any:
    """A session that may write, whatever this process has made of `OF_OTHERS`."""
    connection = psycopg2.connect(database, options="-c default_transaction_read_only=off")
    connection.autocommit = True
    return closing(connection)


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
def test_comments_say_what_each_raw_column_means(database: str) -> None:
    of_raw = "'statsig_raw_shop.run_status_events'::regclass"
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(f"select obj_description({of_raw}), col_description({of_raw}, 1)")
        [(of_table, of_column)] = cursor.fetchall()

    assert of_table
    assert of_column == "The run's id."


def test_all_options_of_the_address_reach_dbt(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that dbt's own profile does not know."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"{database}?target_session_attrs=read-only")

    with pytest.raises(ModelsError, match="session is not read-only"):
        build(warehouse_of(tmp_path, "options"), load_settings())


@pytest.mark.parametrize(("options", "is_on"), [("", "off"), ("?options=-c%20jit%3Don", "on")])
def test_queries_are_not_compiled_unless_the_address_says_so(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, is_on: str
) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"{database}{options}")
    warehouse = warehouse_of(tmp_path, "compiled")

    loader = warehouse.destination.loader(warehouse.schemas, warehouse.state)

    assert loader.sql.query("show jit") == [(is_on,)]


def test_a_session_may_wait_for_the_api_and_waits_for_no_lock_for_ever(database: str, tmp_path: Path) -> None:
    with connect(database) as connection:
        connection.cursor().execute("alter database two_projects set idle_session_timeout = '1s'")
        connection.cursor().execute("alter database two_projects set standard_conforming_strings = off")
    loader = (warehouse := warehouse_of(tmp_path, "waiting")).destination.loader(warehouse.schemas, warehouse.state)
    names = ("idle_session_timeout", "lock_timeout", "standard_conforming_strings")
    settings = [loader.sql.query(f"show {name}") for name in names]
    with connect(database) as connection:
        connection.cursor().execute("alter database two_projects reset idle_session_timeout")
        connection.cursor().execute("alter database two_projects reset standard_conforming_strings")
    assert settings == [[("0",)], [("10min",)], [("on",)]]


def test_a_table_that_is_locked_by_somebody_is_told(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"{database}?options=-c%20lock_timeout%3D200ms")
    warehouse = warehouse_of(tmp_path, "locked")
    sync(warehouse, [NOW], runs=5)
    with closing(psycopg2.connect(database, options="")) as other:
        other.cursor().execute("lock table statsig_raw_locked_staging.run_payloads in access share mode")
        with pytest.raises(StorageError, match="lock timeout") as raised:
            sync(warehouse, [NOW], runs=5, seed=3)
    assert "Another session has locked a table, such as a pg_dump" in str(raised.value)


def test_a_replay_makes_a_table_that_was_dropped(database: str, tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, "dropped")
    sync(warehouse, [NOW], runs=5)
    before = read(database, "run_status_events order by run_id, event_index", "statsig_raw_dropped")
    with connect(database) as connection:
        connection.cursor().execute("drop table statsig_raw_dropped.run_status_events cascade")
    with pytest.raises(StorageError, match="`statsig-runs replay` makes tables that are missing anew"):
        sync(warehouse, [NOW], runs=5)

    done = run_replay(warehouse, load_settings(), LogWatch(), None, None)

    assert (done.error, done.unchanged > 0) == (None, True)
    after = read(database, "run_status_events order by run_id, event_index", "statsig_raw_dropped")
    assert len(after[1]) == len(before[1]) > 0


def test_a_kept_connection_that_was_cut_is_opened_again_but_not_in_a_transaction(database: str, tmp_path: Path) -> None:
    loader = (warehouse := warehouse_of(tmp_path, "cut")).destination.loader(warehouse.schemas, warehouse.state)

    def cut() -> None:
        [(pid,)] = loader.sql.query("select pg_backend_pid()") or [(0,)]
        with connect(database) as connection:
            connection.cursor().execute("select pg_terminate_backend(%s, 10000)", [pid])

    with loader.sql.connected():
        cut()
        assert loader.sql.query("select 1") == [(1,)]
        with pytest.raises(StorageError, match="connection"), loader.sql.transaction():
            cut()  # the commit finds out


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0", "has the encoding LATIN1"),
        ("", 'grant temporary on database "unusable" to'),
    ],
)
def test_a_database_that_cannot_hold_or_model_the_data_is_refused_at_once(
    database: str, postgres_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, told: str
) -> None:
    with connect(database) as connection:
        for statement in (
            f"create database unusable {how}",
            "revoke temporary on database unusable from public",
            "drop role if exists hardened",
            "create role hardened login password 'hardened'",
        ):
            connection.cursor().execute(statement)
    address = f"postgresql://hardened:hardened@127.0.0.1:{postgres_port}/unusable"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    with pytest.raises(ConfigurationError, match=told), warehouse_of(tmp_path, "").locked():
        pass
    with connect(database) as connection:
        connection.cursor().execute("drop database unusable")


def test_a_role_needs_four_schemas_and_is_told_what_it_lacks(
    database: str, postgres_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas = [f"statsig{part}_modest" for part in ("", "_raw", "_staging")] + ["statsig_raw_modest_staging"]
    with connect(database) as connection:
        connection.cursor().execute("create role modest login password 'modest'")
        for schema in schemas:
            connection.cursor().execute(f"create schema {schema} authorization modest")
    address = f"postgresql://modest:modest@127.0.0.1:{postgres_port}/two_projects"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    warehouse = warehouse_of(tmp_path, "modest")

    sync(warehouse, [NOW], runs=20)

    with connect(database) as connection:
        connection.cursor().execute(f"alter table statsig_modest.source_status owner to {USER}")
    with pytest.raises(StorageError, match="must be owner of table source_status") as raised:
        build(warehouse, load_settings())
    assert "Grant it to that user" in str(raised.value)
    assert "full-refresh" not in str(raised.value)


@pytest.mark.usefixtures("folder")
def test_what_dashboards_filter_by_has_an_index(database: str) -> None:
    columns, rows = read(database, "pg_indexes where schemaname = 'statsig_shop'", "pg_catalog")

    assert {row[columns.index("indexname")] for row in rows} == {
        *("fct_runs_run_id", "fct_runs_created_at", "fct_run_stages_run_id", "fct_stage_attempts_run_id"),
        *("fct_source_dates_run_id", "fct_source_dates_created_at", "fct_source_date_stages_run_id"),
        *("fct_in_flight_runs_run_id", "fct_in_flight_runs_created_at", "dq_findings_run_id"),
    }


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

    assert {name: (done.code, done.err) for name, done in told.items()} == dict.fromkeys(told, (0, ""))
    words = " ".join(told["status"].out.split())
    assert re.search(
        r"This is a copy of postgres at 127.0.0.1:\d+/two_projects with the runs created since 1926", words
    )
    assert "all are there, in the schema statsig_shop." in words
    assert (folder / "published" / "statsig_runs.statsig_shop.html").exists()


def test_a_copy_of_another_place_than_syncs_go_to_is_said(folder: Path) -> None:
    elsewhere = {"SOURCES__STATSIG_RUNS__PROJECT": "shop", "SOURCES__STATSIG_RUNS__DESTINATION": "snowflake"}
    done = run_command(folder, "status", "--database", str(folder / "statsig_runs.duckdb"), **elsewhere)

    assert done.code == 0
    assert "The setting `destination` is snowflake, and nothing was published from there yet" in done.err


@pytest.fixture
def polled_project(database: str, tmp_path: Path) -> Warehouse:
    """A project that a team reads: as a role of its own, over views of its own, with an index of its own."""
    warehouse = warehouse_of(tmp_path, "polled")
    sync(warehouse, [EARLIER])
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        for statement in (
            "create role reader login password 'reader'",
            "create schema team",
            "create index team_index on statsig_polled.fct_runs (created_date)",
            "create view team.days as select * from statsig_polled.agg_daily",
            "create view team.loads as select load_id, run_id from statsig_polled.fct_runs, statsig_polled.fct_loads",
            "grant usage on schema statsig_polled, team to reader",
            "grant select on all tables in schema statsig_polled to reader",
            "grant select on all tables in schema team to reader",
        ):
            connection.cursor().execute(statement)
    return warehouse


def test_a_reader_sees_whole_builds_alone_and_keeps_what_is_his(
    database: str, postgres_port: int, polled_project: Warehouse
) -> None:
    address = f"postgresql://reader:reader@127.0.0.1:{postgres_port}/two_projects?options=-c%20timezone%3DUTC"
    connection = psycopg2.connect(address)
    connection.set_session(isolation_level="REPEATABLE READ")

    def read_all(polled: Polled) -> None:
        with connection, connection.cursor() as cursor:

            def ask(sql: str) -> Any:
                cursor.execute(sql)
                return cursor.fetchone()[0]

            look("statsig_polled", ask, polled)
            if 0 in [ask(f"select count(*) from team.{view}") for view in ("days", "loads")]:
                polled.complain("empty", "a view is empty")

    with polling(read_all) as polled:
        moments = polled_moments(2)
        sync(polled_project, moments)  # as of each moment every run is fetched again, so every run is modelled again
        build(polled_project, load_settings(), full_refresh=True)

        # what a build that fails has done by then is not seen either
        with closing(psycopg2.connect(database)) as owner, owner, owner.cursor() as cursor:
            cursor.execute("alter table statsig_raw_polled.run_payloads rename column payload to content")
            cursor.execute("update statsig_raw_polled.ingestion_runs set fetched_at = now()")
        with pytest.raises(ModelsError, match="payload"):
            build(polled_project, load_settings())
    connection.close()

    assert polled.complaints == []
    assert polled.reads > 20
    assert polled.states == {EARLIER, *moments}
    assert read(database, "pg_indexes where indexname = 'team_index'", "pg_catalog")[1] != []


def test_syncs_without_dbt_leave_what_a_full_refresh_would(database: str, tmp_path: Path) -> None:
    runs = generate_runs(60, seed=11, until=NOW)
    with Simulator(runs, api_key=KEY) as simulator:
        workplace = Workplace(
            tmp_path,
            simulator.url,
            SOURCES__STATSIG_RUNS__DESTINATION="postgres",
            SOURCES__STATSIG_RUNS__PROJECT="renewed",
            SOURCES__STATSIG_RUNS__SETTLE_DAYS="36500",
            DESTINATION__POSTGRES__CREDENTIALS=os.environ["DESTINATION__POSTGRES__CREDENTIALS"],
        )
        first = workplace.sync()
        renewed = workplace.run("sync", "--json", "--log-level", "info")
        for said in ("building the models", "up to date with 5 changed runs"):
            for run in runs[:5]:
                simulator.runs.add(run | {"latestStatus": said})
            changed = workplace.run("sync", "--json", "--log-level", "info")
            assert (changed.summary["changed"], changed.summary["error"]) == (5, None)
            assert said in changed.err
    assert (first.summary["new"], first.summary["error"]) == (len(runs), None)
    assert (renewed.summary["unchanged"], renewed.summary["error"]) == (len(runs), None)
    assert "nothing has changed" in renewed.err
    marts = {mart: read(database, mart, "statsig_renewed") for mart in MARTS}
    newest = workplace.query("select max(fetched_at) from statsig_raw_renewed.ingestion_runs")
    assert workplace.query("select max(fetched_at) from statsig_renewed.fct_runs") == newest
    copied = workplace.query("from statsig_renewed.fct_runs order by run_id")

    refreshed = workplace.run("transform", "--full-refresh")

    assert refreshed.code == 0, refreshed.err
    assert differences(marts, lambda mart: read(database, mart, "statsig_renewed")) == {}
    assert workplace.query("from statsig_renewed.fct_runs order by run_id") == copied


def test_a_killed_build_leaves_the_marts_of_the_one_before_and_the_next_makes_up_for_it(
    database: str, few_duckdb_marts: dict[str, Table], tmp_path: Path
) -> None:
    warehouse = warehouse_of(tmp_path, "killed")

    def read_killed(mart: str) -> Table:
        return read(database, mart, "statsig_killed")

    left = be_killed_between_syncs(warehouse, read_killed)

    assert left == {EARLIER}
    found = differences(few_duckdb_marts, read_killed)
    assert set(found) <= {"fct_loads"}  # the records of these loads have other numbers


def test_a_second_machine_ends_with_75_until_the_first_is_done_or_dead(database: str, tmp_path: Path) -> None:
    second = second_machine(tmp_path, "postgres")

    assert second.returncode == 75
    holder = second.stderr.strip().splitlines()[-1]
    assert f"Another statsig-runs works on postgres at {database.rpartition('@')[2]}, schema" in holder
    assert re.search(r"schema statsig_raw_locked, from another place: address 127\.0\.0\.1 since 2\S+ \S+\. ", holder)
    assert "Nothing was changed; try again when it is done." in holder
    assert "Traceback" not in second.stderr
    until_freed = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(AlreadyRunningError),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(30),
        reraise=True,
    )

    @until_freed.wraps
    def take() -> None:
        with warehouse_of(tmp_path / "two", "locked").locked():
            pass

    take()
