"""The commands that need no key and no network: the pipeline on made-up runs, and a local API that serves them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from statsig_runs.cli.common import DATABASE, common, open_project
from statsig_runs.errors import ConfigurationError
from statsig_runs.setting_places import packaged_defaults


@click.command(short_help="Run everything against a built-in local API.")
@common
def demo(database: Path) -> None:
    """Run the whole pipeline against a built-in local Console API; needs no key and no network."""
    from statsig_runs.job.demo import run_demo

    if database == DATABASE:
        database = DATABASE.with_name("demo.duckdb")  # made-up runs do not belong among real ones
    warehouse, settings = open_project(database, destination="duckdb")
    sys.exit(run_demo(warehouse, settings))


@click.command(short_help="Serve a local Console API with generated runs.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8571, show_default=True, type=click.IntRange(0, 65_535), help="0 for a free one.")
@click.option(
    "--runs", "count", default=1000, show_default=True, type=click.IntRange(min=0), help="How many runs it holds."
)
@click.option("--seed", default=1, show_default=True, help="Another number, other runs.")
@click.option(
    "--malformed", default=0, show_default=True, type=click.IntRange(min=0), help="How many of them break the contract."
)
@click.option(
    "--latency", default=0.0, show_default=True, type=click.FloatRange(min=0), help="Seconds before each answer."
)
@click.option(
    "--rate-limits",
    default=lambda: packaged_defaults()["sources"]["statsig_runs"]["rate_limits"],
    show_default=True,
    help="requests/seconds; empty for none.",
)
@click.option("--fault-rate", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Share that fails.")
@click.option(
    "--page-size", default=10, show_default=True, type=click.IntRange(min=1), help="Runs to a page of the list."
)
@click.option(
    "--status-shape",
    type=click.Choice(["array", "envelope", "off"]),
    default="array",
    show_default=True,
    help="How the ingestion status is answered; `off` answers 404.",
)
def simulate(**options: Any) -> None:
    """Serve a local Console API with generated runs, to try a BI tool or to write a test."""
    from statsig_runs.simulator import serve

    try:
        serve(echo=click.echo, **options)
    except OSError as error:
        where = f"{options['host']}:{options['port']}"
        raise ConfigurationError(f"Cannot listen on {where}: {error.strerror}. Choose another --port.") from None
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


SIMULATION: Final = (demo, simulate)
