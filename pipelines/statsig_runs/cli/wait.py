"""The command that waits for data: `wait-for`, for orchestrators."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Final

import click

from statsig_runs.cli.common import common, open_project
from statsig_runs.cli.surroundings import write_utf8
from statsig_runs.errors import ConfigurationError

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(_context: click.Context, _option: click.Parameter, text: str) -> float:
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([smhd])", text, re.ASCII)
    if not found:
        raise click.BadParameter(f"{text!r} is no length of time: write 90s, 30m, 6h or 2d.")
    return float(found[1]) * _UNITS[found[2]]


_EXAMPLES: Final = """\b
Examples:
  statsig-runs wait-for --source "Web events" --date 2026-11-23
  statsig-runs wait-for --source "Web events" --date 2026-11-23 --no-sync --timeout 0s

\b
Exit codes:
  0  the date is in
  5  it has failed for good, or the time is up
  2  there is no such source; the others are those of `sync`"""


@click.command("wait-for", epilog=_EXAMPLES, short_help="Wait until one date of one source is in.")
@common
@click.option("--source", required=True, metavar="NAME", help="The source, as Statsig names it.")
@click.option(
    "--date", "day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The date stamp that is waited for."
)
@click.option(
    "--timeout",
    metavar="TIME",
    default="6h",
    show_default=True,
    callback=_seconds,
    help="When to give up: 90s, 30m, 6h, 2d.",
)
@click.option("--no-sync", is_flag=True, help="Look at the published copy only; another job syncs.")
@click.option("--any-outcome", is_flag=True, help="Be content when its newest run has ended, also when it failed.")
@click.option("--base-url", metavar="URL", help="Another API than Statsig's, such as `statsig-runs simulate`.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON object.")
def wait_for(
    database: Path,
    source: str,
    day: datetime,
    timeout: float,
    base_url: str | None,
    *,
    no_sync: bool,
    any_outcome: bool,
    as_json: bool,
) -> None:
    """Wait until one date of one source is in: sync every 5 minutes, or with --no-sync look once a minute.

    A date that is in already costs no request. It has failed for good when its newest run failed or stalled, no run is
    at it, and it is later than its source is used to. Another sync that runs is waited for, and so is an API that
    cannot be reached.
    """
    from statsig_runs.job.progress import watching
    from statsig_runs.job.summary import Summary
    from statsig_runs.job.sync import run_sync
    from statsig_runs.job.wait import wait_for as wait
    from statsig_runs.readers.display import plain, visible
    from statsig_runs.readers.published import read_origin_of, reading
    from statsig_runs.request import Request

    warehouse, settings = open_project(database, base_url=base_url, is_reader=no_sync)
    if not no_sync:
        settings.require_api_key()  # a key that is missing is better told before the first look

    with suppress(ConfigurationError), reading(warehouse) as connection:  # nothing may be published yet
        read_origin_of(warehouse, connection, settings.destination)

    def sync() -> Summary:
        with watching() as watch:
            return run_sync(warehouse, settings, Request(), watch)

    stamp: date = day.date()
    seen = wait(warehouse, source, stamp, sync=None if no_sync else sync, timeout=timeout, any_outcome=any_outcome)
    if as_json:
        found = {"source": source, "date_stamp": stamp, "is_landed": seen.is_landed, "landed_at": seen.landed_at}
        write_utf8()
        found |= {"is_empty": seen.is_empty, "outcome": seen.outcome}
        click.echo(json.dumps(plain(found), ensure_ascii=False))
    else:
        click.echo(f"{visible(source, 60)} {stamp}: {seen}.")
