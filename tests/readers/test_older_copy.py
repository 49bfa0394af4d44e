"""A published copy that an older version wrote, before the ingestion status was loaded: each reader says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.support.published_runs import run_command


@pytest.fixture(scope="module")
def older_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    older = Path(shutil.copytree(folder, tmp_path_factory.mktemp("older") / "folder"))
    [published] = older.glob("data/published/*.duckdb")
    published.chmod(0o644)
    with duckdb.connect(str(published)) as connection:
        connection.execute("drop table statsig.fct_source_date_reports")
        connection.execute("alter table statsig.source_status drop column last_error_message")
        connection.execute("alter table statsig.source_status drop column last_error_status")
        for column in ("row_count", "metric_count", "reported_status", "error_message"):
            connection.execute(f"alter table statsig.fct_date_freshness drop column {column}")
    published.chmod(0o444)
    return older


@pytest.mark.parametrize("command", ["status", "check", "report"])
def test_a_copy_that_an_older_version_wrote_is_told_in_one_line_and_what_mends_it(older_folder: Path, command: str):
    done = run_command(older_folder, command)
    assert (done.code, done.out) == (1, "")
    [line] = done.err.splitlines()
    assert line.startswith("Error: Another version of statsig-runs wrote the published copy. ")
    assert "The next `statsig-runs sync` writes it anew." in line
    assert "fct_source_date_reports" in line


def test_a_copy_that_an_older_version_wrote_can_be_queried_all_the_same(older_folder: Path):
    done = run_command(older_folder, "query", "--csv", "select health from source_status where source = 'Events 2'")
    assert (done.code, done.out) == (0, "health\nfailing\n")
