"""The published marts as plain rows, and as frames for the charts. Knows SQL and no HTML.

Reads only the marts of one schema, as they stand; defines nothing that a mart defines. Sums over triggers and weeks are
made of the marts' own counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd

from statsig_runs.errors import ConfigurationError

Row = dict[str, Any]

WINDOW: Final = timedelta(days=365)
"""How far back the page looks from the newest fetch."""
AHEAD: Final = timedelta(days=1)
"""How far a date stamp may be ahead of the newest fetch, for zones ahead of UTC; one typed wrong would end the grid."""
DAILY_UP_TO: Final = 62
"""With more days than this a point of a chart is a week."""
LAST_RUNS, TOP_RUNS, IN_FLIGHT, FAILED_RUNS, FINDING_EXAMPLES = 20, 10, 50, 2000, 5

_WORST_FIRST: Final = ["failing", "stalled", "incomplete", "recovering", "never_finished", "healthy"]


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
    outcomes: pd.DataFrame = field(default_factory=pd.DataFrame)
    durations: pd.DataFrame = field(default_factory=pd.DataFrame)


def read_marts(published: Path, schema: str, *, with_details: bool = True) -> Marts:
    """Read what the page shows; without details only what its summary shows.

    Raises:
        ConfigurationError: there is no published copy, or it holds no marts in this schema.
    """
    if not published.exists():
        raise ConfigurationError(f"Nothing has been published at {published} yet. Run `statsig-runs sync` first.")
    try:
        with duckdb.connect(str(published), read_only=True) as con:
            con.execute("set timezone = 'UTC'")
            con.execute(f'use "{schema.replace(chr(34), chr(34) * 2)}"')
            return _read(con, schema, with_details=with_details)
    except duckdb.CatalogException as error:
        raise ConfigurationError(
            f"{published} holds no marts in schema {schema!r}. Run `statsig-runs transform` to build them."
        ) from error


def read_timelines(published: Path, schema: str, run_ids: list[str]) -> tuple[list[Row], list[Row]]:
    """The attempts, and the sources and dates, of these runs; oldest first."""
    with duckdb.connect(str(published), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        con.execute(f'use "{schema.replace(chr(34), chr(34) * 2)}"')
        attempts = rows(
            con,
            """select *, coalesce(started_at, ended_at) as seen_at from fct_stage_attempts
            where run_id in (select unnest(?)) order by seen_at, ended_at, stage, attempt_number""",
            [run_ids],
        )
        buckets = rows(
            con,
            """select run_id, source, date_stamp, outcome, is_requested_date from fct_source_dates
            where run_id in (select unnest(?)) order by source, date_stamp desc""",
            [run_ids],
        )
    return attempts, buckets


def rows(con: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None) -> list[Row]:
    """The answer as dicts, timestamps in UTC."""
    result = con.execute(query, parameters or [])
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, map(_in_utc, row), strict=True)) for row in result.fetchall()]


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _read(con: duckdb.DuckDBPyConnection, schema: str, *, with_details: bool) -> Marts:
    (as_of,) = con.execute("select max(fetched_at) from fct_runs").fetchone() or (None,)
    if as_of is None:
        return Marts(schema=schema, as_of=None)
    as_of = as_of.astimezone(UTC)
    since = as_of.date() - WINDOW
    marts = Marts(schema=schema, as_of=as_of)
    span = "select count(*), min(created_date), max(created_date) from fct_runs where created_date >= ?"
    marts.run_count, first, last = con.execute(span, [since]).fetchone() or (0, None, None)
    marts.first_date, marts.last_date = first or as_of.date(), last or as_of.date()
    marts.is_weekly = (marts.last_date - marts.first_date).days >= DAILY_UP_TO
    marts.sources = _read_sources(con)
    marts.in_flight = rows(con, _IN_FLIGHT)
    counts = "select count(*), count(*) filter (is_late), count(*) filter (is_late is null) from fct_in_flight_runs"
    marts.in_flight_count, marts.late_count, marts.unjudged_count = con.execute(counts).fetchone() or (0, 0, 0)
    marts.freshness = rows(
        con,
        """select source, date_stamp, run_count, latest_run_id, latest_outcome, landing_lag_seconds, is_landed
        from fct_date_freshness where date_stamp between ? and ? order by date_stamp""",
        [since, as_of.date() + AHEAD],
    )
    if with_details:
        _read_details(con, marts, since)
    return marts


def _read_sources(con: duckdb.DuckDBPyConnection) -> list[Row]:
    sources = rows(con, "select * from source_status order by source")
    troubled = {row["source"]: row["troubled_since"] for row in rows(con, _TROUBLED_SINCE)}
    for source in sources:
        source["troubled_since"] = troubled.get(source["source"])
    return sorted(sources, key=lambda s: (_WORST_FIRST.index(s["health"]), -(s["hours_since_success"] or 0)))


def _read_details(con: duckdb.DuckDBPyConnection, marts: Marts, since: date) -> None:
    period = "date_trunc('week', {})::date" if marts.is_weekly else "{}"
    created = period.format("created_date")
    marts.outcomes = con.execute(_OUTCOMES.format(period=created), [since]).df()
    marts.durations = con.execute(_DURATIONS.format(period=period.format("runs.created_date")), [since]).df()
    marts.slowest = rows(
        con,
        """select * from fct_runs where created_date >= ? and total_seconds is not null
        and effective_outcome <> 'in_progress' order by total_seconds desc, run_id limit ?""",
        [since, TOP_RUNS],
    )
    marts.most_retried = rows(
        con,
        """select * from fct_runs where created_date >= ? and retry_count > 0
        order by retry_count desc, error_count desc, created_at desc, run_id limit ?""",
        [since, TOP_RUNS],
    )
    marts.last_runs = rows(con, _LAST_RUNS, [[run["run_id"] for run in marts.in_flight], LAST_RUNS])
    marts.newest_count = min(LAST_RUNS, len(marts.last_runs))
    failed = "from fct_runs where created_date >= ? and effective_outcome in ('failed', 'stalled', 'partial')"
    marts.failed_runs = rows(con, f"select * {failed} order by created_at desc, run_id limit ?", [since, FAILED_RUNS])
    (marts.failed_count,) = con.execute(f"select count(*) {failed}", [since]).fetchone() or (0,)
    marts.findings = rows(con, _FINDINGS)


_IN_FLIGHT: Final = f"""
    select flight.*, array_agg(distinct buckets.source order by buckets.source)
        filter (buckets.source is not null) as sources
    from fct_in_flight_runs as flight
    left join fct_source_dates as buckets on flight.run_id = buckets.run_id
    group by all
    order by is_late desc nulls last, created_at, flight.run_id
    limit {IN_FLIGHT}
