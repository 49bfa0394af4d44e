"""`statsig-runs query`: what is answered, how it is written, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import duckdb
import pytest

from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.readers.published import reading
from statsig_runs.readers.query import Answer, shut_off, write_csv, write_json, write_parquet, write_table
from statsig_runs.schemas import Schemas
from statsig_runs.warehouse import Warehouse, open_warehouse
from tests.support.published_runs import HOSTILE, run_command
from tests.support.workplace import COMMAND, PATIENCE

KINDS = """
    select
        timestamptz '2024-03-15 11:00:00.123+02' as moment, timestamptz '2024-03-15 09:00:00.123456+00' as micros,
        timestamp '2024-03-15 09:00:00' as local, date '2024-03-15' as day, 1.50::decimal(9, 2) as price,
        2.00::decimal(9, 2) as whole, 'nan'::double as nothing, '-infinity'::double as endless,
        10::hugeint * 10000000000000000000 as huge, interval 90 second as span, ['a', null] as items,
        {'at': timestamptz '2024-03-15 09:00:00+00'} as inner, '\\xAB'::blob as bytes, true as yes, null as missing,
        uuid '6ba7b810-9dad-11d1-80b4-00c04fd430c8' as id, 'é "q", x' as text
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def table(published: Warehouse, sql: str, out: io.StringIO | None = None, **limit: int) -> list[str]:
    out = out or io.StringIO()
    with reading(published) as connection:
        write_table(Answer(connection, sql), out, **limit)
    return out.getvalue().splitlines()


def test_marts_and_raw_tables_are_found_by_their_plain_names(published: Warehouse):
    assert table(
        published,
        "select runs.run_id, marts.effective_outcome, raw.trigger, marts.total_seconds from fct_runs as marts "
        "join ingestion_runs as raw using (run_id) join statsig.fct_runs as runs using (run_id) "
        "where run_id in ('landed', 'begun') order by 1",
    ) == [
        "run_id  effective_outcome  trigger    total_seconds",
        "------  -----------------  ---------  -------------",
        "begun   in_progress        scheduled          600.0",
        "landed  succeeded          scheduled         5400.0",
    ]


def test_a_hostile_name_cannot_steer_the_terminal(published: Warehouse):
    [_, _, line] = table(published, "select source from source_status where source like '[red]%'")
    assert line == r"[red]\x1b[31m<!channel> & `@here`\n\u202eabc"


def test_a_long_value_is_cut_on_a_terminal_and_nowhere_else(published: Warehouse):
    long = "select repeat('x', 100) as text"
    assert table(published, long, Terminal())[2] == "x" * 59 + "…"
    assert table(published, long)[2] == "x" * 100


def test_a_table_shows_so_many_rows_and_says_when_there_are_more(published: Warehouse):
    with reading(published) as connection:
        assert write_table(Answer(connection, "from range(3)"), io.StringIO(), limit=3) is True
        assert write_table(Answer(connection, "from range(4)"), io.StringIO(), limit=3) is False
    assert table(published, "from range(4)", limit=3) == ["range", "-----", "    0", "    1", "    2"]


def test_a_query_without_rows_shows_its_columns(published: Warehouse):
    assert table(published, "select run_id from fct_runs where false") == ["run_id", "------"]


def test_json_has_moments_in_utc_numbers_for_decimals_and_null_for_what_json_cannot_say(published: Warehouse):
    out = io.StringIO()
    with reading(published) as connection:
        write_json(Answer(connection, KINDS), out)
    assert json.loads(out.getvalue()) == [
        {
            "moment": "2024-03-15T09:00:00.123Z",
            "micros": "2024-03-15T09:00:00.123456Z",
            "local": "2024-03-15T09:00:00.000",
            "day": "2024-03-15",
            "price": 1.5,
            "whole": 2,
            "nothing": None,
            "endless": None,
            "huge": 100000000000000000000,
            "span": 90.0,
            "items": ["a", None],
            "inner": {"at": "2024-03-15T09:00:00.000Z"},
            "bytes": "ab",
            "yes": True,
            "missing": None,
            "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "text": 'é "q", x',
        }
    ]


def test_csv_keeps_what_a_spreadsheet_can_read(published: Warehouse):
    out = io.StringIO()
    with reading(published) as connection:
        write_csv(Answer(connection, KINDS), out)
    [row] = csv.DictReader(io.StringIO(out.getvalue()))
    assert {name: row[name] for name in ("moment", "price", "nothing", "items", "yes", "missing", "text")} == {
        "moment": "2024-03-15T09:00:00.123Z",
        "price": "1.5",
        "nothing": "nan",
        "items": '["a", null]',
        "yes": "true",
        "missing": "",
        "text": 'é "q", x',
    }


def test_json_without_rows_is_an_empty_array_and_a_column_that_comes_twice_is_kept(published: Warehouse):
    out = io.StringIO()
    with reading(published) as connection:
        write_json(Answer(connection, "select 1 as a where false"), out)
        write_json(Answer(connection, "select 1 as a, 2 as a"), out)
    assert out.getvalue() == '[]\n[\n{"a": 1, "a_1": 2}\n]\n'


