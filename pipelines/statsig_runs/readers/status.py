"""`statsig-runs status`: is today's data in, and if not, since when and why? One screen, its answer first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.readers.display import (
    age,
    align,
    duration,
    is_in_future,
    minute,
    moment,
    plain,
    visible,
    wrap,
)
from statsig_runs.readers.health import HEALTH_WORDS, read_in_flight, read_sources
from statsig_runs.readers.published import Row, fetch_rows, newest_fetch
from statsig_runs.readers.sentence import as_text, build_answer, is_old, open_error, say_dates

if TYPE_CHECKING:
    import duckdb

    from statsig_runs.origin import Origin

_STYLES: Final = {
    "failing": "bold red",
    "stalled": "bold red",
    "incomplete": "bold red",
    "recovering": "yellow",
    "never_finished": "yellow",
    "healthy": "green",
}
_SOURCES_SHOWN: Final = 12
_RUNS_SHOWN: Final = 5
_NAME_WIDTH: Final = 26
_SOURCES_WIDTH: Final = 20
_LINE_WIDTH: Final = 79

Line = tuple[str, str]
"""A line of text and its style for rich."""

_NOTHING_LOADED: Final = "Run `statsig-runs sync`; where it ran, see what it logged."


@dataclass(frozen=True, slots=True)
class Status:
    """What the published copy says; rows are those of the marts, by column name.

    `sources` are those of `health.read_sources`, `in_flight` those of `health.read_in_flight`; `last_load` is None
    where the loader kept no records. `origin` is None for a copy of the job's own DuckDB file.
    """

    as_of: datetime | None
    published_at: datetime
    sources: list[Row]
    in_flight: list[Row]
    last_load: Row | None
    origin: Origin | None = None


def read_status(connection: duckdb.DuckDBPyConnection, published_at: datetime, origin: Origin | None = None) -> Status:
    """Read everything that is shown.

    Args:
        connection: of `published.reading`.
        published_at: when that copy was written.
        origin: where it is from.
    """
    loads = fetch_rows(connection, "select * from fct_loads order by started_at desc, load_id desc limit 1")
    return Status(
        as_of=newest_fetch(connection),
        published_at=published_at,
        sources=read_sources(connection),
        in_flight=read_in_flight(connection),
        last_load=loads[0] if loads else None,
        origin=origin,
    )


def answer(status: Status, now: datetime, max_hours_since_load: float | None = None) -> str:
    """One sentence, that of `sentence.build_answer`.

    Args:
        status: what to tell.
        now: the moment that ages are counted to.
        max_hours_since_load: when the newest fetch is older, that comes first; None for never. A newest fetch in the
            future comes first in any case: nobody can tell how old the data is.
    """
    told = as_text(build_answer(status.as_of, status.sources, now, max_hours_since_load))
    return told if status.as_of else f"{told} {_NOTHING_LOADED}"


def to_json(status: Status, now: datetime, max_hours_since_load: float | None = None) -> dict[str, Any]:
    """JSON-ready values: `answer`, `is_old`, `is_in_future`, `now` and what a `Status` holds.

    Arguments as those of `answer`. `is_in_future` says that the newest fetch is, so that its age is unknown.
    """
    told = {
        "answer": answer(status, now, max_hours_since_load),
        "is_old": is_old(status.as_of, now, max_hours_since_load),
        "is_in_future": is_in_future(status.as_of, now),
        "now": now,
    }
    values: dict[str, Any] = plain(told | asdict(status))
    return values


def lines(status: Status, now: datetime, max_hours_since_load: float | None = None) -> Iterator[Line]:
    """The screen, line by line, each with its style. Arguments as those of `answer`."""
    is_unknown = is_in_future(status.as_of, now) or is_old(status.as_of, now, max_hours_since_load)
    worst = "failing" if is_unknown else status.sources[0]["health"] if status.sources else "never_finished"
    is_odd = worst == "healthy" and any(source["empty_dates"] for source in status.sources)
    for line in wrap(answer(status, now, max_hours_since_load), _LINE_WIDTH):
        yield line, "yellow" if is_odd else _STYLES[worst]
    published = f"published {moment(status.published_at)}"
    if status.as_of is None:
        yield f"The copy is empty, {published}.", ""
        return
    seconds = age(status.as_of, now)
    when = "which is in the future" if seconds is None else f"{duration(seconds)} ago"
    yield f"As of {moment(status.as_of)}, {when}; {published}.", ""
    if status.origin:
        for line in wrap(f"This is {visible(str(status.origin))}.", _LINE_WIDTH):
            yield line, "dim"
    if status.sources:
        yield from _source_lines(status.sources, now, status.as_of.year)
    yield from _in_flight_lines(status.in_flight)
    if status.last_load:
        yield "", ""
        for line in wrap(_load_line(status.last_load), _LINE_WIDTH):
            yield line, ""


def _source_lines(sources: list[Row], now: datetime, year: int) -> Iterator[Line]:
    shown = sources[:_SOURCES_SHOWN]
    cells = [["SOURCE", "HEALTH", "LAST SUCCESS", "COMPLETE THROUGH"]]
    for source in shown:
        seconds = age(source["last_succeeded_at"], now)
        cells.append(
            [
                visible(source["source"], _NAME_WIDTH),
                HEALTH_WORDS[source["health"]],
                "-" if seconds is None else f"{duration(seconds)} ago",
                # the day before its first date says nothing of a source that has none to show
                str((source["latest_landed_date"] and source["complete_through_date"]) or "-"),
            ]
        )
    header, *rows = align(cells)
    yield "", ""
    yield header, "dim"
    for source, line in zip(shown, rows, strict=True):
        yield line, _STYLES[source["health"]]
        for told in (_overdue(source, year), _empty(source, year), _why(source), _reason(source, year)):
            if told:
                yield visible(f"  {told}", _LINE_WIDTH), ""
    if hidden := sources[_SOURCES_SHOWN:]:
        healthy = sum(source["health"] == "healthy" for source in hidden)
        yield f"and {len(hidden)} more, {healthy} of them healthy: --json shows all", "dim"


def _overdue(source: Row, year: int) -> str:
    overdue = source["overdue_dates"]
    if not overdue:
        return ""
    since = f"since {moment(overdue[0]['expected_by'])}"
    dates = say_dates([each["date_stamp"] for each in overdue], year)
    return f"overdue: {dates}, {since if len(overdue) == 1 else f'the first {since}'}"


def _empty(source: Row, year: int) -> str:
    dates = source["empty_dates"]
    return f"empty: {say_dates(dates, year)}, landed without data" if dates else ""


def _reason(source: Row, year: int) -> str:
    """An open error, with the date it was reported for unless that is the one called unsuccessful."""
    day, error = open_error(source, year)
    if not error:
        return ""
    is_why = source["consecutive_failures"] and source["reason_date_stamp"] == source["unsuccessful_date_stamp"]
    return f"why: {error}" if is_why else f"reported for {day}: {error}"


def _why(source: Row) -> str:
    failures = source["consecutive_failures"]
    if not failures:
        return "nothing of it has finished yet" if source["health"] == "never_finished" else ""
    times = "once:" if failures == 1 else f"{failures} times in a row, last"
    status, day = source["unsuccessful_status"], source["unsuccessful_date_stamp"]
    return f"unsuccessful {times} {visible(str(status), 24)} for {day}, run {source['unsuccessful_run_id']}"


def _in_flight_lines(runs: list[Row]) -> Iterator[Line]:
    late = sum(bool(run["is_late"]) for run in runs)
    yield "", ""
    yield (f"In flight: {len(runs)}, {late} late." if runs else "In flight: nothing."), "bold red" if late else ""
    if not runs:
        return
    cells = [["STARTED (UTC)", "STAGE", "FOR", "USUALLY", "LATE", "SOURCES"]]
    cells += [
        [
            minute(run["created_at"]),
            visible(run["current_stage"] or "-", 10),
            duration(run["elapsed_seconds"]),
            duration(run["expected_p50_seconds"]),
            {True: "yes", False: "no", None: "-"}[run["is_late"]],
            visible(", ".join(run["sources"]) or "-", _SOURCES_WIDTH),
        ]
        for run in runs[:_RUNS_SHOWN]
    ]
    header, *rows = align(cells)
    yield header, "dim"
    for run, line in zip(runs, rows, strict=False):
        yield visible(line, _LINE_WIDTH), "bold red" if run["is_late"] else ""
    if len(runs) > _RUNS_SHOWN:
        yield f"and {len(runs) - _RUNS_SHOWN} more: --json shows all", "dim"


def _load_line(load: Row) -> str:
    counts = ("new", "changed", "unchanged", "rejected", "missing", "failed")
    told = [f"{load[f'{name}_count']:,} {name}" for name in counts if load[f"{name}_count"]]
    requests = load["request_count"] or 0
    return f"Last load {moment(load['started_at'])}: {', '.join(told) or 'nothing'}; {requests:,} requests."
