"""What `docs/bi.md` says of dlt's own commands: they find the pipeline of a sync."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.support.workplace import COMMAND, KEY, Workplace

PAGE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")


def test_dlts_commands_as_documented_tell_of_the_pipeline_and_its_last_load(
    synced_yesterday: Workplace, tmp_path: Path
) -> None:
    (code,) = re.findall(r"^### dlt's commands.*?```sh\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    environment = {"PATH": f"{COMMAND.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["/bin/sh", "-ec", code],
        cwd=synced_yesterday.data.parent,
        env=environment | {"RUNTIME__DLTHUB_TELEMETRY": "false"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "dataset_name: statsig_raw" in done.stdout
    assert "rejected_runs with 1 table(s)" in done.stdout
    assert "Step load COMPLETED" in done.stdout
    assert KEY not in done.stdout + done.stderr
