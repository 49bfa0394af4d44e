"""The project is read before the build in a thread, and the build goes on from there."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from statsig_runs.models import ReadAhead, dbt_project
from statsig_runs.models.dbt_project import DbtProject

PROFILE = {"type": "duckdb", "path": "no such folder/runs.duckdb", "schema": "statsig", "threads": 1}


def test_a_build_goes_on_with_what_a_thread_has_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt_project, "_manifests", {})
    project = DbtProject(tmp_path, PROFILE, {})
    ahead = ReadAhead(project.read)
    ahead.begin()
    ahead.finish()
    [read] = dbt_project._manifests.values()
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "target").iterdir()}
    assert "fct_runs" in project.invoke(["list", "--resource-type", "model", "--output", "name"])
    assert list(dbt_project._manifests.values()) == [read]
    assert {file: file.stat().st_mtime_ns for file in files} == files


def test_what_fails_in_the_thread_is_left_to_the_build_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    ahead = ReadAhead(lambda: 1 // 0)
    with caplog.at_level(logging.DEBUG):
        ahead.begin()
        ahead.finish()
    [told] = caplog.records
    assert (told.levelname, told.message) == ("DEBUG", "the project was not read ahead")


def test_a_thread_is_started_once_and_waited_for() -> None:
    told: list[str] = []
    may_end = threading.Event()

    def read() -> None:
        may_end.wait()
        told.append("read")

    ahead = ReadAhead(read)
    ahead.finish()  # nothing has begun
    assert ahead.waited == 0
    ahead.begin()
    ahead.begin()
    assert told == []
    may_end.set()
    ahead.finish()
    ahead.finish()
    assert told == ["read"]
    assert ahead.waited > 0


def test_where_nothing_is_to_be_read_no_thread_is_started() -> None:
    ahead = ReadAhead(None)
    ahead.begin()
    assert ahead._thread is None
    ahead.finish()
