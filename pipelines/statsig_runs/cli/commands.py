"""Words on the command line. Heavy imports happen inside the command that needs them: `--help` is instant."""

from __future__ import annotations

import gc
import logging
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from statsig_runs.cli.common import common, open_project, regular_file, to_destination
from statsig_runs.cli.diagnosis import DIAGNOSIS
from statsig_runs.cli.readers import READERS
from statsig_runs.cli.simulation import SIMULATION
from statsig_runs.cli.surroundings import prepare, write_utf8
from statsig_runs.cli.wait import wait_for
from statsig_runs.errors import ConfigurationError, as_told

if TYPE_CHECKING:
    from statsig_runs.job.summary import Summary
    from statsig_runs.warehouse import Warehouse

log = logging.getLogger(__name__)

INTERRUPTED = 130
EXIT_CODES = """\b
Exit codes:
  0  done
  1  something unexpected, a storage or a model error
  2  usage or configuration
  3  not authorised: the API refused the key
  4  done, but some runs were rejected, missing or unreadable
  5  a check failed, or what was waited for did not come
  6  the API could not be reached
  7  another sync hangs
  75 another sync is running
  130 interrupted"""


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="statsig-runs")
def cli() -> None:
    """History, durations, error rates and retries of Statsig ingestion runs.

    Start with the command `demo`; for your own runs, set STATSIG_API_KEY and call `sync`.
    """


def collect_rarely() -> None:
    """Have Python look for garbage less often.

    dbt's project and a batch of runs are millions of objects that stay: to look through them again and again takes as
    long as to load them.
    """
    gc.set_threshold(100_000, 50, 1_000)


def main() -> NoReturn:
    """Run a command and turn every error into one clear message and an exit code."""
    from statsig_runs.logs import tell_error
    from statsig_runs.redact import scrub_known

    prepare()
    collect_rarely()
    try:
        cli(standalone_mode=False, color=False if os.environ.get("NO_COLOR") else None)  # click does not look for it
    except click.Abort:
        tell_error("Interrupted. Everything loaded so far is kept; the next sync goes on from there.")
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        told = as_told(error)
        tell_error(f"Error: {scrub_known(str(told))}")
        log.debug("where it was raised", exc_info=True)
        sys.exit(told.exit_code)
    sys.exit(0)


@cli.command(epilog=EXIT_CODES, short_help="Fetch, load, model, test and publish: the batch job.")
@common
@to_destination
@click.option("--run-id", "run_ids", multiple=True, metavar="ID", help="A run to read by its id; may be repeated.")
@click.option(
    "--run-ids-file",
    type=click.File(encoding="utf-8-sig"),
    metavar="FILE",
    help="Ids, one a line; `-` for stdin, `#` for comments.",
)
@click.option("--no-discover", is_flag=True, help="Do not page through the list of runs.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Page no further than runs created on this day (UTC).")
@click.option("--full", is_flag=True, help="Read everything again, settled or not.")
@click.option(
    "--max-requests", type=click.IntRange(min=1), help="Stop after so many; the next sync goes on from there."
)
@click.option("--no-status", is_flag=True, help="Do not ask for the ingestion status: why days failed, how much came.")
@click.option("--base-url", metavar="URL", help="Another API than Statsig's, such as `statsig-runs simulate`.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def sync(
    database: Path,
    run_ids: tuple[str, ...],
    run_ids_file: Any,
    since: datetime | None,
    max_requests: int | None,
    base_url: str | None,
    *,
    destination: str | None,
    no_discover: bool,
    no_status: bool,
    full: bool,
    as_json: bool,
) -> None:
    """Fetch new and unsettled runs, load them, build the models and publish them.

    Safe to schedule, to interrupt and to repeat: only one runs at a time, and a killed one is repaired by the next.
    """
    from statsig_runs.job.progress import watching
    from statsig_runs.job.sync import run_sync
    from statsig_runs.request import Request

    warehouse, settings = open_project(
        database, base_url=base_url, destination=destination, status=False if no_status else None
    )
    request = Request(
        run_ids=(*_valid_ids(run_ids, "--run-id"), *_read_ids(run_ids_file)),
        discover=not no_discover,
        full=full,
        since=since.replace(tzinfo=UTC) if since else None,
        max_requests=max_requests,
    )
    if no_discover and not request.run_ids and not full:
        log.info("no ids are given and the list is not read: only unsettled runs are read again")

    def job() -> Summary:
        with watching() as watch:
            return run_sync(warehouse, settings, request, watch)

    _run_and_tell(job, warehouse, as_json=as_json)


