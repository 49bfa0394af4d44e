"""Statsig ingestion runs as Dagster assets, synced every hour: try it with `dagster dev -f statsig_runs_assets.py`.

It calls the installed command rather than importing the package: dlt and dbt keep their own pinned versions in a
virtual environment of their own, a crash stays in its process, and the exit codes are documented. An asset of yours
that needs the marts names `statsig_marts` among its `deps`.
"""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetSpec,
    Definitions,
    Failure,
    MaterializeResult,
    RetryRequested,
    RunRequest,
    ScheduleDefinition,
    SkipReason,
    asset,
    define_asset_job,
    multi_asset,
    multi_asset_check,
    sensor,
)

COMMAND = "/opt/statsig-runs/bin/statsig-runs"
FOLDER = "/var/lib/statsig-runs"
"""data/ is created here, and .dlt/secrets.toml with the key is read from here; STATSIG_API_KEY works as well."""

UNUSABLE_RUNS, MISSED, NOT_IN, API_UNREACHABLE, ALREADY_RUNNING = 4, 5, 5, 6, 75

CHECKS = (
    *("hours_since_load", "hours_since_success", "overdue_dates", "empty_dates", "volume_drops"),
    *("final_error_rate", "late_runs", "findings"),
)
"""What the command `check` compares with the thresholds of the settings, some of it for each source."""


def call(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command: its exit code, and what it printed as JSON. Its log, on stderr, is in the step's own."""
    done = subprocess.run([COMMAND, *arguments, "--json"], cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


@multi_asset(
    specs=[
        AssetSpec(
            "statsig_raw", description="Ingestion runs and status messages as the API sends them", skippable=True
        ),
        AssetSpec("statsig_marts", deps=["statsig_raw"], description="What analysts and BI tools read", skippable=True),
        AssetSpec(
            "statsig_page", deps=["statsig_marts"], description="The marts as one page for people", skippable=True
        ),
    ],
    group_name="statsig",
)
def statsig_runs(context: AssetExecutionContext) -> Iterator[MaterializeResult]:
    """Fetch, load, model and publish; nothing is materialized when another sync is running."""
    code, summary = call("sync", "--log-format", "json")
    told = {name: value for name, value in summary.items() if value is not None}
    if code == ALREADY_RUNNING:
        context.log.info("Another sync is running.")
        return
    if code == API_UNREACHABLE:
        raise RetryRequested(max_retries=2, seconds_to_wait=600)
    if code == UNUSABLE_RUNS:
        context.log.warning("Some runs were rejected, missing or unreadable: see rejected_runs and missing_runs.")
    elif code:
        raise Failure(f"sync ended with exit code {code}: see stderr", metadata=told, allow_retries=False)
    yield MaterializeResult(asset_key="statsig_raw", metadata=told)
    yield MaterializeResult(asset_key="statsig_marts")
    yield MaterializeResult(asset_key="statsig_page")


@multi_asset_check(specs=[AssetCheckSpec(name, asset="statsig_marts") for name in CHECKS])
def thresholds() -> Iterator[AssetCheckResult]:
    """Compare what is published with the thresholds of the settings; one that is missed fails the run as well."""
    code, results = call("check")
    if code not in {0, MISSED}:
        raise Failure(f"check ended with exit code {code}: see stderr", allow_retries=False)
    for name in CHECKS:
        missed = [each for each in results["checks"] if each["name"] == name and not each["is_met"]]
        told = {each["source"] or "all sources": each["detail"] or str(each["figure"]) for each in missed}
        yield AssetCheckResult(asset_key="statsig_marts", check_name=name, passed=not missed, metadata=told)
    if code:
        raise Failure("Some thresholds are missed: see the checks of statsig_marts.", allow_retries=False)


@asset(deps=["statsig_marts"])
def dashboard() -> None:
    """Whatever of yours needs yesterday's Web events."""


hourly = define_asset_job("statsig_runs_hourly", selection=["statsig_raw", "statsig_marts", "statsig_page"])
after_web_events = define_asset_job("after_web_events", selection=["dashboard"])


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
    assets=[statsig_runs, dashboard],
    asset_checks=[thresholds],
    jobs=[hourly, after_web_events],
    schedules=[ScheduleDefinition(job=hourly, cron_schedule="17 * * * *")],
    sensors=[web_events_landed],
)
