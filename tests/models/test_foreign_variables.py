"""dbt does what this program says, whatever dbt's own variables, files and folders say.

Every variable that dbt reads is collected from the code of the dbt that is installed.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import click
import duckdb
import pytest

from statsig_runs.models.dbt_project import DbtProject
from statsig_runs.packaged import packaged
from statsig_runs.warehouse import Warehouse
from tests.support.published_runs import run_command
from tests.support.workplace import contents

NO_SETTINGS = {
    "TERM": "decides on colours under Windows",
    "DO_NOT_TRACK": "turns off what is off here",
    "PYTEST_CURRENT_TEST": "keeps the same numbers of a process in dbt's own tests",
    "AWS_ACCESS_KEY_ID": "of a plugin for Excel files, which is not asked for",
    "AWS_SECRET_ACCESS_KEY": "the same",
    "AWS_DEFAULT_REGION": "the same",
}
"""What dbt reads beside its own names."""

DANGEROUS = {
    "DBT_EMPTY": "true",
    "DBT_RESOURCE_TYPES": "test",
    "DBT_EXCLUDE_RESOURCE_TYPES": "model",
    "DBT_SAMPLE": "1 day",
    "DBT_EVENT_TIME_START": "2020-01-01",
    "DBT_EVENT_TIME_END": "2020-01-02",
    "DBT_STORE_FAILURES": "true",
    "DBT_WARN_ERROR_OPTIONS": '{"error": "all"}',
    "DBT_ENGINE_SQLPARSE": '{"MAX_GROUPING_DEPTH": 1, "MAX_GROUPING_TOKENS": 1}',
    "DBT_ENGINE_NOBODY_KNOWS": "1",
    "DBT_ENV_CUSTOM_ENV_TEAM": "data",
    "DBT_ENV_SECRET_WORD": "select",
    "DBT_RECORDER_MODE": "replay",
    "DBT_RECORDER_FILE_PATH": "recording.json",
    "DBT_PP_TEST": "true",
    "DBT_PP_FILE_DIFF_TEST": "true",
    "DBT_HTTP_TIMEOUT": "soon",
}
"""Values that change what is built, or stop it, where a value by the option's type would not."""


def parameters(command: click.Command) -> Iterator[click.Parameter]:
    """Those of dbt's options that have a variable, of the command and of all below it."""
    yield from (parameter for parameter in command.params if parameter.envvar)
    if isinstance(command, click.Group):
        for part in command.commands.values():
            yield from parameters(part)


def another_value(parameter: click.Parameter) -> str:
    """A value that dbt accepts for this option and that is not its default."""
    match parameter.type:
        case click.types.BoolParamType():
            return "false" if parameter.default is True else "true"
        case click.Choice(choices=choices):
            return str(next(each for each in reversed(choices) if each != parameter.default))
        case click.types.IntParamType():
            return "17"
        case click.DateTime():
            return "2020-01-01"
        case click.Path():
            return "/"
    return "{}"


def of_options() -> dict[str, str]:
    """The variables of dbt's options, under their new names and their old ones."""
    from dbt.cli.main import cli

    found: dict[str, str] = {}
    for parameter in parameters(cli):
        names = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ()
        found |= dict.fromkeys(names, another_value(parameter))
    return found


def of_code() -> set[str]:
    """The names that stand in dbt's code, and its adapters', where it looks into the environment."""
    found = set()
    for distribution in distributions():
        if not distribution.name.startswith("dbt-"):
            continue
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if path.suffix == ".py" and "tests" not in path.parts:
                found |= set(looked_up(path.read_text(encoding="utf-8")))
    return found


def looked_up(code: str) -> Iterator[str]:
    if "environ" not in code and "getenv" not in code:
        return
    tree = ast.parse(code)
    constants = {
        node.targets[0].id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function, args=[name, *_]) if re.search(r"getenv$|environ\.\w+$", ast.unparse(function)):
                pass
            case ast.Subscript(value=mapping, slice=name) if ast.unparse(mapping).endswith("environ"):
                pass
            case ast.Compare(left=name, comparators=[mapping]) if ast.unparse(mapping).endswith("environ"):
                pass
            case _:
                continue
        found = name.value if isinstance(name, ast.Constant) else constants.get(ast.unparse(name))
        if isinstance(found, str):
            yield found


