"""`statsig-runs check`: every threshold of the settings, met or missed, with its figure.

Ages are counted to the present moment, not to the last fetch: a check that runs while no sync does must notice.
An age that is counted from a moment in the future is unknown, and its check is missed: after a clock was wrong, it
would be met for ever. What is late, or found, is as of the last fetch, like the marts.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.errors import ConfigurationError
from statsig_runs.readers.display import age, duration, moment, near, plain, visible
from statsig_runs.readers.health import HEALTH_WORDS, is_plausible, read_sources
from statsig_runs.readers.published import Row, fetch_rows, newest_fetch
from statsig_runs.readers.sentence import open_error, say_dates
from statsig_runs.settings import LONGEST_DAYS, Checks, SourceChecks

if TYPE_CHECKING:
    import duckdb


log = logging.getLogger(__name__)

_NAMED: Final = 3
_NAME_WIDTH: Final = 40


@dataclass(frozen=True, slots=True)
class Result:
    """One threshold, tried on one figure.

    `name` is that of the setting without its `max_`; `source` is None where the check is about all of them; `figure` is
    None where there is nothing to measure; `detail` says what the figure is made of.
    """

    name: str
    source: str | None
    is_met: bool
    figure: float | None
    threshold: float
    detail: str

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        values: dict[str, Any] = plain(asdict(self))
        return values


def run_checks(connection: duckdb.DuckDBPyConnection, checks: Checks, now: datetime) -> list[Result]:
    """Try all thresholds that are set, the missed ones first.

    Args:
        connection: of `published.reading`.
        checks: the thresholds; None or a negative one is not tried.
        now: the moment that ages and days are counted to.

    Raises:
        ConfigurationError: no threshold is set, or `error_rate_days` is no number of days.
    """
    if not 1 <= checks.error_rate_days <= LONGEST_DAYS:
        raise ConfigurationError(
            f"error_rate_days under [sources.statsig_runs.checks] must be from 1 to {LONGEST_DAYS:,}, "
            f"not {checks.error_rate_days}."
        )
    since = now - timedelta(days=checks.error_rate_days)
    results: list[Result] = []
    if (limit := _limit_of(checks.max_hours_since_load)) is not None:
        results.append(_check_load(connection, limit, now))
    results += _check_sources(connection, checks, now)
    if (limit := _limit_of(checks.max_final_error_rate)) is not None:
        results.append(_check_error_rate(connection, limit, since.date(), now.date()))
    if (limit := _limit_of(checks.max_late_runs)) is not None:
        results.append(_check_late_runs(connection, limit))
    if (limit := _limit_of(checks.max_findings)) is not None:
        results.append(_check_findings(connection, limit, checks.ignored_findings, since))
    if not results:
        raise ConfigurationError(
            "Nothing is checked: under [sources.statsig_runs.checks] no threshold is set but those for each source, "
            "and no source is known that has one and is not ignored."
        )
    return sorted(results, key=lambda result: result.is_met)


def _limit_of(threshold: float | None) -> float | None:
    return None if threshold is None or threshold < 0 else threshold


def _check_load(connection: duckdb.DuckDBPyConnection, threshold: float, now: datetime) -> Result:
    newest = newest_fetch(connection)
    if newest is None:
        return Result("hours_since_load", None, False, None, threshold, "no run was ever loaded")
    return _check_age("hours_since_load", None, newest, now, threshold, f"newest fetch {moment(newest)}")


def _check_sources(connection: duckdb.DuckDBPyConnection, checks: Checks, now: datetime) -> list[Result]:
    """Each source with its own thresholds, where it has some.

    A source that never succeeded has the time since its first run, so that a new one may take its time too.
    """
    sources = read_sources(connection)
    first_runs = _read_first_runs(connection) if any(row["last_succeeded_at"] is None for row in sources) else {}
    _warn_of_unknown(checks, {row["source"] for row in sources})
    results = []
    for row in sources:
        source = row["source"]
        if source in checks.ignored_sources:
            continue
        own = checks.sources.get(source, SourceChecks())
        if (limit := _own_limit(own.max_hours_since_success, checks.max_hours_since_success)) is not None:
            results.append(_check_success(row, first_runs.get(source), limit, now))
        if (limit := _own_limit(own.max_overdue_dates, checks.max_overdue_dates)) is not None:
            results.append(_check_overdue(row, limit, now))
        if (limit := _own_limit(own.max_empty_dates, checks.max_empty_dates)) is not None:
            results.append(_check_dates("empty_dates", source, row["empty_dates"], limit, now))
        if (limit := _own_limit(own.max_volume_drops, checks.max_volume_drops)) is not None:
            drops = [drop["date_stamp"] for drop in row["volume_drops"]]
            results.append(_check_dates("volume_drops", source, drops, limit, now))
    return results


def _own_limit(own: float | None, of_all: float | None) -> float | None:
    return _limit_of(of_all if own is None else own)


def _warn_of_unknown(checks: Checks, known: set[str]) -> None:
    for name in sorted({*checks.sources, *checks.ignored_sources} - known):
        log.warning("the settings of the checks name a source that no run names, %r. %s", name, near(name, known))


def _check_success(row: Row, first_run_at: datetime | None, threshold: float, now: datetime) -> Result:
    success = row["last_succeeded_at"]
    begun = f", first run {moment(first_run_at)}" if first_run_at else ""
    detail = f"last success {moment(success)}" if success else f"never succeeded{begun}"
    detail = f"{HEALTH_WORDS[row['health']]}, {detail}"
    result = _check_age("hours_since_success", row["source"], success or first_run_at, now, threshold, detail)
    return replace(result, detail=result.detail + _because(row, now))


def _check_overdue(row: Row, threshold: float, now: datetime) -> Result:
    count = row["overdue_date_count"]
    overdue = row["overdue_dates"]
    detail = ""
    if overdue:
        dates = say_dates([each["date_stamp"] for each in overdue], now.year)
        since = f"{'' if count == 1 else 'the first '}since {moment(overdue[0]['expected_by'])}"
        detail = f"{dates}, {since}{_because(row, now)}"
    return Result("overdue_dates", row["source"], count <= threshold, count, threshold, detail)


def _check_dates(name: str, source: str, dates: list[date], threshold: float, now: datetime) -> Result:
    detail = say_dates(dates, now.year) if dates else ""
    return Result(name, source, len(dates) <= threshold, len(dates), threshold, detail)


def _because(row: Row, now: datetime) -> str:
    day, error = open_error(row, now.year)
    return f"; {day}: {error}" if error else ""


_FIRST_RUNS: Final = f"""
    with never_succeeded as (
        select source from source_status where last_succeeded_at is null
    ),
    listed as (
        select run_id, source from ingestion_run_sources semi join never_succeeded using (source)
        union
        select run_id, source from fct_source_dates semi join never_succeeded using (source)
    )
    select listed.source, min(runs.created_at) as created_at
    from listed
    inner join fct_runs as runs using (run_id)
    where {is_plausible("runs.created_at")}
    group by listed.source
