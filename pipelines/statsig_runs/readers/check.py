"""`statsig-runs check`: every threshold of the settings, met or missed, with its figure.

Ages are counted to the present moment, not to the last fetch: a check that runs while no sync does must notice.
An age that is counted from a moment in the future is unknown, and its check is missed: after a clock was wrong, it
would be met for ever. What is late, or found, is as of the last fetch, like the marts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.errors import ConfigurationError
from statsig_runs.readers.display import age, align, duration, moment, plain, visible
from statsig_runs.readers.published import fetch_rows, newest_fetch

if TYPE_CHECKING:
    import duckdb

    from statsig_runs.settings import Checks

_UNITS: Final = {
    "hours_since_load": "h",
    "hours_since_success": "h",
    "final_error_rate": "%",
    "late_runs": "",
    "findings": "",
}
_NAMED: Final = 3
_NAME_WIDTH: Final = 40
_SLACK_LINES: Final = 20


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
    if checks.error_rate_days < 1:
        raise ConfigurationError("error_rate_days under [sources.statsig_runs.checks] must be at least 1.")
    since = now - timedelta(days=checks.error_rate_days)
    results: list[Result] = []
    if (limit := _limit_of(checks.max_hours_since_load)) is not None:
        results.append(_check_load(connection, limit, now))
    if (limit := _limit_of(checks.max_hours_since_success)) is not None:
        results += _check_sources(connection, limit, checks.ignored_sources, now)
    if (limit := _limit_of(checks.max_final_error_rate)) is not None:
        results.append(_check_error_rate(connection, limit, since))
    if (limit := _limit_of(checks.max_late_runs)) is not None:
        results.append(_check_late_runs(connection, limit))
    if (limit := _limit_of(checks.max_findings)) is not None:
        results.append(_check_findings(connection, limit, checks.ignored_findings, since))
    if not results:
        raise ConfigurationError("Nothing is checked: no threshold is set under [sources.statsig_runs.checks].")
    return sorted(results, key=lambda result: result.is_met)


def summary(results: list[Result]) -> str:
    """One sentence: `2 of 9 checks are missed.` or `All checks are met.`."""
    missed = sum(not result.is_met for result in results)
    return (
        f"{missed} of {len(results)} checks {'is' if missed == 1 else 'are'} missed."
        if missed
        else "All checks are met."
    )


def lines(results: list[Result]) -> Iterator[tuple[str, str]]:
    """A line for each result and its style for rich, after one that sums them up."""
    yield summary(results), "bold green" if all(result.is_met for result in results) else "bold red"
    rows = align(
        [["met" if r.is_met else "MISSED", _named(r), _figure(r), _limit(r), r.detail] for r in results], right=[2]
    )
    for result, line in zip(results, rows, strict=True):
        yield line, "" if result.is_met else "red"


def slack_text(results: list[Result], project: str = "") -> str:
    """What is missed, in Slack's mrkdwn. A source's name can neither format it, nor call anyone."""
    missed = [result for result in results if not result.is_met]
    of_project = f" of {project}" if project else ""
    told = [f"*statsig-runs check{of_project}*: {summary(results)}"]
    for result in missed[:_SLACK_LINES]:
        about = "" if result.source is None else f" of {_code(visible(result.source, _NAME_WIDTH))}"
        name = result.name.replace("_", " ")
        told.append(f"• {name}{about}: {_figure(result)}, {_limit(result)}; {_code(result.detail or '-')}")
    if len(missed) > _SLACK_LINES:
        told.append(f"… and {len(missed) - _SLACK_LINES} more")
    return "\n".join(told)


_INERT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'", "@": "@\u200b"})


def _code(text: str) -> str:
    """As code, where nothing is formatted; other services than Slack would call everyone for `@channel` even so."""
    return f"`{text.translate(_INERT)}`"


def _limit_of(threshold: float | None) -> float | None:
    return None if threshold is None or threshold < 0 else threshold


def _check_load(connection: duckdb.DuckDBPyConnection, threshold: float, now: datetime) -> Result:
    newest = newest_fetch(connection)
    if newest is None:
        return Result("hours_since_load", None, False, None, threshold, "no run was ever loaded")
    return _check_age("hours_since_load", None, newest, now, threshold, f"newest fetch {moment(newest)}")


def _check_sources(
    connection: duckdb.DuckDBPyConnection, threshold: float, ignored: Iterable[str], now: datetime
) -> list[Result]:
    """A source that never succeeded has the time since its first run, so that a new one may take its time too."""
    rows = fetch_rows(
        connection,
        """
        with first_runs as (
            select listed.source, min(runs.created_at) as created_at
            from (
                select run_id, source from ingestion_run_sources
                union
                select run_id, source from fct_source_dates
            ) as listed
            inner join fct_runs as runs using (run_id)
            group by listed.source
        )
        select source, health, last_succeeded_at, first_runs.created_at as first_run_at
        from source_status left join first_runs using (source)
        order by coalesce(last_succeeded_at, first_run_at) nulls first, source
        """,
    )
    results = []
    for row in rows:
        if row["source"] in ignored:
            continue
        success, first = row["last_succeeded_at"], row["first_run_at"]
        detail = f"last success {moment(success)}" if success else f"never succeeded, first run {moment(first)}"
        detail = f"{row['health'].replace('_', ' ')}, {detail}"
        results.append(_check_age("hours_since_success", row["source"], success or first, now, threshold, detail))
    return results


def _check_age(name: str, source: str | None, since: datetime, now: datetime, threshold: float, detail: str) -> Result:
    seconds = age(since, now)
    if seconds is None:
        ahead = duration((since - now).total_seconds())
        detail += f", which is {ahead} in the future: a clock is or was wrong"
    hours = None if seconds is None else round(seconds / 3600, 3)
    return Result(name, source, hours is not None and hours <= threshold, hours, threshold, detail)


def _check_error_rate(connection: duckdb.DuckDBPyConnection, threshold: float, since: datetime) -> Result:
    [row] = fetch_rows(
        connection,
        """
        select
            count(*) filter (effective_outcome in ('failed', 'stalled')) as failed,
            count(*) filter (effective_outcome <> 'in_progress') as finished
        from fct_runs
        where created_at >= ?
        """,
        [since],
    )
    failed, finished = row["failed"], row["finished"]
    rate = failed / finished if finished else None
    detail = f"{failed} failed of {finished} finished since {moment(since)}"
    return Result("final_error_rate", None, rate is None or rate <= threshold, rate, threshold, detail)


def _check_late_runs(connection: duckdb.DuckDBPyConnection, threshold: float) -> Result:
    rows = fetch_rows(connection, "select run_id from fct_in_flight_runs where is_late order by created_at, run_id")
    detail = _some([visible(row["run_id"], _NAME_WIDTH) for row in rows])
    return Result("late_runs", None, len(rows) <= threshold, len(rows), threshold, detail)


def _check_findings(
    connection: duckdb.DuckDBPyConnection, threshold: float, ignored: Iterable[str], since: datetime
) -> Result:
    """About young runs only: a finding never goes away, and nobody mends the history of a run."""
    rows = fetch_rows(
        connection,
        """
        select finding, count(*) as findings
        from dq_findings inner join fct_runs using (run_id)
        where created_at >= ? and not list_contains(?, finding)
        group by finding
        order by findings desc, finding
        """,
        [since, list(ignored)],
    )
    count = sum(row["findings"] for row in rows)
    detail = _some([f"{row['findings']} {row['finding']}" for row in rows])
    return Result("findings", None, count <= threshold, count, threshold, detail)


def _some(names: list[str]) -> str:
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join(names[:_NAMED] + more)


def _named(result: Result) -> str:
    name = result.name.replace("_", " ")
    return name if result.source is None else f"{name}: {visible(result.source, _NAME_WIDTH)}"


def _figure(result: Result) -> str:
    return "-" if result.figure is None else _with_unit(result.figure, _UNITS[result.name])


def _limit(result: Result) -> str:
    return f"at most {_with_unit(result.threshold, _UNITS[result.name])}"


def _with_unit(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.1f} {unit}" if unit else f"{value:g}"
