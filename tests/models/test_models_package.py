"""The dbt project as a package in a team's own, that of `examples/`: another database, other schemas, their model."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from statsig_runs.packaged import packaged
from tests.support.team_project import EXAMPLE, run, write_project
from tests.support.written_week import all_runs

OWN_RULE = "{% macro generate_schema_name(name, node) %}{{ 'dev_' ~ (name or target.schema) }}{% endmacro %}"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("team"), all_runs())
    run(folder, "deps")
    run(folder, "build", "--exclude-resource-type", "unit_test")
    return folder


def schemas(folder: Path) -> set[str]:
    with duckdb.connect(str(folder / "house.duckdb"), read_only=True) as con:
        return {name for (name,) in con.execute("select distinct schema_name from duckdb_tables()").fetchall()}


def test_the_marts_go_where_the_teams_variables_say_and_their_model_reads_them(team: Path):
    assert schemas(team) == {"ingestion", "ingestion_work"}
    with duckdb.connect(str(team / "house.duckdb"), read_only=True) as con:
        con.execute(f"attach '{team / 'lake.duckdb'}' as lake (read_only)")
        counted = con.execute("select * from team.runs_by_trigger order by trigger").fetchall()
        loaded = con.execute(
            "select trigger, count(*) from lake.statsig_raw.ingestion_runs group by trigger order by trigger"
        ).fetchall()
    assert counted == loaded


def test_the_second_build_models_no_run_again(team: Path):
    run(team, "build", "--exclude-resource-type", "unit_test")
    with duckdb.connect(str(team / "house.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from ingestion_work.int_changed_runs").fetchall() == [(0,)]
        assert con.execute("select count(*) from ingestion_work.int_modelled_runs").fetchall() == [(len(all_runs()),)]


def test_a_rule_of_the_teams_own_for_schema_names_is_followed(tmp_path: Path):
    folder = write_project(tmp_path, all_runs())
    (folder / "macros").mkdir()
    (folder / "macros" / "names.sql").write_text(OWN_RULE, encoding="utf-8")
    run(folder, "deps")
    for _ in range(2):
        run(folder, "build", "--exclude-resource-type", "unit_test")
    assert schemas(folder) == {"dev_ingestion", "dev_ingestion_work"}
    with duckdb.connect(str(folder / "house.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from dev_ingestion_work.int_changed_runs").fetchall() == [(0,)]


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_the_package_comes_from_a_repository_as_the_documents_say(tmp_path: Path):
    repository = tmp_path / "repository"
    shutil.copytree(packaged("sql"), repository / "sql")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"], ["tag", "v0.1.0"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    page = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")
    (packages,) = re.findall(r"```yaml\n(packages:.*?)```", page, re.DOTALL)
    project = shutil.copytree(EXAMPLE, tmp_path / "team")
    (project / "packages.yml").write_text(re.sub(r"https://\S+", f"file://{repository}", packages))
    run(project, "deps")
    assert (project / "dbt_packages" / "statsig_runs" / "models" / "marts" / "fct_runs.sql").exists()
