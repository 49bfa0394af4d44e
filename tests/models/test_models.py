"""How the marts are built: comments, failures, repairs, and what a build leaves behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from statsig_runs.errors import ModelsError
from statsig_runs.models import Build, Definitions, build, build_models, write_docs
from statsig_runs.models.dbt_project import DbtProject
from statsig_runs.packaged import packaged
from tests import oracle
from tests.support import warehouse_of_runs as warehouse
from tests.support.marts import KEYS, MARTS, WORDS
from tests.support.written_week import all_runs


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Build]:
    """The marts of the written week; tests that write work on copies."""
    database = tmp_path_factory.mktemp("built") / "statsig_runs.duckdb"
    warehouse.load(database, all_runs())
    return database, build_models(database)


@pytest.fixture
def database(built: tuple[Path, Build], tmp_path: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copy(built[0], tmp_path))


def project(database: Path) -> DbtProject:
    profile = {"type": "duckdb", "path": str(database), "schema": "statsig", "settings": {"TimeZone": "UTC"}}
    return DbtProject(database.parent / "dbt", profile, {})


def query(database: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(database)) as con:
        return con.execute(sql).fetchall()


def files_below(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_every_unit_test_of_the_dbt_project_passes(database: Path):
    results = project(database).invoke(["test", "--select", "test_type:unit"]).results
    assert len(results) >= 20
    assert [result.node.name for result in results if result.status != "pass"] == []


ONE_RUN = "where run_id = (select min(run_id) from statsig.fct_source_date_stages)"


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("assert_aggregates_count_every_row_once", "update statsig.agg_daily set run_count = run_count + 1"),
        ("assert_attempts_add_up_to_their_stage", f"delete from statsig.fct_stage_attempts {ONE_RUN}"),
        ("assert_every_bucket_and_finding_belongs_to_a_run", f"delete from statsig.fct_runs {ONE_RUN}"),
        (
            "assert_every_key_is_unique_and_every_word_known",
            f"insert into statsig.fct_runs select * from statsig.fct_runs {ONE_RUN}",
        ),
        ("assert_every_retry_follows_an_error", f"update statsig.fct_stage_attempts set kind = 'retry' {ONE_RUN}"),
        ("assert_marts_and_staging_agree_on_every_run", f"delete from statsig.fct_source_dates {ONE_RUN}"),
        (
            "assert_reports_count_every_message_once",
            "insert into statsig.fct_source_date_reports (source, message_count) values ('s', 1)",
        ),
        ("assert_stages_add_up_to_their_history", f"update statsig.fct_run_stages set error_count = 9 {ONE_RUN}"),
    ],
)
def test_every_data_test_finds_what_it_is_there_for(database: Path, name: str, damage: str):
    project(database).invoke(["test", "--select", name])
    query(database, damage)
    with pytest.raises(ModelsError, match=name):
        project(database).invoke(["test", "--select", name])


def test_the_damage_above_is_done_to_every_test_there_is():
    names = {file.stem for file in packaged("sql").glob("tests/*.sql")}
    assert names == {case[0] for case in test_every_data_test_finds_what_it_is_there_for.pytestmark[0].args[1]}


@pytest.fixture
def broken(built: tuple[Path, Build], database: Path) -> Callable[[str], set[str]]:
    """Says in which marts the tests of keys and words find something after a statement that is then taken back."""
    names = ["assert_every_key_is_unique_and_every_word_known", "assert_aggregates_count_every_row_once"]
    compiled = built[0].parent / ".statsig_runs" / "dbt" / "target" / "compiled" / "statsig_runs" / "tests"

    def find(statement: str) -> set[str]:
        with duckdb.connect(str(database)) as con:
            con.execute(f"begin; {statement}")
            found = [con.execute((compiled / f"{name}.sql").read_text(encoding="utf-8")).fetchall() for name in names]
            con.execute("rollback")
        return {mart for rows in found for (mart,) in rows}

    return find


def row(mart: str, column: str = "", word: str = "") -> str:
    """A statement that adds a row to a mart: of a run that the last build wrote, if the mart's key has one."""
    run = "(select min(run_id) from statsig.fct_runs)"
    values = {"run_id": run} if "run_id" in KEYS[mart] else {KEYS[mart][0]: "null"}
    values |= {column: f"'{word}'"} if column else {}
    return f"insert into statsig.{mart} ({', '.join(values)}) values ({', '.join(values.values())});"


