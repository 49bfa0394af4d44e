"""A sync that is killed while it builds: the news are loaded, some marts are built, and the process is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

_LOAD_AND_DIE = """
import os, signal, sys
from pathlib import Path
from statsig_runs.job.refresh import build
from statsig_runs.models import dbt_project
from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.settings import load_settings
from statsig_runs.warehouse import open_warehouse
from tests.support.two_syncs import NOW, load_record, outcomes_as_of

def die(event):
    if event.info.name == "NodeFinished" and event.data.node_info.node_name == sys.argv[4]:
        os.kill(os.getpid(), signal.SIGKILL)

dbt_project._log_event = die
warehouse = open_warehouse(Path(sys.argv[1]), Schemas.of_project(sys.argv[2]), sys.argv[3])
with warehouse.writing() as loader:
    loader.load(outcomes_as_of(NOW, 120, 1), Progress(as_of=NOW))
    loader.record(load_record(NOW, 1))
    build(warehouse, load_settings())
"""


def load_and_die(database: Path, project: str, destination: str, after: str) -> None:
    """Load the second of the two syncs, and be killed once the build has written the mart `after`."""
    call = [sys.executable, "-c", _LOAD_AND_DIE, str(database), project, destination, after]
    died = subprocess.run(call, check=False, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
