"""`statsig-runs status`: is today's data in, and if not, since when and why? One screen, its answer first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.readers.display import age, align, duration, is_in_future, moment, plain, visible
from statsig_runs.readers.published import Row, fetch_rows, newest_fetch

if TYPE_CHECKING:
    import duckdb

_STYLES: Final = {
    "failing": "bold red",
    "stalled": "bold red",
    "incomplete": "bold red",
    "recovering": "yellow",
    "never_finished": "yellow",
    "healthy": "green",
}
"""The worst first; everything is shown in this order."""

_SOURCES_SHOWN: Final = 12
_RUNS_SHOWN: Final = 5
_NAMES_SHOWN: Final = 3
_NAME_WIDTH: Final = 26
_LINE_WIDTH: Final = 79

Line = tuple[str, str]
"""A line of text and its style for rich."""

# why a source is not healthy: how its newest unsuccessful bucket ended
_SOURCES: Final = """
    with unsuccessful as (
        select distinct on (source) source, run_id, date_stamp
        from fct_source_dates
        where outcome in ('failed', 'stalled')
        order by source, created_at desc, run_id desc, date_stamp desc
    ),
    endings as (
        select events.source, max_by(events.status, events.event_index) as status
        from source_date_status_events as events
        inner join unsuccessful using (source, run_id, date_stamp)
        group by events.source
    )
    select
        source_status.*,
        unsuccessful.run_id as unsuccessful_run_id,
        unsuccessful.date_stamp as unsuccessful_date_stamp,
        endings.status as unsuccessful_status
    from source_status
    left join unsuccessful on source_status.source = unsuccessful.source and source_status.health <> 'healthy'
    left join endings on unsuccessful.source = endings.source
    order by
        list_position(?, health), last_succeeded_at nulls first, source_status.source
"""
_IN_FLIGHT: Final = """
    select fct_in_flight_runs.*, coalesce(listed.sources, []) as sources
    from fct_in_flight_runs
    left join (
        select run_id, list(source order by source) as sources from ingestion_run_sources group by run_id
    ) as listed using (run_id)
    order by is_late desc nulls last, created_at, run_id
