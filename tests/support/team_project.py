"""The dbt project of `examples/` as a team has it, beside a database with raw tables."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from statsig_runs.packaged import packaged
from tests.support import warehouse_of_runs as warehouse

EXAMPLE = Path(__file__).parents[2] / "examples" / "dbt_project"


def write_project(folder: Path, runs: Iterable[tuple[dict, datetime]]) -> Path:
    """The example as it stands, over these runs."""
    project = folder / "examples" / "dbt_project"
    shutil.copytree(EXAMPLE, project)
    (folder / "sql").symlink_to(packaged("sql"))
    warehouse.load(project / "lake.duckdb", runs)
    return project


def run(project: Path, *command: str) -> None:
    """Run one dbt command on it; no handle on a database stays open."""
    quiet = ("--log-level", "none", "--no-send-anonymous-usage-stats", "--no-version-check")
    places = ("--project-dir", str(project), "--profiles-dir", str(project))
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in databases(project).items():
            monkeypatch.setenv(name, value)
        try:
            outcome: Any = dbtRunner().invoke([*quiet, *command, *places])
        finally:
            DuckDBConnectionManager.close_all_connections()
    assert outcome.success, outcome.exception or [r.message for r in outcome.result if r.status != "success"]


def databases(project: Path) -> dict[str, str]:
    """The variables that its profile reads."""
    return {
        "TEAM_DATABASE": str(project / "house.duckdb"),
        "STATSIG_RUNS_DATABASE": str(project / "lake.duckdb"),
    }