def test_our_own_variables_are_no_tables(published: Warehouse):
    with (
        reading(published) as connection,
        pytest.raises(ConfigurationError, match="Table with name sql does not exist"),
    ):
        Answer(connection, "from sql")


def test_a_value_that_fails_in_a_late_row_is_explained_as_well(published: Warehouse):
    sql = "select case when range = 5000 then 'x' else '1' end::int as i from range(5001)"
    with reading(published) as connection, pytest.raises(ConfigurationError, match="Could not convert string 'x'"):
        write_csv(Answer(connection, sql), io.StringIO())


@pytest.mark.parametrize("sql", ["from fct_runs", "from fct_runs; -- all of them", "show all tables"])
def test_parquet_holds_the_rows_whatever_the_statement_looks_like(published: Warehouse, tmp_path: Path, sql: str):
    file = tmp_path / "o'ne {x}.parquet"
    file.write_text("what was here before")
    with reading(published) as connection:
        write_parquet(connection, sql, file)
        expected = connection.execute(sql).fetchall()
    assert duckdb.read_parquet(str(file)).fetchall() == expected != []
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("select error('late') from range(9)", ConfigurationError),
        ("selec", ConfigurationError),
        ("create temp table t as select 1", ConfigurationError),
    ],
)
def test_a_query_that_fails_leaves_the_parquet_file_as_it_was(
    published: Warehouse, tmp_path: Path, sql: str, error: type[Exception]
):
    file = tmp_path / "before.parquet"
    file.write_text("before")
    with reading(published) as connection, pytest.raises(error):
        write_parquet(connection, sql, file)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("before.parquet", "before")]


def test_a_parquet_file_that_cannot_be_written_is_a_storage_error(published: Warehouse, tmp_path: Path):
    (tmp_path / "a folder").mkdir()
    with reading(published) as connection:
        with pytest.raises(StorageError, match="a folder cannot be written"):
            write_parquet(connection, "select 1", tmp_path / "a folder")
        with pytest.raises(ConfigurationError, match="does not exist"):
            write_parquet(connection, "select 1", tmp_path / "none" / "x.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["a folder"]


def test_a_copy_of_another_project_says_which_setting_to_check(published: Warehouse):
    other = open_warehouse(published.database, Schemas.of_project("shop"))
    with (
        pytest.raises(ConfigurationError, match=r"no schema 'statsig_shop'\. Check the setting `project`"),
        reading(other),
    ):
        pass


def test_a_copy_that_is_no_database_is_a_storage_error(tmp_path: Path):
    warehouse = open_warehouse(tmp_path / "x.duckdb")
    warehouse.prepare()
    warehouse.published.file.write_text("no database at all")
    with pytest.raises(StorageError, match="cannot be read"), reading(warehouse):
        pass


def test_the_command_prints_a_table(folder: Path):
    done = run_command(folder, "query", "select source, health from source_status where source = 'Events 2'")
    assert (done.code, done.err) == (0, "")
    assert done.out == "source    health\n--------  -------\nEvents 2  failing\n"


def test_the_command_reads_a_query_from_stdin_and_writes_csv(folder: Path):
    done = run_command(folder, "query", "--csv", "-", stdin="select 1 as a,\n  'x,y' as b -- both\n")
    assert (done.code, done.out, done.err) == (0, 'a,b\n1,"x,y"\n', "")


def test_the_command_writes_json(folder: Path):
    done = run_command(
        folder, "query", "--json", "select source from source_status where health = 'never_finished' order by 1"
    )
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == [{"source": HOSTILE}, {"source": "Ω" * 300}]


def test_the_command_writes_parquet_for_the_database_named(folder: Path, tmp_path: Path):
    file = tmp_path / "runs.parquet"
    database = folder / "data" / "statsig_runs.duckdb"
    done = run_command(tmp_path, "query", "--database", str(database), "from fct_runs", "--parquet", str(file))
    assert (done.code, done.out, done.err) == (0, f"Written: {file}\n", "")
    assert duckdb.read_parquet(str(file)).aggregate("count(*)").fetchall() == [(25,)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["selec 1"], ['syntax error at or near "selec"', 'statsig-runs query "show all tables"']),
        (["from fct_run"], ['Did you mean "fct_runs', 'statsig-runs query "show all tables"']),
        (["delete from fct_runs"], ["read-only mode", "only `sync`, `replay` and `transform` write"]),
        ([" "], ["The query is empty"]),
        (["select 1", "--csv", "--json"], ["Choose one of --csv, --json and --parquet."]),
        (["select 1", "--database", "none.duckdb"], ["Nothing has been published", "statsig-runs sync"]),
    ],
)
def test_what_the_command_refuses_it_explains_with_exit_code_2(folder: Path, arguments: list[str], told: list[str]):
    done = run_command(folder, "query", *arguments)
    assert (done.code, done.out) == (2, "")
    assert [text for text in told if text not in done.err] == []
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "sql",
    [
        "copy fct_runs to 'written'",
        "copy (select 1) to '/dev/stdout'",
        "prepare writing as copy fct_runs to 'written'; execute writing",
        "export database 'written'",
        "import database 'other'",
        "attach 'other.duckdb' as other",
        "attach ':memory:' as other; create table other.written as select 1",
        "from 'other.csv'",
        "select content from read_text('other.csv')",
        "from glob('*')",
        "from read_csv('/dev/stdin')",
        "from 'http://127.0.0.1:9/other.csv'",
        "from json_execute_serialized_sql(json_serialize_sql('from ''other.csv'''))",
        "create temp view other as from 'other.csv'; from other",
        "install httpfs",
        "load httpfs",
        "create persistent secret written (type http, extra_http_headers map {'a': 'b'})",
        "set temp_directory = 'written'",
        "set enable_external_access = true",
        "reset enable_external_access",
        "set lock_configuration = false",
        "set allowed_directories = ['/']",
        "pragma profiling_output = 'written'",
        "create table written as select 1",
        "insert into fct_runs from fct_runs",
    ],
)
def test_a_query_reads_and_does_nothing_else(
    published: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
):
    monkeypatch.chdir(tmp_path)
    Path("other.csv").write_text("a\n1\n")
    duckdb.connect("other.duckdb").close()
    before = published.published.file.read_bytes()
    with reading(published) as connection:
        shut_off(connection, Path("answer.parquet"))
        with pytest.raises(ConfigurationError) as caught:
            list(Answer(connection, sql).batches())
    assert re.search("--allow-files|only `sync`, `replay` and `transform` write|read-only mode", str(caught.value))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "other.duckdb"]
    assert published.published.file.read_bytes() == before


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("create temp table mine as select 1 as i; from mine", [(1,)]),
        ("set variable day = date '2024-03-14'; select getvariable('day')::text", [("2024-03-14",)]),
        ("use statsig_raw; select count(*) from ingestion_runs", [(25,)]),
        ("select count(*) > 5 from (show all tables)", [(True,)]),
    ],
)
def test_a_query_may_do_what_ends_with_it(published: Warehouse, sql: str, rows: list[tuple]):
    with reading(published) as connection:
        shut_off(connection)
        assert [row for batch in Answer(connection, sql).batches() for row in batch] == rows


