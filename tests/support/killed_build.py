"""A sync that is killed while it builds: the news are loaded, some marts are built, and the process is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from statsig_runs.job.refresh import build
from statsig_runs.models import dbt_project
from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.settings import load_settings
from statsig_runs.warehouse import Warehouse, open_warehouse
from tests.support.two_syncs import EARLIER, FEW, NOW, Table, load_record, outcomes_as_of, sync


def load_and_die(warehouse: Warehouse, after: str, runs: int) -> None:
    """Load the second of the two syncs, and be killed once the build has written the mart `after`."""
    of = (str(warehouse.database), warehouse.schemas.suffix.removeprefix("_"), warehouse.destination.name)
    call = [sys.executable, "-m", __name__, *of, after, str(runs)]
    died = subprocess.run(call, check=False, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr


def be_killed_between_syncs(warehouse: Warehouse, read: Callable[[str], Table]) -> set[datetime]:
    """Sync, be killed in the build of the next sync, and sync again, with `FEW` runs.

    Returns:
        As of which moments `fct_runs` was after the kill, as a reader saw it.
    """
    sync(warehouse, [EARLIER], runs=FEW)
    load_and_die(warehouse, after="fct_runs", runs=FEW)
    columns, rows = read("fct_runs")
    sync(warehouse, [NOW], runs=FEW)
    return {row[columns.index("fetched_at")] for row in rows}


def _main(database: str, project: str, destination: str, after: str, runs: str) -> None:
    def die(event: Any) -> None:
        if event.info.name == "NodeFinished" and event.data.node_info.node_name == after:
            os.kill(os.getpid(), signal.SIGKILL)

    dbt_project._log_event = die
    warehouse = open_warehouse(Path(database), Schemas.of_project(project), destination)
    with warehouse.writing() as loader:
        loader.load(outcomes_as_of(NOW, int(runs), 1), Progress(as_of=NOW))
        loader.record(load_record(NOW, 1))
        build(warehouse, load_settings())


if __name__ == "__main__":
    _main(*sys.argv[1:])