"""  # noqa: S608  a condition of ours


def _read_first_runs(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """When the first run of each source that never succeeded was created."""
    return {row["source"]: row["created_at"] for row in fetch_rows(connection, _FIRST_RUNS)}


def _check_age(
    name: str, source: str | None, since: datetime | None, now: datetime, threshold: float, detail: str
) -> Result:
    seconds = age(since, now)
    if since and seconds is None:
        ahead = duration((since - now).total_seconds())
        detail += f", which is {ahead} in the future: a clock is or was wrong"
    hours = None if seconds is None else round(seconds / 3600, 3)
    return Result(name, source, hours is not None and hours <= threshold, hours, threshold, detail)


def _check_error_rate(connection: duckdb.DuckDBPyConnection, threshold: float, since: date, today: date) -> Result:
    """Of the runs that the mart counts as finished; a run that failed in part failed.

    A run that was created in the year 9999 would be counted for ever.
    """
    # the days stand in the text: for a parameter DuckDB imports pandas, which takes longer than all checks together
    [row] = fetch_rows(
        connection,
        f"""
        select
            coalesce(sum(failed_count + partial_count), 0)::bigint as failed,
            coalesce(sum(finished_count), 0)::bigint as finished
        from agg_daily
        where created_date between date '{since}' and date '{today + timedelta(days=2)}'
        """,  # noqa: S608  dates
    )
    failed, finished = row["failed"], row["finished"]
    rate = failed / finished if finished else None
    detail = f"{failed} failed, at least in part, of {finished} finished since {since}"
    return Result("final_error_rate", None, rate is None or rate <= threshold, rate, threshold, detail)


def _check_late_runs(connection: duckdb.DuckDBPyConnection, threshold: float) -> Result:
    rows = fetch_rows(connection, "select run_id from fct_in_flight_runs where is_late order by created_at, run_id")
    detail = _some([visible(row["run_id"], _NAME_WIDTH) for row in rows])
    return Result("late_runs", None, len(rows) <= threshold, len(rows), threshold, detail)


def _check_findings(
    connection: duckdb.DuckDBPyConnection, threshold: float, ignored: Collection[str], since: datetime
) -> Result:
    """About young runs only: a finding never goes away, and nobody mends the history of a run.

    A run whose creation time cannot be is as young as its fetch.
    """
    rows = fetch_rows(
        connection,
        f"""
        select finding, count(*) as findings
        from dq_findings inner join fct_runs as runs using (run_id)
        where
            case when {is_plausible("runs.created_at")} then runs.created_at else runs.fetched_at end
            >= timestamptz '{since}'
        group by finding
        order by findings desc, finding
        """,  # noqa: S608  a condition of ours, and a moment
    )
    counted = [row for row in rows if row["finding"] not in ignored]
    count = sum(row["findings"] for row in counted)
    detail = _some([f"{row['findings']} {row['finding']}" for row in counted])
    return Result("findings", None, count <= threshold, count, threshold, detail)


def _some(names: list[str]) -> str:
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join(names[:_NAMED] + more)
