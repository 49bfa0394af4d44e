"""A folder may have any name that people give folders; a file's name that something would stumble over is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from statsig_runs.errors import ConfigurationError
from statsig_runs.job.refresh import build
from statsig_runs.models.dbt_project import DbtProject
from statsig_runs.plan import Progress
from statsig_runs.settings import load_settings
from statsig_runs.warehouse.destinations import open_warehouse
from statsig_runs.warehouse.workfolder import WorkFolder
from tests.support.one_run import payload
from tests.support.warehouse_of_runs import accept

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FOLDERS = [
    *("it's", "100%", "a%20b", "%s", "{{ x }}", "{% if", "two words", 'qu"ote', "Größe 🚀", "new\nline"),
    *("-dash", "back\\slash", "$HOME", "a;b", "a:b", "~", "[x]*", "&amp;<b>", "x" * 200),
]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_load_works_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    database = tmp_path / name / "data" / "runs.duckdb"
    for day in (1, 2):
        with open_warehouse(database).writing() as loader:
            loader.load([accept(payload(runID=f"r{day}"), NOW)], Progress(as_of=NOW.replace(day=day)))
    with open_warehouse(database).writing() as loader:
        assert loader.progress() == Progress(as_of=NOW.replace(day=2))
        assert list(loader.known.to_read_again(now=NOW, settle_days=0, full=True)) == ["r1", "r2"]


def test_the_models_are_built_and_published_in_a_folder_that_all_stumble_over(tmp_path: Path) -> None:
    warehouse = open_warehouse(tmp_path / "it's 100% {{ x }} {% if 🚀" / "data" / "runs.duckdb")
    with warehouse.writing() as loader:
        loader.load([accept(payload(), NOW)], Progress(as_of=NOW))
        build(warehouse, load_settings())
        warehouse.publish()
    with warehouse.published.open() as connection:
        assert connection.execute("select count(*) from statsig.fct_runs").fetchone() == (1,)


@pytest.mark.parametrize("text", ["{{ x }}", "{% if %}", "{# no comment", "a\u2028b", "🚀", 'it\'s "quoted"'])
def test_dbt_takes_a_text_of_a_profile_as_it_is(tmp_path: Path, text: str) -> None:
    project = DbtProject(
        tmp_path, {"type": "duckdb", "path": ":memory:", "schema": "main", "settings": {"x": text}}, {}
    )
    project._write_profile()

    from dbt.config.profile import read_profile
    from dbt.config.renderer import ProfileRenderer

    written = read_profile(str(tmp_path))["statsig_runs"]["outputs"]["main"]
    assert ProfileRenderer({}).render_data(written)["settings"] == {"x": text}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("temp.duckdb", "DuckDB has a database or a schema of its own that is named 'temp'"),
        ("System.duckdb", "of its own that is named 'System'"),
        ("main.db", "of its own that is named 'main'"),
        ("memory.duckdb", "of its own that is named 'memory'"),
        ("information_schema.duckdb", "of its own that is named 'information_schema'"),
        ("pg_catalog.duckdb", "of its own that is named 'pg_catalog'"),
        ("statsig.duckdb", "would share its name with one of its schemas"),
        ("temp.old.duckdb", "of its own that is named 'temp'"),
        ("statsig.2025.duckdb", "would share its name with one of its schemas"),
        ("it's.duckdb", "The models cannot use a database named"),
        ('"q".duckdb', "The models cannot use a database named"),
        ("a;b.duckdb", "The models cannot use a database named"),
        ("a?b.duckdb", "take a ? or # in "),
        ("why?/runs.duckdb", "take a ? or # in "),
        ("C#/runs.duckdb", "take a ? or # in "),
        ("\udcff.duckdb", "is not text in UTF-8"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_another_one(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_warehouse(tmp_path / name)

    assert told in str(refused.value)
    assert "Choose another --database, such as data/statsig_runs.duckdb." in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_the_folder_that_stands_for_an_odd_one_is_kept_and_made_anew_where_it_is_gone(tmp_path: Path) -> None:
    odd = tmp_path / "100%"
    first = WorkFolder(odd, "p").path
    assert first == WorkFolder(odd, "p").path
    assert first.parent.stat().st_mode & 0o777 == 0o700

    first.parent.rmdir()
    assert WorkFolder(odd, "p").path.parent.is_dir()


def test_where_no_plain_folder_is_at_hand_it_is_said_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "50%"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    with pytest.raises(ConfigurationError, match="set TMPDIR to a folder without these"):
        WorkFolder(tmp_path / "100%", "p")
    assert not list(temporary.iterdir())
