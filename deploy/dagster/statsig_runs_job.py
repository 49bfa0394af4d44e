"""Statsig ingestion runs, synced every hour by Dagster: try it with `dagster dev -f statsig_runs_job.py`.

It calls the installed command rather than importing the package: dlt and dbt keep their own pinned versions in a
virtual environment of their own, a crash stays in its process, and the exit codes are documented. Who wants assets
instead of a job wraps `statsig_runs.source.statsig_ingestion` with dagster-dlt and the dbt project with dagster-dbt.
"""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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
    RunRequest,
    ScheduleDefinition,
    SkipReason,
    job,
    op,
    sensor,
)

COMMAND = "/opt/statsig-runs/bin/statsig-runs"
FOLDER = "/var/lib/statsig-runs"
"""data/ is created here, and .dlt/secrets.toml with the key is read from here; STATSIG_API_KEY works as well."""

UNUSABLE_RUNS, NOT_IN, API_UNREACHABLE, ALREADY_RUNNING = 4, 5, 6, 75


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


@op
def refresh_dashboard(context: OpExecutionContext) -> None:
    """Whatever of yours needs yesterday's Web events."""
    context.log.info("your own step")


@job
def after_web_events() -> None:
    """What the sensor starts."""
    refresh_dashboard()


@sensor(job=after_web_events, minimum_interval_seconds=300)
def web_events_landed() -> RunRequest | SkipReason:
    """Start once a day, when the newest date that has ended is in; Statsig's day ends at 08:00 UTC, all year."""
    day = str((datetime.now(UTC) - timedelta(hours=8)).date() - timedelta(days=1))
    code, found = call("wait-for", "--source", "Web events", "--date", day, "--no-sync", "--timeout", "0s")
    if code == NOT_IN:
        return SkipReason(f"{day} is not in yet")
    if code:
        raise Failure(f"wait-for ended with exit code {code}: see stderr")
    return RunRequest(run_key=day, tags={"landed_at": str(found.get("landed_at"))})


defs = Definitions(
    jobs=[statsig_runs, after_web_events],
    schedules=[ScheduleDefinition(job=statsig_runs, cron_schedule="17 * * * *")],
    sensors=[web_events_landed],
)