@pytest.mark.parametrize("mart", [mart for mart in MARTS if mart != "fct_loads"])
def test_a_key_that_stands_twice_is_found_in_every_mart(broken: Callable[[str], set[str]], mart: str):
    assert broken("") == set()
    assert mart in broken(row(mart) * 2)


@pytest.mark.parametrize(("mart", "column"), [(mart, column) for mart in WORDS for column in WORDS[mart]])
def test_a_word_that_is_not_listed_beside_its_column_is_found(
    broken: Callable[[str], set[str]], mart: str, column: str
):
    assert mart in broken(row(mart, column, "unheard"))


def test_a_build_tells_what_it_built_and_tested(built: tuple[Path, Build]):
    build = built[1]
    assert build.node_seconds.keys() >= {*MARTS} | {"assert_every_retry_follows_an_error"}
    assert build.model_count >= len(MARTS)
    assert build.test_count > 0


def test_each_mart_and_each_of_its_columns_says_what_it_is(built: tuple[Path, Build]):
    comments = dict(
        query(
            built[0],
            "select table_name, comment from duckdb_tables() where schema_name = 'statsig' "
            "union all select view_name, comment from duckdb_views() where schema_name = 'statsig'",
        )
    )
    assert comments.keys() == {*MARTS}
    assert all(comment.startswith("One row per ") for comment in comments.values())
    silent = "select table_name, column_name from duckdb_columns() where schema_name = 'statsig' and comment is null"
    assert query(built[0], silent) == []


def test_the_second_opinion_has_every_mart_but_the_loads():
    assert sorted([*oracle.build_marts([]), "fct_loads"]) == list(MARTS)


def test_each_raw_table_and_each_of_its_columns_says_what_it_is(built: tuple[Path, Build]):
    silent = (
        "select table_name, null as column_name from duckdb_tables() where schema_name = 'statsig_raw' "
        "and comment is null union all select table_name, column_name from duckdb_columns() "
        "where schema_name = 'statsig_raw' and comment is null"
    )
    found = query(
        built[0], f"select * from ({silent}) where not (table_name || coalesce(column_name, '')) ~ '.*_dlt_.*'"
    )
    assert found == []


def test_a_build_leaves_no_handle_on_the_database_and_no_file_beside_the_models(database: Path):
    before = files_below(packaged("sql"))
    build_models(database)
    assert files_below(packaged("sql")) == before
    # DuckDB refuses another process while this one holds the file, and another configuration in this one
    with duckdb.connect(str(database), config={"default_order": "desc"}):
        pass
    subprocess.run([sys.executable, "-c", f"import duckdb; duckdb.connect({str(database)!r})"], check=True, timeout=60)


def test_a_failed_build_names_the_test_and_the_next_one_makes_it_good(database: Path):
    twice = "insert into statsig_raw.ingestion_runs select * from statsig_raw.ingestion_runs"
    query(database, f"{twice} order by run_id limit 1")
    query(database, "update statsig_raw.ingestion_runs set fetched_at = fetched_at + interval 1 hour")
    for _ in range(2):  # it does not pass by being asked again
        with pytest.raises(ModelsError, match="assert_marts_and_staging_agree_on_every_run") as caught:
            build_models(database)
        assert "the raw tables are as they were" in str(caught.value)
    results = (database.parent / f".{database.stem}" / "dbt" / "target" / "run_results.json").read_bytes()
    failed = [each["unique_id"] for each in json.loads(results)["results"] if each["status"] == "fail"]
    assert any("assert_marts_and_staging_agree_on_every_run" in each for each in failed)

    query(database, "create table kept as select distinct * from statsig_raw.ingestion_runs")
    query(database, "delete from statsig_raw.ingestion_runs")
    query(database, "insert into statsig_raw.ingestion_runs from kept")
    build_models(database)
    repaired = {mart: sorted(map(str, rows)) for mart, rows in warehouse.read_marts(database).items()}
    build_models(database, full_refresh=True)
    assert {mart: sorted(map(str, rows)) for mart, rows in warehouse.read_marts(database).items()} == repaired