def test_the_command_writes_no_file_unless_it_is_allowed_to(folder: Path, tmp_path: Path):
    sql = f"copy (select 1 as a) to '{tmp_path / 'written.csv'}'"
    done = run_command(folder, "query", sql)
    assert (done.code, list(tmp_path.iterdir())) == (2, [])
    assert "--allow-files lets it read and write files" in done.err
    done = run_command(folder, "query", "--allow-files", sql)
    assert (done.code, done.err, (tmp_path / "written.csv").read_text()) == (0, "", "a\n1\n")


@pytest.mark.parametrize("name", ["../o'ne {x}.parquet", "plain.parquet", "a%20b?c#d.parquet"])
def test_parquet_is_written_where_nothing_else_is(folder: Path, tmp_path: Path, name: str):
    work = tmp_path / "it's 100%"
    work.mkdir()
    database = str(folder / "data" / "statsig_runs.duckdb")
    done = run_command(work, "query", "--database", database, "select 1 as a", "--parquet", name)
    assert (done.code, done.out, done.err) == (0, f"Written: {name}\n", "")
    assert duckdb.from_parquet(str(work / name)).fetchall() == [(1,)]


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_a_reader_that_has_seen_enough_is_no_error(folder: Path, tmp_path: Path, form: list[str]):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with subprocess.Popen(
        [COMMAND, "query", *form, "select repeat('x', 100) from range(9000)"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert (running.wait(PATIENCE), running.stderr.read()) == (0, b"")


@pytest.mark.parametrize(
    "command", [("query", "from fct_runs", "--parquet"), ("report", "--output"), ("report", "--png")]
)
def test_what_is_no_regular_file_is_not_replaced_by_one(folder: Path, tmp_path: Path, command: tuple[str, ...]):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = run_command(folder, *command, str(pipe))
    assert done.code == 2
    assert f"{pipe} is no regular file" in done.err
    assert pipe.is_fifo()


def test_ctrl_c_ends_a_query_that_would_take_for_ever(folder: Path, tmp_path: Path):
    begun = tmp_path / "begun.csv"
    os.mkfifo(begun)
    sql = f"""
        select count(*)
        from range(10000000000) as a, range(1000) as b,
            read_csv('{begun}', header = false, auto_detect = false, columns = {{'i': 'int'}}) as c
        where (a.range * b.range) % 7 = i
    """
    with subprocess.Popen(
        [COMMAND, "query", "--allow-files", sql], cwd=folder, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            begun.write_text("3\n")  # returns once the query reads it
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Interrupted." in told
