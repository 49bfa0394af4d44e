"""The commands that read only the published copy: query, export, status, check, report."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from statsig_runs.cli.common import common, open_project, regular_file
from statsig_runs.cli.surroundings import stop_unread, write_utf8
from statsig_runs.errors import CheckFailedError, ConfigurationError, StorageError

if TYPE_CHECKING:
    from statsig_runs.readers.check import Result
    from statsig_runs.readers.sentence import Parts
    from statsig_runs.settings import Settings

log = logging.getLogger(__name__)

_EXAMPLES: Final = """\b
Examples:
  statsig-runs query "show all tables"
  statsig-runs query "from source_status"
  statsig-runs query --csv - < slow_runs.sql > slow_runs.csv"""


@click.command(epilog=_EXAMPLES, short_help="Answer a question in SQL from the published copy.")
@common
@click.argument("sql")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV, all rows and whole values.")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON array of objects.")
@click.option(
    "--parquet",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=regular_file,
    metavar="FILE",
    help="Write a Parquet file, whole or not.",
)
@click.option(
    "--allow-files",
    is_flag=True,
    help="Let the query read and write files, attach databases, load extensions and change DuckDB's settings.",
)
def query(database: Path, sql: str, parquet: Path | None, *, as_csv: bool, as_json: bool, allow_files: bool) -> None:
    """Answer a question in SQL from the published copy, while syncs go on.

    Marts and raw tables are found by their plain names. `-` reads the query from stdin. A table shows at most 10,000
    rows, and on a terminal the beginning of each value.

    A query only reads: it changes nothing in the copy, and touches no other file, database or address unless
    --allow-files is given.
    """
    from statsig_runs.readers.published import read_origin_of, reading
    from statsig_runs.readers.query import (
        ROWS_SHOWN,
        Answer,
        shut_off,
        write_csv,
        write_json,
        write_parquet,
        write_table,
    )

    if as_csv + as_json + (parquet is not None) > 1:
        raise click.UsageError("Choose one of --csv, --json and --parquet.")
    sql = _read_stdin() if sql == "-" else _as_text(sql)
    warehouse, settings = open_project(database, is_reader=True)
    with reading(warehouse) as connection:
        origin = read_origin_of(warehouse, connection, settings.destination)
        if not allow_files:
            shut_off(connection, parquet)
        if parquet:
            write_parquet(connection, sql, parquet)
            click.echo(f"Written: {parquet}")
            return
        answer = Answer(connection, sql)
        stop_unread()
        try:
            is_whole = True
            if as_csv or as_json:
                write_utf8()
                (write_csv if as_csv else write_json)(answer, sys.stdout)
            else:
                is_whole = write_table(answer, sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # who reads our output, `head` perhaps, has seen enough
            return
        if origin and sys.stderr.isatty():
            click.echo(f"This is {origin}.", err=True)
        if not is_whole:
            click.echo(f"Only the first {ROWS_SHOWN:,} rows are shown; --csv, --json or --parquet have all.", err=True)


def _as_text(argument: str) -> str:
    """An argument as it was typed: where the locale knows ASCII only, Python keeps the other bytes aside."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeDecodeError:
        raise ConfigurationError("The query is not text in UTF-8.") from None


def _read_stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise ConfigurationError("The query on stdin is not text in UTF-8.") from None


@click.command(short_help="Write every mart as Parquet or CSV, with a manifest.")
@common
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="How the files are written.",
)
def export(database: Path, folder: Path, file_format: str) -> None:
    """Write every mart as a file into DIR, whole or not at all, with a manifest.json.

    DIR is created; one that is empty or holds an earlier export is replaced at once. The manifest lists the files with
    their rows and columns, when they were written and the fetch that they are as of.
    """
    from statsig_runs.readers.export import export_marts
    from statsig_runs.readers.published import read_origin_of, reading

    warehouse, settings = open_project(database, is_reader=True)
    with reading(warehouse) as connection:
        read_origin_of(warehouse, connection, settings.destination)
        manifest = export_marts(connection, warehouse.schemas.marts, folder, file_format)
    rows = sum(table["rows"] for table in manifest["tables"])
    click.echo(
        f"{len(manifest['tables'])} marts, {rows:,} rows, as of {manifest['as_of'] or 'no run yet'}.\nWritten: {folder}"
    )


