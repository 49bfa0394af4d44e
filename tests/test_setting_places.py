"""A setting is found where dlt finds it, and a command that only reads does not wait for dlt to be imported."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.providers import environ as dlts_environment
from dlt.common.runtime import run_context

from statsig_runs import setting_places
from statsig_runs.dlt_context import own_names_only
from statsig_runs.errors import ConfigurationError
from statsig_runs.setting_places import read_places
from statsig_runs.settings import Settings, SourceChecks, load_settings
from statsig_runs.settings_explained import tell_settings

NOT_ROOT = 1000
MOUNTED_KEY = "sources--statsig-runs--api-key"
"""As dlt names the file."""


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user's folder beside the working folder; no setting of this machine gets in."""
    for name in [
        name for name in os.environ if name.startswith(("STATSIG_", "SOURCES__", "RUNTIME__", "DLT_", "XDG_"))
    ]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "shared"))  # a home in it would be anybody's
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(os, "geteuid", lambda: NOT_ROOT)
    monkeypatch.chdir(tmp_path / "work")
    return folder


def write(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")


def load() -> Settings:
    """The settings as a command finds them; dlt finds the same."""
    with own_names_only():
        by_dlt = load_settings()
    found = load_settings(read_places().look_up)
    assert replace(by_dlt, checks=found.checks) == found
    assert by_dlt.checks == found.checks
    return found


def test_the_folders_file_counts_before_the_users_name_by_name(home: Path) -> None:
    write(
        home / ".dlt/config.toml",
        '[sources.statsig_runs]\nsettle_days = 3\nproject = "users"\n'
        "[sources.statsig_runs.checks.sources.Events]\nmax_overdue_dates = 1\nmax_empty_dates = 1\n"
        "[sources.statsig_runs.checks.sources.Users]\nmax_overdue_dates = 9\n",
    )
    write(
        Path(".dlt/config.toml"),
        '[sources.statsig_runs]\nproject = "folders"\n'
        "[sources.statsig_runs.checks.sources.Events]\nmax_overdue_dates = 2\n",
    )
    found = load()
    assert (found.settle_days, found.project) == (3, "folders")
    assert found.checks.sources == {
        "Events": SourceChecks(max_overdue_dates=2, max_empty_dates=1),
        "Users": SourceChecks(max_overdue_dates=9),
    }


def test_any_setting_may_stand_in_secrets_but_a_secret_nowhere_else(home: Path) -> None:
    write(home / ".dlt/secrets.toml", '[sources.statsig_runs]\napi_key = "console-users"\nsettle_days = 4\n')
    write(Path(".dlt/config.toml"), '[sources.statsig_runs]\napi_key = "console-misplaced"\nsettle_days = 5\n')
    found = load()
    assert (found.api_key, found.settle_days) == ("console-users", 4)


def test_the_environment_counts_before_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path(".dlt/secrets.toml"), '[sources.statsig_runs]\napi_key = "console-file"\nproject = "file"\n')
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__API_KEY", "console-variable")
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__PROJECT", "")
    found = load()
    assert (found.api_key, found.project) == ("console-variable", "")


@pytest.mark.parametrize("place", [MOUNTED_KEY, f"{MOUNTED_KEY}/{MOUNTED_KEY}"])
def test_a_secret_may_be_a_file_that_a_container_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    write(tmp_path / "secrets" / place, "console-mounted")
    monkeypatch.setattr(setting_places, "MOUNTED", str(tmp_path / "secrets"))
    monkeypatch.setattr(dlts_environment, "SECRET_STORAGE_PATH", f"{tmp_path}/secrets/%s")
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__API_KEY", "console-variable")  # dlt writes what it found here
    assert load().api_key == "console-mounted"
    told = {each.name: each for each in tell_settings(load(), read_places())}["sources.statsig_runs.api_key"]
    assert (told.value, told.origin) == ("***", str(tmp_path / "secrets" / place))


def test_a_folder_that_only_others_may_look_into_holds_no_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path
) -> None:
    closed = (home / ".dlt", tmp_path / "secrets")

    def refuse(path: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(path, str | Path) and any(Path(path).is_relative_to(folder) for folder in closed):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, *arguments, **named)

    look = os.stat
    for folder in closed:
        folder.mkdir()
    monkeypatch.setattr(setting_places, "MOUNTED", str(tmp_path / "secrets"))
    monkeypatch.setattr(dlts_environment, "SECRET_STORAGE_PATH", f"{tmp_path}/secrets/%s")
    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__API_KEY", "console-variable")
    assert load().api_key == "console-variable"


def test_a_project_may_have_another_folder_and_another_name_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path
) -> None:
    write(tmp_path / "project/settings/config.toml", '[sources.statsig_runs]\nproject = "elsewhere"\n')
    write(home / "settings/config.toml", "[sources.statsig_runs]\nsettle_days = 6\n")
    write(Path(".dlt/config.toml"), '[sources.statsig_runs]\nproject = "here"\n')
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path / "project"))
    monkeypatch.setenv("DLT_CONFIG_FOLDER", "settings")
    monkeypatch.setattr(run_context, "DOT_DLT", "settings")  # dlt reads the variable while it is imported
    found = load()
    assert (found.project, found.settle_days) == ("elsewhere", 6)


def test_a_user_without_dlts_folder_may_have_it_among_other_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path
) -> None:
    write(tmp_path / "data/dlt/config.toml", "[sources.statsig_runs]\nsettle_days = 7\n")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert load().settle_days == 7
    write(home / ".dlt/config.toml", "[sources.statsig_runs]\nsettle_days = 8\n")
    with pytest.warns(UserWarning, match="XDG_DATA_HOME"):  # dlt's
        assert load().settle_days == 8


def test_a_user_without_a_home_has_the_folders_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", os.devnull)
    write(Path(".dlt/config.toml"), "[sources.statsig_runs]\nsettle_days = 9\n")
    assert load().settle_days == 9


def test_root_has_the_files_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    write(Path(".dlt/config.toml"), "[sources.statsig_runs]\nsettle_days = 10\n")
    assert load().settle_days == 10
    assert run_context.global_dir() == "/var/dlt"
    assert setting_places._folders() == [Path(".dlt"), Path("/var/dlt")]


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("config.toml", b"[sources.statsig_runs", r"\.dlt/config.toml: .* \(at end of document\)$"),
        (
            "secrets.toml",
            b"[sources.statsig_runs]\napi_key = s3cret",
            r"\.dlt/secrets.toml: .* \(at line 2, column 11\)",
        ),
        ("secrets.toml", b'[runtime]\nslack_incoming_hook = "\xff"', r"\.dlt/secrets.toml: .*can't decode byte"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_place_in_it_and_without_its_secrets(
    file: str, content: bytes, told: str
) -> None:
    Path(".dlt").mkdir()
    Path(".dlt", file).write_bytes(content)
    with pytest.raises(ConfigurationError, match=told) as failure:
        read_places()
    assert "s3cret" not in str(failure.value)


def test_a_reader_does_not_wait_for_dlt_nor_for_dbt(folder: Path) -> None:
    code = (
        "import sys; from statsig_runs.cli import cli\n"
        "for words in (['status'], ['check'], ['query', 'from fct_runs']):\n"
        "    try: cli(words, standalone_mode=False)\n"
        "    except Exception as error: print(type(error).__name__)\n"
        "print('modules', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {
        "duckdb",
        "statsig_runs.readers.status",
        "statsig_runs.readers.check",
        "statsig_runs.readers.query",
    } <= loaded
    assert loaded & {"dlt", "dbt", "pandas", "requests", "sqlglot"} == set()