def test_a_build_that_does_not_fit_into_the_memory_is_made_again_with_more(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(build, "MEMORY_LIMITS", ("4MB", "1200MB"))
    assert build_models(database, full_refresh=True).test_count > 0
    assert "they are built again with 1200MB" in caplog.text

    monkeypatch.setattr(build, "MEMORY_LIMITS", ("4MB",))
    with pytest.raises(ModelsError, match="Out of Memory Error"):
        build_models(database, full_refresh=True)


def test_a_run_that_is_gone_from_the_raw_tables_is_gone_from_every_mart(database: Path):
    (gone,) = query(database, "select min(run_id) from statsig_raw.ingestion_runs")[0]
    query(database, f"delete from statsig_raw.ingestion_runs where run_id = '{gone}'")
    build_models(database)
    for mart in ("fct_runs", "fct_run_stages", "fct_source_dates", "fct_source_date_stages", "fct_stage_attempts"):
        assert query(database, f"select count(*) from statsig.{mart} where run_id = '{gone}'") == [(0,)]


def test_raw_tables_that_are_not_there_are_named_with_what_to_do(tmp_path: Path):
    duckdb.connect(str(tmp_path / "statsig_runs.duckdb")).close()
    with pytest.raises(ModelsError, match="statsig-runs sync") as caught:
        build_models(tmp_path / "statsig_runs.duckdb")
    assert "ingestion_runs" in str(caught.value)


def test_a_load_shows_without_a_build_also_in_a_copy_of_the_file_under_another_name(database: Path, tmp_path: Path):
    assert query(database, "select * from statsig.fct_loads") == []
    counts = (
        "new_count bigint, changed_count bigint, unchanged_count bigint, rejected_count bigint, missing_count bigint"
    )
    more = "failed_count bigint, request_count bigint, retry_count bigint, rate_limited_count bigint"
    seconds = "fetch_seconds double, load_seconds double, model_seconds double, publish_seconds double"
    times = "started_at timestamptz, finished_at timestamptz"
    query(database, f"create table statsig_raw.sync_loads (load_id varchar, {times}, {counts}, {more}, {seconds})")
    build_models(database)
    query(database, "insert into statsig_raw.sync_loads (load_id, new_count, load_seconds) values ('first', 7, 0.5)")
    found = [("first", 7, 0.5)]
    assert query(database, "select load_id, new_count, load_seconds from statsig.fct_loads") == found
    database.rename(tmp_path / "copy.duckdb")
    assert query(tmp_path / "copy.duckdb", "select load_id, new_count, load_seconds from statsig.fct_loads") == found


@pytest.mark.parametrize(
    "change",
    [
        lambda database: build_models(database, definitions=Definitions(settle_hours=0.001)),
        lambda database: build_models(database, definitions=Definitions(terminal_success_statuses=[])),
    ],
    ids=["settle_hours", "terminal_success_statuses"],
)
def test_a_changed_setting_changes_runs_that_did_not_change(database: Path, change: Callable[[Path], Build]):
    outcomes = (
        "select run_id, outcome from statsig.fct_runs union all select run_id, outcome from statsig.fct_source_dates"
    )
    before = sorted(query(database, outcomes))
    change(database)
    assert sorted(query(database, outcomes)) != before
    build_models(database)
    assert sorted(query(database, outcomes)) == before


def test_the_documentation_is_one_page_that_knows_every_mart(built: tuple[Path, Build], tmp_path: Path):
    write_docs(built[0], tmp_path / "docs" / "models.html", state=tmp_path / "state")
    page = (tmp_path / "docs" / "models.html").read_text(encoding="utf-8")
    assert all(f"model.statsig_runs.{mart}" in page for mart in MARTS)
    assert "MANIFEST.JSON INLINE DATA" not in page
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["models.html"]
    catalog = json.loads((tmp_path / "state" / "target" / "catalog.json").read_bytes())
    columns = catalog["nodes"]["model.statsig_runs.fct_runs"]["columns"]
    assert columns["created_at"]["type"] == "TIMESTAMP WITH TIME ZONE"
