"""People who read the published copy: they wait for nobody, and see one consistent version as long as they like."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from statsig_runs.warehouse import STORAGE_VERSION, open_warehouse
from tests.e2e.conftest import TODAY, YESTERDAY
from tests.support.workplace import Workplace, contents

OLDER_DUCKDB = Path(sys.prefix) / "older-duckdb"

READER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
for sql in sys.stdin:
    print(connection.execute(sql).fetchall(), flush=True)
"""


@contextmanager
def reading(file: Path, *, python_path: str = "") -> Iterator[Callable[[str], str]]:
    """Another program with the file open: takes a query, gives its rows as text."""
    with subprocess.Popen(
        [sys.executable, "-c", READER, file],
        env={"PYTHONPATH": python_path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask(sql: str) -> str:
            process.stdin.write(f"{sql}\n")
            process.stdin.flush()
            return process.stdout.readline().rstrip()

        yield ask
        process.stdin.close()


def test_a_reader_keeps_its_version_through_ten_publications(copy_of_yesterday: Callable[..., Workplace]) -> None:
    workplace = copy_of_yesterday()
    warehouse = open_warehouse(workplace.database)
    marks = "select count(*), count(*) filter (trigger like 'mark %') from statsig.fct_runs"
    with reading(workplace.published) as ask:
        assert ask(marks) == f"[({len(YESTERDAY)}, 0)]"
        for number in range(1, 10):
            with duckdb.connect(str(workplace.database)) as connection:
                connection.execute(f"update statsig.fct_runs set trigger = 'mark {number}'")
            warehouse.publish()
            seen = workplace.query("select distinct trigger from statsig.fct_runs")
            assert seen == [(f"mark {number}",)]
            assert ask(marks) == f"[({len(YESTERDAY)}, 0)]"
        assert workplace.sync().code == 0  # the tenth: neither waits for the other
        assert ask(marks) == f"[({len(YESTERDAY)}, 0)]"
    assert workplace.query("select count(*) from statsig.fct_runs") == [(len(TODAY),)]


def test_a_build_that_fails_leaves_the_last_good_copy_and_says_so(copy_of_yesterday: Callable[..., Workplace]) -> None:
    workplace = copy_of_yesterday()
    before = workplace.published.read_bytes()
    with duckdb.connect(str(workplace.database)) as connection:
        twice = "select * replace ('a run that stands twice' as run_id) from statsig_raw.ingestion_runs limit 2"
        connection.execute(f"insert into statsig_raw.ingestion_runs {twice}")
    done = workplace.run("sync")
    assert done.code == 1
    assert "The models did not build or did not pass their tests" in done.err
    assert "test assert_marts_and_staging_agree_on_every_run" in done.err
    assert "transform --full-refresh" in done.err
    assert "readers keep what was published last" in done.err
    assert workplace.published.read_bytes() == before


def test_the_documentation_is_written_beside_the_published_copy(copy_of_yesterday: Callable[..., Workplace]) -> None:
    workplace = copy_of_yesterday()
    moved = workplace.data.rename(workplace.work / "elsewhere")
    done = workplace.run("docs", "--database", f"elsewhere/{workplace.database.name}")
    assert done.code == 0
    assert "fct_runs" in (moved / "published" / "statsig_runs.docs.html").read_text(encoding="utf-8")
    assert not workplace.data.exists()


@pytest.mark.skipif(not OLDER_DUCKDB.exists(), reason="no older DuckDB is installed: `make test` does that")
def test_the_oldest_duckdb_promised_opens_the_published_copy(synced_yesterday: Workplace) -> None:
    published = synced_yesterday.published
    with reading(published, python_path=str(OLDER_DUCKDB)) as ask:
        assert ask("select version()") == f"[('{STORAGE_VERSION}',)]"
        assert ask("select count(*) from statsig.fct_runs") == f"[({len(YESTERDAY)},)]"
        comments = "select comment like 'One row per run%' from duckdb_tables() where table_name = 'fct_runs'"
        assert ask(comments) == "[(True,)]"
        for table, rows in contents(published).items():
            assert ask(f"select count(*) from {table}") == f"[({len(rows)},)]"
            assert ask(f"select count(columns(*)) from {table}") != ""