def _run_and_tell(job: Callable[[], Summary], warehouse: Warehouse, *, as_json: bool) -> NoReturn:
    """Run a job, print its summary, and end with its exit code."""
    from statsig_runs.job.summary import Summary, print_summary

    started_at = datetime.now(UTC)
    if as_json:
        write_utf8()
    try:
        summary = job()
    except Exception as error:
        if not as_json:
            raise
        log.debug("where it was raised", exc_info=True)
        summary = Summary(started_at, error=as_told(error))  # a machine that asked for an object gets one
    print_summary(summary, warehouse, as_json=as_json)
    sys.exit(summary.exit_code)


def _read_ids(file: Any) -> tuple[str, ...]:
    if file is None:
        return ()
    try:
        lines = [re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip() for line in file]
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file.name} is not a text file in UTF-8.") from None
    return _valid_ids([line for line in lines if line], "--run-ids-file")


def _valid_ids(ids: Any, option: str) -> tuple[str, ...]:
    from statsig_runs.api.runs import run_target

    if any(not run_id.strip() for run_id in ids):
        raise ConfigurationError(f"{option} holds an empty id.")
    for run_id in ids:
        run_target(run_id)  # one that cannot be asked for is better found now than after the whole list was read
    return tuple(ids)


@cli.command(short_help="Build and test the models from what is loaded.")
@common
@to_destination
@click.option("--full-refresh", is_flag=True, help="Model all runs again, not only the changed ones.")
def transform(database: Path, *, destination: str | None, full_refresh: bool) -> None:
    """Build and test the models from what is loaded, and publish them.

    The page is refreshed by the next sync, or by `statsig-runs report`.
    """
    from statsig_runs.job.refresh import build, publish

    warehouse, settings = open_project(database, destination=destination)
    with warehouse.writing() as loader:
        built = build(warehouse, settings, full_refresh=full_refresh)
        publish(warehouse, loader, settings, built.renewal)
    click.echo(f"{built.model_count} models built, {built.test_count} tests passed, {built.seconds:.1f} s.")
    click.echo(f"Published: {warehouse.readers_place}")


@cli.command(short_help="Rebuild every table from payloads at hand.")
@common
@to_destination
@click.option(
    "--from",
    "archive",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="JSON, plain, .gz, .zst: runs, messages of the ingestion status, answers of the API or rows of run_payloads, "
    "a line each, as an array or one after the other; `-` for stdin.  [default: the database's own]",
)
@click.option("--fetched-at", type=click.DateTime(), help="When runs that do not say so were fetched (UTC).")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def replay(
    database: Path, archive: Path | None, fetched_at: datetime | None, *, destination: str | None, as_json: bool
) -> None:
    """Rebuild every typed table and mart from payloads at hand, without a single API request."""
    from statsig_runs.job.progress import watching
    from statsig_runs.job.replay import run_replay

    warehouse, settings = open_project(database, destination=destination)

    def job() -> Summary:
        with watching() as watch:
            moment = fetched_at.replace(tzinfo=UTC) if fetched_at else None
            return run_replay(warehouse, settings, watch, archive, moment)

    _run_and_tell(job, warehouse, as_json=as_json)


@cli.command(short_help="Write the models' documentation as one offline page.")
@common
@to_destination
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=regular_file,
    help="The page to write.  [default: beside the published copy, named after it]",
)
def docs(database: Path, output: Path | None, *, destination: str | None) -> None:
    """Write the models' documentation with their lineage, as one offline page."""
    from statsig_runs.models import write_docs

    warehouse, _ = open_project(database, destination=destination)
    profile = warehouse.destination.profile(warehouse.schemas)
    page = output or warehouse.docs
    with warehouse.locked(), warehouse.destination.modelling(warehouse.schemas):
        write_docs(database, page, schemas=warehouse.schemas, state=warehouse.state / "dbt", profile=profile)
    click.echo(f"Written: {page}")


for command in (*READERS, *DIAGNOSIS, *SIMULATION, wait_for):
    cli.add_command(command)
