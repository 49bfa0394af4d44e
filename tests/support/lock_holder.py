"""Another process that holds the right to write to a warehouse, as a machine elsewhere would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from statsig_runs.schemas import Schemas
from statsig_runs.warehouse import open_warehouse
from tests.support.workplace import COMMAND

_HOLD = """
import sys
from pathlib import Path
from statsig_runs.schemas import Schemas
from statsig_runs.warehouse import open_warehouse
with open_warehouse(Path(sys.argv[1]), Schemas.of_project(sys.argv[2]), sys.argv[3]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path, project: str, destination: str) -> Iterator[None]:
    """Hold it from a state folder of its own while the block runs; then die without a word."""
    call = [sys.executable, "-c", _HOLD, str(folder / "elsewhere" / "statsig_runs.duckdb"), project, destination]
    holder = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.kill()
        holder.communicate()


def second_machine(folder: Path, destination: str) -> subprocess.CompletedProcess[str]:
    """What `transform` of the project `locked` ends with while another machine works on it; another project is free."""
    call = [str(COMMAND), "transform", "--destination", destination, "--database", str(folder / "two.duckdb")]
    environment = {**os.environ, "SOURCES__STATSIG_RUNS__PROJECT": "locked"}
    with held_elsewhere(folder, "locked", destination):
        second = subprocess.run(call, check=False, capture_output=True, text=True, cwd=folder, env=environment)
        unlocked = open_warehouse(folder / "two" / "statsig_runs.duckdb", Schemas.of_project("unlocked"), destination)
        with unlocked.locked():
            pass
    return second
