"""The published marts as plain rows. Knows SQL and no HTML.

Reads only the marts of one schema, as they stand; defines nothing that a mart defines. Sums over triggers and weeks are
made of the marts' own counts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import duckdb

from statsig_runs.readers.health import read_in_flight, read_sources
from statsig_runs.readers.published import Row, fetch_rows, newest_fetch
from statsig_runs.schemas import project_of

WINDOW: Final = timedelta(days=365)
"""How far back the page looks from the newest fetch."""
AHEAD: Final = timedelta(days=1)
"""How far a date stamp may be ahead of the newest fetch, for zones ahead of UTC; one typed wrong would end the grid."""
DAILY_UP_TO: Final = 62
"""With more days than this a point of a chart is a week."""
SHARES_WINDOW: Final = timedelta(days=30)
"""Where the time goes is told of the runs that were created so long before the newest fetch."""
LAST_RUNS, TOP_RUNS, IN_FLIGHT, FAILED_RUNS, FINDING_EXAMPLES = 20, 10, 50, 2000, 5


@dataclass(slots=True)
class Marts:
    """What the page shows. Times are UTC, durations seconds; `as_of` is the newest fetch, None before the first run."""

    schema: str
    as_of: datetime | None
    run_count: int = 0
    first_date: date = date.min
    last_date: date = date.min
    sources: list[Row] = field(default_factory=list)
    in_flight: list[Row] = field(default_factory=list)
    in_flight_count: int = 0
    late_count: int = 0
    unjudged_count: int = 0
    freshness: list[Row] = field(default_factory=list)
    slowest: list[Row] = field(default_factory=list)
    most_retried: list[Row] = field(default_factory=list)
    last_runs: list[Row] = field(default_factory=list)
    newest_count: int = 0
    failed_runs: list[Row] = field(default_factory=list)
    failed_count: int = 0
    findings: list[Row] = field(default_factory=list)
    is_weekly: bool = False
    outcomes: list[Row] = field(default_factory=list)
    durations: list[Row] = field(default_factory=list)
    stage_medians: list[Row] = field(default_factory=list)

    @property
    def project(self) -> str:
        """The project's name, as its schema has it; empty for the only one."""
        return project_of(self.schema)


def read_marts(con: duckdb.DuckDBPyConnection, *, with_details: bool = True) -> Marts:
    """Read what the page shows; without details only what its summary shows.

    Args:
        con: of `readers.published.reading`.
        with_details: read the rows of the lower half of the page too.
    """
    [(schema,)] = con.execute("select current_schema()").fetchall()
    as_of = newest_fetch(con)
    if as_of is None:
        return Marts(schema=schema, as_of=None)
    since = as_of.date() - WINDOW
    marts = Marts(schema=schema, as_of=as_of)
    span = f"select count(*), min(created_date), max(created_date) from fct_runs where created_date >= ? and {_CAN_BE}"  # noqa: S608
    marts.run_count, first, last = con.execute(span, [since]).fetchone() or (0, None, None)
    marts.first_date, marts.last_date = first or as_of.date(), last or as_of.date()
    marts.is_weekly = (marts.last_date - marts.first_date).days >= DAILY_UP_TO
    marts.sources = read_sources(con)
    in_flight = read_in_flight(con)
    marts.in_flight_count, marts.in_flight = len(in_flight), in_flight[:IN_FLIGHT]
    marts.late_count = sum(bool(run["is_late"]) for run in in_flight)
    marts.unjudged_count = sum(run["is_late"] is None for run in in_flight)
    marts.freshness = fetch_rows(
        con,
        """select freshness.*, error_status, is_error_open, load_count
        from fct_date_freshness as freshness left join fct_source_date_reports using (source, date_stamp)
        where date_stamp between ? and ? order by date_stamp""",
        [since, as_of.date() + AHEAD],
    )
    if with_details:
        marts.stage_medians = fetch_rows(con, _STAGE_MEDIANS, [as_of - SHARES_WINDOW])
        _read_details(con, marts, since)
    return marts


def read_timelines(con: duckdb.DuckDBPyConnection, run_ids: list[str]) -> tuple[list[Row], list[Row]]:
    """The attempts, and the sources and dates, of these runs; oldest first."""
    attempts = fetch_rows(
        con,
        """select *, coalesce(started_at, ended_at) as seen_at from fct_stage_attempts
        where run_id in (select unnest(?)) order by seen_at, ended_at, stage, attempt_number""",
        [run_ids],
    )
    buckets = fetch_rows(
        con,
        """select run_id, source, date_stamp, outcome, is_requested_date from fct_source_dates
        where run_id in (select unnest(?)) order by source, date_stamp desc""",
        [run_ids],
    )
    return attempts, buckets