"""  # noqa: S608

# a run that hangs is no longer among the newest, and the one that somebody wants to see
_LAST_RUNS: Final = """
    from fct_runs
    where run_id in (select unnest(?))
        or run_id in (select run_id from fct_runs order by created_at desc, run_id limit ?)
    order by created_at desc, run_id
"""

_TROUBLED_SINCE: Final = """
    with ranked as (
        select source, outcome, coalesce(first_error_at, last_event_at) as troubled_at, row_number() over
            (partition by source order by created_at desc, run_id desc, date_stamp desc) as newest_first
        from fct_source_dates
        where source in (select source from source_status where health <> 'healthy')
    ),
    successes as (
        select source, min(newest_first) as newest_success from ranked where outcome = 'succeeded' group by source
    )
    select ranked.source, min(troubled_at) as troubled_since
    from ranked left join successes on ranked.source = successes.source
    where outcome in ('failed', 'stalled') and newest_first < coalesce(newest_success, 9223372036854775807)
    group by ranked.source
"""

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
    from agg_daily where created_date >= ? group by 1 order by 1
"""

_DURATIONS: Final = """
    with timed as (
        select {period} as period, stages.stage, stages.duration_seconds as seconds
        from fct_run_stages as stages join fct_runs as runs on stages.run_id = runs.run_id
        where runs.created_date >= $1
        union all
        select {period}, '', runs.effective_seconds from fct_runs as runs
        where runs.created_date >= $1 and runs.effective_outcome = 'succeeded'
    )
    select stage, period, count(seconds) as runs,
        quantile_cont(seconds, 0.5) as p50, quantile_cont(seconds, 0.95) as p95
    from timed where seconds is not null group by 1, 2 order by 1, 2
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
