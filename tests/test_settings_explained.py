"""Every setting is told with its value, its origin and its meaning; a name that no setting has is told as that."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from statsig_runs.setting_places import read_places
from statsig_runs.settings import SETTINGS, load_settings
from statsig_runs.settings_explained import find_unread, tell_settings


@pytest.fixture(autouse=True)
def _none_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("STATSIG_", "SOURCES__", "RUNTIME__"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_every_setting_has_a_meaning_and_comes_from_the_defaults_where_nobody_has_set_it() -> None:
    told = {each.name: each for each in tell_settings(load_settings(), read_places())}
    assert told.keys() == SETTINGS
    assert all(re.fullmatch(r"[^#\n]{5,120}", each.meaning) for each in told.values())
    without = {name for name, each in told.items() if each.origin == "not set"}
    assert without == {
        "sources.statsig_runs.api_key",
        "sources.statsig_runs.checks.sources",
        "runtime.slack_incoming_hook",
    }
    assert {each.value for name, each in told.items() if name in without} == {None}
    assert {each.origin for name, each in told.items() if name not in without} == {"default"}


def test_a_value_of_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__STATSIG_RUNS__CHECKS__MAX_FINDINGS", "7")
    monkeypatch.setenv("STATSIG_API_KEY", "console-s3cret")
    told = {each.name: each for each in tell_settings(load_settings(), read_places())}
    findings, key = told["sources.statsig_runs.checks.max_findings"], told["sources.statsig_runs.api_key"]
    assert (findings.value, findings.origin) == (7, "environment SOURCES__STATSIG_RUNS__CHECKS__MAX_FINDINGS")
    assert (key.value, key.origin) == ("***", "environment STATSIG_API_KEY")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SOURCES__STATSIG_RUNS__SETTLE_DAYZ", "SOURCES__STATSIG_RUNS__SETTLE_DAYS"),
        ("SOURCES__STATSIG_RUNS__MAX_FINDINGS", "SOURCES__STATSIG_RUNS__CHECKS__MAX_FINDINGS"),
        ("sources__statsig_runs__project", "SOURCES__STATSIG_RUNS__PROJECT"),
    ],
)
def test_a_variable_that_no_setting_has_is_told_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    assert list(find_unread(read_places())) == []
    monkeypatch.setenv(variable, "3")
    [told] = find_unread(read_places())
    assert told.startswith(f"The environment variable {variable} is not read. Did you mean '{meant}'")


def test_variables_of_other_programs_are_nobodys_misspelling(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOURCES__OTHER__SETTLE_DAYZ", "STATSIG_SETTLE_DAYZ", "SOURCES__STATSIG_RUNS", "SETTLE_DAYZ"):
        monkeypatch.setenv(name, "3")
    assert list(find_unread(read_places())) == []
