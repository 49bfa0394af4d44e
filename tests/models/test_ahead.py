"""The project is read by another process while the API is, and a build after it is as if it had read it itself."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from statsig_runs.models import ahead, dbt_project
from statsig_runs.models.dbt_project import DbtProject, Secret
from statsig_runs.models.manifest import is_kept

PROFILE = {"type": "duckdb", "path": "runs.duckdb", "schema": "statsig", "threads": 1}
ECHO = "import json, sys; call = json.loads(sys.stdin.readline()); open(call['state'] + '/call', 'w').write(str(call))"
PARENT = f"""
import sys, time
from pathlib import Path
from statsig_runs.models import ahead
from statsig_runs.models.dbt_project import DbtProject
project = DbtProject(Path(sys.argv[1]), {PROFILE}, {{}})
with project.reading_ahead():
    print(*(process.pid for process in ahead._running.values()), flush=True)
    time.sleep(600)
"""
SECONDS = 60.0


@pytest.fixture(autouse=True)
def _nothing_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt_project, "_manifests", {})


def project_in(folder: Path, **profile: str) -> DbtProject:
    return DbtProject(folder, PROFILE | profile, {})


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_what_another_process_has_read_is_not_read_again(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    with project.reading_ahead():
        listed = project.invoke(["list", "--resource-type", "model", "--output", "name"])
    assert "fct_runs" in listed
    assert json.loads((tmp_path / "target/manifest.json").read_text())["nodes"]["model.statsig_runs.fct_runs"]
    assert is_kept(tmp_path, project.key)
    assert "perf_info.json" not in names_in(tmp_path / "target")  # dbt writes it where it reads a project
    assert "ahead" not in names_in(tmp_path)


def test_where_the_other_process_fails_the_project_is_read_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_PROGRAM", "raise SystemExit(1)")
    project = project_in(tmp_path)
    with project.reading_ahead():
        project.invoke(["parse"])
    assert is_kept(tmp_path, project.key)
    assert "perf_info.json" in names_in(tmp_path / "target")


def test_where_no_process_can_be_started_the_project_is_read_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    project = project_in(tmp_path)
    with project.reading_ahead():
        assert project.invoke(["parse"])
    assert is_kept(tmp_path, project.key)


def test_a_project_that_is_kept_needs_no_other_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project_in(tmp_path).invoke(["parse"])
    monkeypatch.setattr(dbt_project, "_manifests", {})
    with project_in(tmp_path).reading_ahead():
        assert ahead._running == {}
    with project_in(tmp_path, schema="another").reading_ahead():
        assert list(ahead._running) == [tmp_path]


def test_where_no_build_follows_nothing_is_left(tmp_path: Path) -> None:
    with project_in(tmp_path).reading_ahead():
        [process] = ahead._running.values()
    assert process.returncode == -signal.SIGKILL
    assert ahead._running == {}
    assert names_in(tmp_path) == set()


def test_what_a_killed_one_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "ahead/target").mkdir(parents=True)
    (tmp_path / "ahead/manifest").write_text("half")
    project = project_in(tmp_path)
    with project.reading_ahead():
        project.invoke(["list"])
    assert is_kept(tmp_path, project.key)
    assert "ahead" not in names_in(tmp_path)


def test_the_other_process_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_PROGRAM", ECHO)
    project = DbtProject(tmp_path, {**PROFILE, "motherduck_token": Secret("s3cret")}, {})
    with project.reading_ahead():
        [process] = ahead._running.values()
        assert process.wait(SECONDS) == 0
        seen = (tmp_path / "ahead/call").read_text()
    assert "s3cret" not in seen
    assert "'motherduck_token': 'DBT_ENV_SECRET_STATSIG_RUNS_MOTHERDUCK_TOKEN'" in seen


def test_the_other_process_ends_when_this_one_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    other = os.pidfd_open(int(parent.stdout.readline()))
    assert not has_ended(other, within=0)
    parent.kill()
    parent.wait()
    assert has_ended(other, within=SECONDS)
    os.close(other)


def has_ended(process: int, *, within: float) -> bool:
    """Whether the process of this descriptor ends within so many seconds."""
    return bool(select.select([process], [], [], within)[0])