@click.command(short_help="Is the data in, and if not, since when and why?")
@common
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def status(database: Path, *, as_json: bool) -> None:
    """Tell on one screen whether the data is in, and if not, since when and why.

    Health of each source, the worst first; what is in flight and whether it is late; the last load; how fresh all
    this is.
    """
    from statsig_runs.readers.published import read_origin_of, reading
    from statsig_runs.readers.status import lines, read_status, to_json

    warehouse, settings = open_project(database, is_reader=True)
    with reading(warehouse) as connection:
        origin = read_origin_of(warehouse, connection, settings.destination)
        published_at = datetime.fromtimestamp(warehouse.published.file.stat().st_mtime, UTC)
        found = read_status(connection, published_at, origin)
    now, max_hours = datetime.now(UTC), settings.checks.max_hours_since_load
    if as_json:
        _print_json(to_json(found, now, max_hours))
    else:
        _print_lines(lines(found, now, max_hours))


@click.command(short_help="Are all thresholds met? Exit code 5 if not.")
@common
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
@click.option(
    "--notify",
    is_flag=True,
    help="Post to the Slack webhook of the settings what is missed, and once what is met again.",
)
def check(database: Path, *, as_json: bool, notify: bool) -> None:
    """Compare the published data with the thresholds of the settings; exit code 5 when one is missed.

    The thresholds are under [sources.statsig_runs.checks], those of single sources in tables under it; -1 switches one
    off. Ages are counted to now, so a sync that no longer runs is noticed. The webhook is slack_incoming_hook under
    [runtime] in .dlt/secrets.toml, or RUNTIME__SLACK_INCOMING_HOOK. What it was told it is not told again within
    repeat_hours.
    """
    from statsig_runs.readers.check import run_checks
    from statsig_runs.readers.check_text import lines, summary
    from statsig_runs.readers.display import plain
    from statsig_runs.readers.health import read_sources
    from statsig_runs.readers.notify import check_hook
    from statsig_runs.readers.published import newest_fetch, read_origin_of, reading
    from statsig_runs.readers.sentence import build_answer

    warehouse, settings = open_project(database, is_reader=True)
    hook = check_hook(settings.slack_incoming_hook) if notify else None
    now = datetime.now(UTC)
    with reading(warehouse) as connection:
        read_origin_of(warehouse, connection, settings.destination)
        results = run_checks(connection, settings.checks, now)
        as_of, sources = newest_fetch(connection), read_sources(connection)
    sentence = build_answer(as_of, sources, now, settings.checks.max_hours_since_load)
    is_met = all(result.is_met for result in results)
    if as_json:
        _print_json({"is_met": is_met, "checked_at": plain(now), "checks": [r.to_json() for r in results]})
    else:
        _print_lines(lines(results))
    undelivered = _notify(hook, results, sentence, warehouse.told, settings, now) if hook else ""
    if not is_met:
        raise CheckFailedError(f"{summary(results)} {undelivered}".strip())
    if undelivered:
        log.error("%s", undelivered)


def _notify(hook: str, results: list[Result], sentence: Parts, file: Path, settings: Settings, now: datetime) -> str:
    """Post what is news, and remember that. Returns what kept it from being delivered, if anything did."""
    from statsig_runs.readers.check_text import slack_text
    from statsig_runs.readers.notify import NotificationError, post
    from statsig_runs.readers.told import find_news, read_told, write_told

    news = find_news(results, read_told(file), now, settings.checks.repeat_hours)
    if news:
        try:
            post(hook, slack_text(results, news, sentence, settings.project))
        except NotificationError as error:
            return str(error)
        write_told(file, news.told)
    return ""


def _print_json(content: dict[str, Any]) -> None:
    write_utf8()
    click.echo(json.dumps(content, ensure_ascii=False, allow_nan=False))


def _print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """In colour on a terminal. Texts go out as they are: nothing in them is markup."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line, style in lines:
        console.print(Text(line, style), soft_wrap=True)


@click.command(short_help="Write the page for people: one offline HTML file.")
@common
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=regular_file,
    help="The page to write.  [default: beside the published copy, named after it]",
)
@click.option("--open", "and_open", is_flag=True, help="Open it in the browser.")
@click.option(
    "--png",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=regular_file,
    metavar="FILE",
    help="Write the summary as a picture instead, for a chat or an e-mail.",
)
def report(database: Path, output: Path | None, png: Path | None, *, and_open: bool) -> None:
    """Write the page for people: one offline HTML file from the published copy."""
    from statsig_runs.readers.published import read_origin_of, reading
    from statsig_runs.report import write_report, write_summary_png

    if png and output:
        raise click.UsageError("--png writes the summary instead of the page: leave out --output.")
    warehouse, settings = open_project(database, is_reader=True)
    page = output or warehouse.report
    try:
        with reading(warehouse) as connection:
            read_origin_of(warehouse, connection, settings.destination)
            written = write_summary_png(connection, png) if png else write_report(connection, page)
    except OSError as error:
        raise StorageError(f"{png or page} cannot be written: {error.strerror}.") from None
    click.echo(f"Written: {written}")
    if and_open:
        click.launch(str(written))


READERS: Final[tuple[click.Command, ...]] = (query, export, status, check, report)
