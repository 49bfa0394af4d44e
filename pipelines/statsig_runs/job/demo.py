"""`statsig-runs demo`: the whole pipeline against the built-in local Console API, to see it before using it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final

import click

from statsig_runs.job.progress import watching
from statsig_runs.job.summary import print_summary
from statsig_runs.job.sync import run_sync
from statsig_runs.request import Request
from statsig_runs.simulator import API_KEY, Simulator
from statsig_runs.simulator.sample_runs import generate_runs, runs_as_of

if TYPE_CHECKING:
    from statsig_runs.settings import Settings
    from statsig_runs.warehouse import Warehouse

RUNS: Final = 600
SEED: Final = 1

QUERIES: Final = (
    (
        "Is the data in, and complete, and which dates are overdue?",
        "select source, health, complete_through_date, overdue_date_count, oldest_overdue_date from source_status",
    ),
    (
        "How long does each stage take, in minutes?",
        "select stage, count(*) as runs, round(median(duration_seconds) / 60, 1) p50 from fct_run_stages group by all",
    ),
    (
        "Which runs failed and recovered later?",
        "select run_id, first_error_at, round(recovery_seconds / 3600, 1) as hours from fct_runs where is_recovered",
    ),
)


def run_demo(warehouse: Warehouse, settings: Settings) -> int:
    """Sync twice, as of yesterday and as of now, print what was loaded and what to try next; returns the exit code."""
    now = datetime.now(UTC)
    runs = generate_runs(RUNS, seed=SEED, until=now, malformed=2)
    click.echo(f"A local Console API with {RUNS} runs; first as it was yesterday, then as it is now.\n")
    with Simulator(runs_as_of(runs, now - timedelta(days=1)), api_key=API_KEY) as simulator:
        settings = replace(settings, api_key=API_KEY, base_url=simulator.url, rate_limits="100/1,900/9")
        summary = None
        for shown in (None, runs):
            if shown:
                for run in shown:
                    simulator.runs.add(run)
            with watching() as watch:
                summary = run_sync(warehouse, settings, Request(), watch)
            print_summary(summary, warehouse, as_json=False)
            click.echo()
            if summary.error:
                return summary.exit_code
    _describe(warehouse)
    return 0


def _describe(warehouse: Warehouse) -> None:
    published = warehouse.published
    with published.open() as connection:
        marts = connection.execute(
            "select table_name from information_schema.tables where table_schema = ? order by table_name",
            [warehouse.schemas.marts],
        ).fetchall()
        click.echo("Tables to query:")
        for (mart,) in marts:
            (rows,) = connection.execute(f"select count(*) from {warehouse.schemas.marts}.{mart}").fetchone() or (0,)  # noqa: S608
            click.echo(f"  {mart:<24}{rows:>8,} rows")
    shown = quote(str(_relative(published.file)))
    click.echo(f"\nThree queries to try next (any DuckDB client can open the file: duckdb -readonly {shown}):")
    database = quote(str(_relative(warehouse.database)))
    for question, sql in QUERIES:
        click.echo(f'\n  # {question}\n  statsig-runs query --database {database} "{sql}"')
    click.echo("\nThe same for your own runs:  STATSIG_API_KEY=console-... statsig-runs sync")


def _relative(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