def group_rows(rows: list[Row], column: str) -> dict[str, list[Row]]:
    """Rows by what they have in a column, in the order in which that comes first."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    return groups


def _read_details(con: duckdb.DuckDBPyConnection, marts: Marts, since: date) -> None:
    period = "date_trunc('week', {})::date" if marts.is_weekly else "{}"
    created = period.format("created_date")
    marts.outcomes = fetch_rows(con, _OUTCOMES.format(period=created, can_be=_CAN_BE), [since])
    durations = _DURATIONS.format(period=period.format("runs.created_date"), can_be=_CAN_BE)
    marts.durations = fetch_rows(con, durations, [since])
    marts.slowest = fetch_rows(
        con,
        """select * from fct_runs where created_date >= ? and total_seconds is not null
        and effective_outcome <> 'in_progress' order by total_seconds desc, run_id limit ?""",
        [since, TOP_RUNS],
    )
    marts.most_retried = fetch_rows(
        con,
        """select * from fct_runs where created_date >= ? and retry_count > 0
        order by retry_count desc, error_count desc, created_at desc, run_id limit ?""",
        [since, TOP_RUNS],
    )
    marts.last_runs = fetch_rows(con, _LAST_RUNS, [[run["run_id"] for run in marts.in_flight], LAST_RUNS])
    marts.newest_count = min(LAST_RUNS, len(marts.last_runs))
    failed = "from fct_runs where created_date >= ? and effective_outcome in ('failed', 'stalled', 'partial')"
    marts.failed_runs = fetch_rows(
        con, f"select * {failed} order by created_at desc, run_id limit ?", [since, FAILED_RUNS]
    )
    (marts.failed_count,) = con.execute(f"select count(*) {failed}", [since]).fetchone() or (0,)
    marts.findings = fetch_rows(con, _FINDINGS)


# a run that hangs is no longer among the newest, and the one that somebody wants to see
_LAST_RUNS: Final = """
    from fct_runs
    where run_id in (select unnest(?))
        or run_id in (select run_id from fct_runs order by created_at desc, run_id limit ?)
    order by created_at desc, run_id
"""

_CAN_BE: Final = "created_date <= (select max(fetched_at)::date + 2 from fct_runs)"
"""A run of the year 9999 is counted in the marts, and widens no axis."""

_OUTCOMES: Final = """
    select
        {period} as period,
        sum(run_count) as runs,
        sum(succeeded_count - recovered_count) as clean,
        sum(recovered_count) as recovered,
        sum(partial_count) as partial,
        sum(failed_count) as failed,
        sum(in_progress_count) as in_progress,
        sum(finished_count) as finished,
        sum(with_error_count) as with_error,
        sum(retry_count) as retries,
        (failed + partial) / nullif(finished, 0) as final_error_rate,
        with_error / nullif(finished, 0) as any_error_rate
    from agg_daily where created_date >= ? and {can_be} group by 1 order by 1
"""

_DURATIONS: Final = """
    with timed as (
        select {period} as period, stages.stage, stages.duration_seconds as seconds
        from fct_run_stages as stages join fct_runs as runs on stages.run_id = runs.run_id
        where runs.created_date >= $1 and {can_be}
        union all
        select {period}, '', runs.effective_seconds from fct_runs as runs
        where runs.created_date >= $1 and {can_be} and runs.effective_outcome = 'succeeded'
    )
    select stage, period, count(seconds) as runs,
        quantile_cont(seconds, 0.5) as p50, quantile_cont(seconds, 0.95) as p95
    from timed where seconds is not null group by 1, 2 order by 1, 2
"""

# runs that go through other stages take other times: each way through them is told apart, the most frequent first
_STAGE_MEDIANS: Final = """
    with recent as (
        select run_id, effective_seconds from fct_runs where effective_outcome = 'succeeded' and created_at >= ?
    ),
    ways as (
        select run_id, any_value(effective_seconds) as seconds, list(stage order by stage_order) as way
        from fct_run_stages inner join recent using (run_id) group by run_id
    ),
    counted as (select way, count(*) as run_count, median(seconds) as seconds from ways group by way)
    select
        counted.way, counted.run_count, counted.seconds, stage,
        median(duration_seconds) as duration_seconds, median(wait_seconds) as wait_seconds
    from counted inner join ways using (way) inner join fct_run_stages as stages using (run_id)
    group by all
    order by counted.run_count desc, counted.way, min(stage_order)
"""

_FINDINGS: Final = f"""
    with newest as (
        select findings.*, runs.created_at, row_number() over
            (partition by finding order by runs.created_at desc, findings.run_id, source, date_stamp) as newest_first
        from dq_findings as findings left join fct_runs as runs on findings.run_id = runs.run_id
    )
    select finding, count(*) as finding_count, count(distinct run_id) as run_count,
        max(created_at) as newest_at,
        list({{'run_id': run_id, 'source': source, 'date_stamp': date_stamp, 'detail': detail}}
            order by newest_first) filter (newest_first <= {FINDING_EXAMPLES}) as examples
    from newest group by finding order by finding
"""  # noqa: S608
