"""The programs in `examples/` run as they stand, as processes of their own. The dbt project there: `models/`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import generate_runs
from statsig_runs.warehouse import Warehouse
from tests.support.workplace import KEY
from tests.support.written_runs import at

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(example: str, folder: Path, *arguments: str, **environment: str) -> list[str]:
    """Its lines of output."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_source_loads_into_a_pipeline_of_ones_own(tmp_path: Path) -> None:
    runs = generate_runs(30, until=at("2024-03-18T09:00:00"))
    with Simulator(runs, api_key=KEY) as api:
        address = {"STATSIG_API_KEY": KEY, "SOURCES__STATSIG_RUNS__BASE_URL": api.url}
        of_dlt = {"DLT_DATA_DIR": str(tmp_path / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
        told = run("own_pipeline.py", tmp_path, **address, **of_dlt)
        assert [entry.path.partition("?")[2] for entry in api.log] == ["page=1", "page=2", "page=3"]
    events = sum(len(each["runHistory"]) for each in runs)
    assert told == [f"30 runs with {events} status events are in ours.duckdb."]
    with duckdb.connect(str(tmp_path / "ours.duckdb"), read_only=True) as connection:
        tables = connection.execute("select table_name from duckdb_tables() where schema_name = 'statsig'").fetchall()
    assert {name for (name,) in tables if not name.startswith("_dlt")} == {"ingestion_runs", "run_status_events"}


def test_a_notebook_reads_the_published_copy(published: Warehouse, tmp_path: Path) -> None:
    told = run("notebook.py", tmp_path, str(published.published.file))
    assert told[1].startswith("stage")
    assert [line.split() for line in told if line.startswith("Events 2")] == [["Events", "2", "2", "1", "0"]]
    assert told[-1] == "As of 2024-03-15 09:00:00+00:00"
