"""The README tells the truth: its queries run, its commands exist, its exit codes are the program's."""

import re
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner

from statsig_runs.cli import EXIT_CODES, cli
from statsig_runs.warehouse import Warehouse

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SQL = re.findall(r"```sql\n(.*?)\n```", README, re.DOTALL)
RAW_SQL = re.findall(r"^\| `\w+` \| [^|]+ \| `(select .*)` \|$", README, re.MULTILINE)
MARTS = re.findall(r"\*\*`(\w+)`\*\*", README)


@pytest.mark.parametrize("sql", [*SQL, *RAW_SQL])
def test_every_query_of_the_readme_runs_as_it_stands_in_a_plain_duckdb(published: Warehouse, sql: str) -> None:
    with duckdb.connect(published.published.file, read_only=True) as connection:
        connection.execute(sql).fetchall()


def test_every_mart_and_raw_table_has_an_example(published: Warehouse) -> None:
    with published.published.open() as connection:
        found = connection.execute(
            "select schema_name, table_name from (select schema_name, table_name from duckdb_tables() "
            "union all select schema_name, view_name from duckdb_views() where not internal) "
            "where schema_name in ('statsig', 'statsig_raw') and not starts_with(table_name, '_dlt')"
        ).fetchall()
    marts = {table for schema, table in found if schema == "statsig"}
    raw = {table for schema, table in found if schema == "statsig_raw"} - {"sync_loads"}
    assert set(MARTS) == marts
    assert {table for table in raw if any(f"statsig_raw.{table}" in sql for sql in RAW_SQL)} == raw


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in cli.commands if not re.search(rf"`(statsig-runs )?{name}\b", README)] == []


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_and_option_says_what_it_is_for(name: str) -> None:
    command = cli.commands[name]
    assert command.help
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_list_of_commands_is_cut_nowhere_on_a_narrow_terminal() -> None:
    told = CliRunner().invoke(cli, ["--help"], terminal_width=80).output
    assert not re.search(r"\w\.\.\.$", told, re.MULTILINE)
    assert [name for name in cli.commands if f"  {name} " not in told] == []


def test_the_exit_codes_of_the_readme_are_those_of_the_help() -> None:
    told = set(re.findall(r"^\| (\d+) \|", README, re.MULTILINE))
    assert told == set(re.findall(r"^  (\d+)", EXIT_CODES, re.MULTILINE))
