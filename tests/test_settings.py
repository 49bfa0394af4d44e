"""Where settings come from, which wins, and what is said of unusable ones."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from statsig_runs.api.client import BASE_URL
from statsig_runs.errors import ConfigurationError
from statsig_runs.packaged import packaged
from statsig_runs.setting_places import packaged_defaults
from statsig_runs.settings import Checks, Settings, SourceChecks, load_settings


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting of this machine gets in."""
    for name in ("STATSIG_API_KEY", "SOURCES__STATSIG_RUNS__API_KEY", "API_KEY", "BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_any_file_the_packaged_defaults_hold() -> None:
    settings = load_settings()
    assert settings.base_url == "https://statsigapi.net"
    assert settings.rate_limits == "100/10,900/900"
    assert (settings.settle_days, settings.settle_hours) == (14, 24)
    assert settings.terminal_success_statuses == ("pulse_complete",)
    assert (settings.day_utc_offset_hours, settings.overdue_grace_hours, settings.completeness_days) == (-8, 2, 28)
    assert settings.api_key is None


@pytest.mark.parametrize("hours", ["-14", "14", "0", "5.75", "-3.5"])
def test_a_day_may_be_any_zones_in_quarters_of_an_hour(monkeypatch: pytest.MonkeyPatch, hours: str) -> None:
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__DAY_UTC_OFFSET_HOURS", hours)
    assert load_settings().day_utc_offset_hours == float(hours)


def test_the_plain_alias_serves_as_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATSIG_API_KEY", "console-alias")
    assert load_settings().require_api_key() == "console-alias"


def test_dlts_own_name_wins_over_the_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATSIG_API_KEY", "console-alias")
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__API_KEY", "console-dlt")
    assert load_settings().require_api_key() == "console-dlt"


def test_names_of_other_programs_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "console-of-somebody-else")
    monkeypatch.setenv("BASE_URL", "https://somewhere.else")
    settings = load_settings()
    assert settings.api_key is None
    assert settings.base_url == "https://statsigapi.net"


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__BASE_URL", "https://from.environment")
    assert load_settings().base_url == "https://from.environment"
    assert load_settings(base_url="https://from.option").base_url == "https://from.option"


@pytest.mark.parametrize("text", ['["done", "over"]', ' ["done", "over"] ', "done,over", "done , over", "done over"])
def test_a_list_may_be_written_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__TERMINAL_SUCCESS_STATUSES", text)
    assert load_settings().terminal_success_statuses == ("done", "over")


def test_a_name_in_a_list_with_commas_may_have_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__CHECKS__IGNORED_SOURCES", "Web events, Orders,")
    assert load_settings().checks.ignored_sources == ("Web events", "Orders")


def test_a_project_may_be_as_long_as_a_schema_of_postgresql_lets_it() -> None:
    assert load_settings(project="x" * 40).project == "x" * 40
    with pytest.raises(ConfigurationError, match="`project` can have 40 characters"):
        load_settings(project="x" * 41)


def test_the_folders_own_files_are_read(empty_folder: Path) -> None:
    """In a process of its own: dlt reads its files once."""
    (empty_folder / ".dlt").mkdir()
    (empty_folder / ".dlt" / "config.toml").write_text("[sources.statsig_runs]\nsettle_days = 21\nproject = 2024\n")
    (empty_folder / ".dlt" / "secrets.toml").write_text('[sources.statsig_runs]\napi_key = "console-from-file"\n')
    shown_settings = "print(s.settle_days, s.require_api_key(), repr(s.project))"
    code = f"from statsig_runs.settings import load_settings; s = load_settings(); {shown_settings}"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=empty_folder)
    assert shown.stdout == "21.0 console-from-file '2024'\n"


@pytest.mark.parametrize(("text", "meant"), [("true", True), ("False", False), ("0", False), ("1", True)])
def test_a_switch_may_be_written_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, *, meant: bool) -> None:
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__STATUS", text)
    assert load_settings().status is meant
    assert load_settings(status=False).status is False


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SETTLE_DAYS", "soon", "settle_days must be of type float, not 'soon'"),
        ("CHECKS__MAX_LATE_RUNS", "1.5", "checks.max_late_runs must be of type int, not '1.5'"),
        ("CHECKS__MAX_FINDINGS", "", "checks.max_findings must be of type int, not ''"),
        ("TERMINAL_SUCCESS_STATUSES", "[done", "terminal_success_statuses must be of type list"),
        ("SETTLE_HOURS", "-1", "cannot be negative"),
        ("SETTLE_DAYS", "nan", "cannot be longer than 36,500 days"),
        ("SETTLE_DAYS", "inf", "cannot be longer than 36,500 days"),
        ("DAY_UTC_OFFSET_HOURS", "-14.25", "from -14 to 14, in quarters, not -14.25: -8 for"),
        ("DAY_UTC_OFFSET_HOURS", "15", "from -14 to 14"),
        ("DAY_UTC_OFFSET_HOURS", "5.4", "in quarters"),
        ("DAY_UTC_OFFSET_HOURS", "nan", "from -14 to 14"),
        ("DAY_UTC_OFFSET_HOURS", "PST", "must be of type float"),
        ("OVERDUE_GRACE_HOURS", "-0.5", "overdue_grace_hours must be from 0"),
        ("OVERDUE_GRACE_HOURS", "nan", "overdue_grace_hours must be from 0"),
        ("STATUS", "perhaps", "status must be of type bool, not 'perhaps'"),
        ("STATUS", "2", "status must be of type bool"),
        ("COMPLETENESS_DAYS", "0", "completeness_days must be from 1"),
        ("VOLUME_DROP_RATIO", "1.5", "volume_drop_ratio must be from 0 to 1"),
        ("VOLUME_DROP_RATIO", "nan", "volume_drop_ratio must be from 0 to 1"),
        ("PROJECT", "a-b", "letters, digits and underscores"),
        ("PROJECT", "raw", "cannot be 'raw'"),
        ("PROJECT", "Staging_shop", "cannot be 'Staging_shop'"),
        ("PROJECT", "shop_staging", "cannot be 'shop_staging'"),
    ],
)
def test_an_unusable_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str) -> None:
    monkeypatch.setenv(f"SOURCES__STATSIG_RUNS__{name}", value)
    with pytest.raises(ConfigurationError, match=reason):
        load_settings()


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("config.toml", "[sources.statsig_runs", "config.toml .* at line 1"),
        ("secrets.toml", "[sources.statsig_runs]\napi_key = s3cret", "secrets.toml .* at line 2 col 10"),
        (
            "secrets.toml",
            '[sources.statsig_runs]\napi_key = ["s3cret"]',
            "sources.statsig_runs.api_key must be of type str",
        ),
        ("config.toml", "[sources.statsig_runs.base_url]\na = 1", "sources.statsig_runs.base_url must be of type str"),
        ("config.toml", "[sources.statsig_runs]\nsettle_days = true", "settle_days must be of type float, not True"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_place_in_it_and_without_its_secrets(
    empty_folder: Path, file: str, content: str, told: str
) -> None:
    (empty_folder / ".dlt").mkdir()
    (empty_folder / ".dlt" / file).write_text(content)
    code = "from statsig_runs.settings import load_settings; load_settings()"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=empty_folder)
    last = shown.stderr.splitlines()[-1]
    assert re.search(told, last)
    assert "s3cret" not in last