"""


@dataclass(frozen=True, slots=True)
class Status:
    """What the published copy says; rows are those of the marts, by column name.

    `sources` come the worst first, each with how its newest unsuccessful bucket ended unless it is healthy; `in_flight`
    the late ones first, each with its `sources`; `last_load` is None where the loader kept no records.
    """

    as_of: datetime | None
    published_at: datetime
    sources: list[Row]
    in_flight: list[Row]
    last_load: Row | None

    def is_old(self, now: datetime, max_hours: float | None) -> bool:
        """Whether the newest fetch is older than `max_hours`; None or a negative number is no limit."""
        seconds = age(self.as_of, now)
        return seconds is not None and max_hours is not None and 0 <= max_hours < seconds / 3600


def read_status(connection: duckdb.DuckDBPyConnection, published_at: datetime) -> Status:
    """Read everything that is shown.

    Args:
        connection: of `published.reading`.
        published_at: when that copy was written.
    """
    loads = fetch_rows(connection, "select * from fct_loads order by started_at desc, load_id desc limit 1")
    return Status(
        as_of=newest_fetch(connection),
        published_at=published_at,
        sources=fetch_rows(connection, _SOURCES, [list(_STYLES)]),
        in_flight=fetch_rows(connection, _IN_FLIGHT),
        last_load=loads[0] if loads else None,
    )


def answer(status: Status, now: datetime, max_hours_since_load: float | None = None) -> str:
    """One sentence, such as `3 of 4 sources are in, up to 2024-03-14 at least; failing: Events 2.`.

    Args:
        status: what to tell.
        now: the moment that ages are counted to.
        max_hours_since_load: when the newest fetch is older, that comes first; None for never. A newest fetch in the
            future comes first in any case: nobody can tell how old the data is.
    """
    if status.as_of is None:
        return "No run is loaded yet. Run `statsig-runs sync`; where it ran, see what it logged."
    if not status.sources:
        return "No run names a source yet."
    healthy = [source for source in status.sources if source["health"] == "healthy"]
    total = len(status.sources)
    if is_in_future(status.as_of, now):
        ahead = duration((status.as_of - now).total_seconds())
        text = (
            f"Unknown, the newest fetch is {ahead} in the future, so a clock is or was wrong; by that fetch "
            f"{len(healthy)} of {total} sources were in"
        )
    elif status.is_old(now, max_hours_since_load):
        text = (
            f"Unknown, no sync has fetched a run for {duration(age(status.as_of, now))}; before that {len(healthy)} of "
            f"{total} sources were in"
        )
    else:
        text = f"{len(healthy)} of {total} sources are in"
    landed = [source["latest_landed_date"] for source in healthy if source["latest_landed_date"]]
    if landed:
        text += f", up to {min(landed)}" + ("" if len(landed) == 1 else " at least")
    parts = [f"{_words(health)}: {_names(status, health)}" for health in _STYLES if health != "healthy"]
    return "; ".join([text, *(part for part in parts if not part.endswith(": "))]) + "."


def to_json(status: Status, now: datetime, max_hours_since_load: float | None = None) -> dict[str, Any]:
    """JSON-ready values: `answer`, `is_old`, `is_in_future`, `now` and what a `Status` holds.

    Arguments as those of `answer`. `is_in_future` says that the newest fetch is, so that its age is unknown.
    """
    told = {
        "answer": answer(status, now, max_hours_since_load),
        "is_old": status.is_old(now, max_hours_since_load),
        "is_in_future": is_in_future(status.as_of, now),
        "now": now,
    }
    values: dict[str, Any] = plain(told | asdict(status))
    return values


def lines(status: Status, now: datetime, max_hours_since_load: float | None = None) -> Iterator[Line]:
    """The screen, line by line, each with its style. Arguments as those of `answer`."""
    is_unknown = is_in_future(status.as_of, now) or status.is_old(now, max_hours_since_load)
    worst = "failing" if is_unknown else status.sources[0]["health"] if status.sources else "never_finished"
    yield answer(status, now, max_hours_since_load), _STYLES[worst]
    published = f"published {moment(status.published_at)}"
    if status.as_of is None:
        yield f"The copy is empty, {published}.", ""
        return
    seconds = age(status.as_of, now)
    when = "which is in the future" if seconds is None else f"{duration(seconds)} ago"
    yield f"As of {moment(status.as_of)}, {when}; {published}.", ""
    if status.sources:
        yield from _source_lines(status.sources, now)
    yield from _in_flight_lines(status.in_flight)
    if status.last_load:
        yield "", ""
        yield _load_line(status.last_load), ""


def _source_lines(sources: list[Row], now: datetime) -> Iterator[Line]:
    shown = sources[:_SOURCES_SHOWN]
    cells = [["SOURCE", "HEALTH", "LAST SUCCESS", "AGO", "LANDED"]]
    for source in shown:
        success = source["last_succeeded_at"]
        cells.append(
            [
                visible(source["source"], _NAME_WIDTH),
                _words(source["health"]),
                moment(success).removesuffix(" UTC"),
                duration(age(success, now)),
                str(source["latest_landed_date"] or "-"),
            ]
        )
    header, *rows = align(cells)
    yield "", ""
    yield header, "dim"
    for source, line in zip(shown, rows, strict=True):
        yield line, _STYLES[source["health"]]
        if why := _why(source):
            yield visible(f"  {why}", _LINE_WIDTH), ""
    if hidden := sources[_SOURCES_SHOWN:]:
        healthy = sum(source["health"] == "healthy" for source in hidden)
        yield f"and {len(hidden)} more, {healthy} of them healthy: --json shows all", "dim"


def _why(source: Row) -> str:
    if source["health"] == "healthy":
        return ""
    if source["health"] == "incomplete":
        return f"{source['overdue_date_count']} overdue, the oldest {source['oldest_overdue_date']}"
    failures = source["consecutive_failures"]
    if not failures:
        return "nothing of it has finished yet"
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
            moment(run["created_at"]).removesuffix(" UTC"),
            visible(run["current_stage"] or "-", 12),
            duration(run["elapsed_seconds"]),
            duration(run["expected_p50_seconds"]),
            {True: "yes", False: "no", None: "-"}[run["is_late"]],
            visible(", ".join(run["sources"]) or "-", _NAME_WIDTH),
        ]
        for run in runs[:_RUNS_SHOWN]
    ]
    header, *rows = align(cells)
    yield header, "dim"
    for run, line in zip(runs, rows, strict=False):
        yield line, "bold red" if run["is_late"] else ""
    if len(runs) > _RUNS_SHOWN:
        yield f"and {len(runs) - _RUNS_SHOWN} more: --json shows all", "dim"


def _load_line(load: Row) -> str:
    counts = ("new", "changed", "unchanged", "rejected", "missing", "failed")
    told = [f"{load[f'{name}_count']:,} {name}" for name in counts if load[f"{name}_count"]]
    requests = load["request_count"] or 0
    return f"Last load {moment(load['started_at'])}: {', '.join(told) or 'nothing'}; {requests:,} requests."


def _names(status: Status, health: str) -> str:
    names = [visible(source["source"], _NAME_WIDTH) for source in status.sources if source["health"] == health]
    more = [f"{len(names) - _NAMES_SHOWN} more"] if len(names) > _NAMES_SHOWN else []
    return ", ".join(names[:_NAMES_SHOWN] + more)


def _words(health: str) -> str:
    return health.replace("_", " ")