def all_variables() -> dict[str, str]:
    """Every variable with a value that would change something."""
    options = of_options()  # imports dbt's command first: it and the names below import each other
    from dbt.env_vars import KNOWN_ENGINE_ENV_VARS

    names = of_code() | {name for each in KNOWN_ENGINE_ENV_VARS for name in (each.name, each.old_name) if name}
    found = dict.fromkeys(names - NO_SETTINGS.keys(), "1") | options
    for name, value in DANGEROUS.items():
        found |= {name: value, re.sub(r"^DBT_(?!EN)", "DBT_ENGINE_", name): value}
    return found


def test_all_that_dbt_takes_settings_from_begins_with_its_name() -> None:
    variables = all_variables()
    assert {
        "DBT_EMPTY",
        "DBT_ENGINE_EMPTY",
        "DBT_TARGET",
        "DBT_MACRO_DEBUGGING",
        "DBT_RECORDER_MODE",
    } <= variables.keys()
    assert {"DBT_INVOCATION_ENV", "DBT_SPARK_LOG_LEVEL"} <= of_code()
    assert len(variables) > 120
    assert [name for name in variables if not name.startswith("DBT_")] == []


def test_the_project_itself_asks_for_no_variable() -> None:
    asked = [file for file in packaged("sql").rglob("*.*") if "env_var" in file.read_text(encoding="utf-8")]
    assert asked == []


def resolved(project: DbtProject, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What dbt makes of our arguments and of all else that it looks at."""
    from dbt.cli import main

    found: dict[str, Any] = {}

    def keep(runner: main.dbtRunner, arguments: list[str]) -> Any:
        from dbt.cli.flags import Flags, args_to_context

        flags = dict(vars(Flags(args_to_context(arguments))))
        del flags["deprecated_env_var_warnings"], flags["INVOCATION_COMMAND"], flags["invocation_command"]
        found.update(flags, environment={name for name in os.environ if name.startswith("DBT_")})
        return main.dbtRunnerResult(success=True, result=runner.manifest)

    with monkeypatch.context() as patched:
        patched.setattr(main.dbtRunner, "invoke", keep)
        project.invoke(["build", "--exclude-resource-type", "unit_test"])
    return found


def test_no_variable_changes_a_flag_alone_or_with_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = DbtProject(
        tmp_path, {"type": "duckdb", "path": str(tmp_path / "statsig_runs.duckdb"), "schema": "statsig"}, {}
    )
    expected = resolved(project, monkeypatch)
    assert (expected["EMPTY"], expected["RESOURCE_TYPES"], expected["TARGET"]) == (False, (), "main")
    variables = all_variables()
    before = dict(os.environ)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
        assert resolved(project, monkeypatch) == expected, name
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert resolved(project, monkeypatch) == expected
    assert dict(os.environ) == before | variables


def test_a_build_beside_all_of_dbts_variables_and_files_is_the_same_build(published: Warehouse, tmp_path: Path) -> None:
    """As a process of its own: some variables are read when dbt is imported."""
    database = tmp_path / "data" / "statsig_runs.duckdb"
    database.parent.mkdir()
    shutil.copy(published.database, database)
    with duckdb.connect(str(database)) as connection:
        connection.execute("drop schema statsig cascade")
    other = "name: other\nprofile: other\nflags: {fail_fast: true, warn_error: true, empty: true}\n"
    profiles = "config: {warn_error: true}\nother: {target: o, outputs: {o: {type: duckdb, path: other.duckdb}}}\n"
    for folder in (tmp_path, tmp_path / ".dbt", tmp_path / "data"):
        folder.mkdir(exist_ok=True)
        (folder / "dbt_project.yml").write_text(other)
        (folder / "profiles.yml").write_text(profiles)
        (folder / "packages.yml").write_text("packages: [{local: elsewhere}]")
        (folder / "selectors.yml").write_text("selectors: [{name: s, default: true, definition: none}]")
        (folder / "catalogs.yml").write_text("catalogs: [{name: c}]")
        (folder / ".env").write_text("DBT_EMPTY=true\n")
        (folder / ".user.yml").write_text("{")
        (folder / "dbt_cloud.yml").write_text("{")
    done = run_command(tmp_path, "transform", "--full-refresh", **all_variables())
    assert done.code == 0, done.err
    assert re.fullmatch(r"[^\n]*Built \d+ models, \d+ tests passed[^\n]*\n([^\n]*[Pp]ublished[^\n]*\n)?", done.err)
    moments = r"hours_since_success"
    assert contents(database, without=moments) == contents(published.database, without=moments)
    assert not (tmp_path / "other.duckdb").exists()
