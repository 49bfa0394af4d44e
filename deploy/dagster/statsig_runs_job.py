"""Statsig ingestion runs, synced every hour by Dagster: try it with `dagster dev -f statsig_runs_job.py`.

It calls the installed command rather than importing the package: dlt and dbt keep their own pinned versions in a
virtual environment of their own, a crash stays in its process, and the exit codes are documented. Who wants assets
instead of a job wraps `statsig_runs.source.statsig_ingestion` with dagster-dlt and the dbt project with dagster-dbt.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from dagster import (
    Definitions,
    Failure,
    In,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    RetryRequested,
    ScheduleDefinition,
    job,
    op,
)

COMMAND = "/opt/statsig-runs/bin/statsig-runs"
FOLDER = "/var/lib/statsig-runs"
"""data/ is created here, and .dlt/secrets.toml with the key is read from here; STATSIG_API_KEY works as well."""

UNUSABLE_RUNS, API_UNREACHABLE, ALREADY_RUNNING = 4, 6, 75


def call(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command: its exit code, and what it printed as JSON. Its log, on stderr, is in the step's own."""
    done = subprocess.run([COMMAND, *arguments, "--json"], cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


@op(out=Out(Nothing, is_required=False))
def sync(context: OpExecutionContext) -> Iterator[Output[None]]:
    """Fetch, load, model and publish; what follows is skipped when another sync is running."""
    code, summary = call("sync", "--log-format", "json")
    context.log.info("%s", summary)
    if code == ALREADY_RUNNING:
        return
    if code == API_UNREACHABLE:
        raise RetryRequested(max_retries=2, seconds_to_wait=600)
    if code == UNUSABLE_RUNS:
        context.log.warning("Some runs were rejected, missing or unreadable: see rejected_runs and missing_runs.")
    elif code:
        raise Failure(f"sync ended with exit code {code}: see stderr", allow_retries=False)
    yield Output(None, metadata={name: value for name, value in summary.items() if value is not None})


@op(ins={"synced": In(Nothing)})
def check(context: OpExecutionContext) -> None:
    """Compare what is published with the thresholds of the settings."""
    code, results = call("check")
    if code:
        raise Failure(f"check ended with exit code {code}", metadata={"checks": results})
    context.log.info("%s", results)


@job
def statsig_runs() -> None:
    """Sync, then check."""
    check(sync())


defs = Definitions(jobs=[statsig_runs], schedules=[ScheduleDefinition(job=statsig_runs, cron_schedule="17 * * * *")])