def test_secrets_are_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATSIG_API_KEY", "console-alias")
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_HOOK", "https://hooks.example/secret")
    settings = load_settings()
    assert isinstance(settings, Settings)
    assert settings.slack_incoming_hook == "https://hooks.example/secret"
    assert "alias" not in repr(settings)
    assert "hooks.example" not in repr(settings)


def test_telemetry_is_off_unless_the_user_turns_it_on(empty_folder: Path) -> None:
    code = (
        "from statsig_runs.settings import load_settings; load_settings()\n"
        "from dlt.common.configuration.container import Container\n"
        "from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext as C\n"
        "print(Container()[C].context.runtime_config.dlthub_telemetry)"
    )

    def run() -> str:
        command = [sys.executable, "-c", code]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RUNTIME__")}
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=empty_folder, env=clean)
        return done.stdout.strip()

    assert run() == "False"
    (empty_folder / ".dlt").mkdir()
    (empty_folder / ".dlt" / "config.toml").write_text("[runtime]\ndlthub_telemetry = true\n")
    assert run() == "True"


def test_a_source_may_have_thresholds_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().checks.sources == {}
    own = '{"Web \u202e events.1": {"max_overdue_dates": 2}, "Weekly": {"max_hours_since_success": "200"}}'
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__CHECKS__SOURCES", own)
    assert load_settings().checks.sources == {
        "Web \u202e events.1": SourceChecks(max_overdue_dates=2),
        "Weekly": SourceChecks(max_hours_since_success=200.0),
    }


def test_thresholds_of_a_source_stand_in_a_table_with_its_name(empty_folder: Path) -> None:
    (empty_folder / ".dlt").mkdir()
    tables = '[sources.statsig_runs.checks.sources."Web events"]\nmax_overdue_dates = 2\n'
    (empty_folder / ".dlt" / "config.toml").write_text(tables)
    code = "from statsig_runs.settings import load_settings; print(load_settings().checks.sources)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=empty_folder)
    assert done.stdout == (
        "{'Web events': SourceChecks(max_hours_since_success=None, max_overdue_dates=2, "
        "max_empty_dates=None, max_volume_drops=None)}\n"
    )


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (
            '{"Web": {"max_late_runs": 1}}',
            r'sources\."Web"\.max_late_runs does not exist: a source has max_',
        ),
        ('{"Web": 1}', "must have a table for each source"),
        ("[]", "must have a table for each source"),
        ("Web", "must have a table for each source"),
        ('{"Web": {"max_overdue_dates": "many"}}', "must be of type int, not 'many'"),
    ],
)
def test_thresholds_that_cannot_be_read_say_how_they_are_written(
    own: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__CHECKS__SOURCES", own)
    with pytest.raises(ConfigurationError, match=told):
        load_settings()


def test_every_setting_but_the_secrets_has_its_default_in_the_packaged_file() -> None:
    section = packaged_defaults()["sources"]["statsig_runs"]
    secrets = {"api_key", "slack_incoming_hook"}
    assert set(section) == {each.name for each in fields(Settings)} - secrets
    assert set(section["checks"]) == {each.name for each in fields(Checks)} - {"sources"}
    assert packaged("sql").joinpath("dbt_project.yml").is_file()


def test_the_client_and_the_models_have_the_same_defaults_when_they_are_used_alone() -> None:
    section = packaged_defaults()["sources"]["statsig_runs"]
    assert section["base_url"] == BASE_URL
    of_models = yaml.safe_load(packaged("sql").joinpath("dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    names = ("settle_hours", "terminal_success_statuses", "day_utc_offset_hours", "overdue_grace_hours")
    for name in (*names, "completeness_days", "volume_drop_ratio"):
        assert of_models["statsig_runs"][name] == section[name]
