"""How each source is and what is in flight: read once, for `status`, `check`, the page and its picture.

Knows the marts and raw tables that tell it, and the one order and the one words of a source's health.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from statsig_runs.plan import FIRST_PLAUSIBLE, LONGEST_AHEAD
from statsig_runs.readers.published import Row, fetch_rows

if TYPE_CHECKING:
    import duckdb

HEALTH_WORDS: Final = {
    "failing": "failing",
    "stalled": "stalled",
    "incomplete": "incomplete",
    "recovering": "recovering",
    "never_finished": "not finished yet",
    "healthy": "healthy",
}
"""Each health as people read it, the worst first: everything is shown in this order."""

_REPORTED_DAYS: Final = 28
"""So many days back an empty date, or a drop in volume, is told."""


def is_plausible(moment: str) -> str:
    """A condition in SQL: that it can have been then, as the models judge it by the run's `fetched_at`."""
    hours = LONGEST_AHEAD // timedelta(hours=1)
    return f"{moment} between timestamptz '{FIRST_PLAUSIBLE}' and runs.fetched_at + interval {hours} hours"


# overdue: the dates that `source_status` counts, which looks back over `completeness_days`
# unsuccessful: why a source is not healthy is how its newest unsuccessful bucket ended
# reasons: an open error of the date that is called unsuccessful, else of an overdue one, else the newest; that of
#     another date that has landed explains nothing
# troubles: since when, the first error or the last event of the oldest unsuccessful bucket after the newest success
_QUERY: Final = f"""
    with overdue as (
        select dates.source, list({{'date_stamp': date_stamp, 'expected_by': expected_by, 'state': state}}
            order by date_stamp) as overdue_dates
        from fct_date_freshness as dates
        inner join source_status using (source)
        where is_overdue and date_stamp >= oldest_overdue_date
        group by dates.source
    ),
    silences as (
        select source, list(date_stamp order by date_stamp) as empty_dates
        from fct_date_freshness
        where state = 'empty' and expected_by is not null
            and date_stamp > (select max(fetched_at)::date - $days from fct_runs)
        group by source
    ),
    drops as (
        select source, list({{'date_stamp': date_stamp, 'row_count': row_count, 'ratio': row_count_ratio}}
            order by date_stamp) as volume_drops
        from fct_source_date_reports
        where is_volume_drop and not is_empty
            and date_stamp > (select max(fetched_at)::date - $days from fct_runs)
        group by source
    ),
    buckets as (
        from fct_source_dates where source in (select source from source_status where health <> 'healthy')
    ),
    runs as (
        select run_id, fetched_at from fct_runs where created_at >= (select min(created_at) from buckets)
    ),
    ranked as (
        select
            source, run_id, date_stamp, outcome,
            case
                when {is_plausible("first_error_at")} then first_error_at
                when {is_plausible("last_event_at")} then last_event_at
            end as troubled_at,
            row_number() over (
                partition by source
                order by {is_plausible("created_at")} desc, created_at desc, run_id desc, date_stamp desc
            ) as position
        from buckets
        inner join runs using (run_id)
    ),
    unsuccessful as (
        select source, arg_min(run_id, position) as run_id, arg_min(date_stamp, position) as date_stamp
        from ranked
        where outcome in ('failed', 'stalled')
        group by source
    ),
    reasons as (
        select
            source, reports.date_stamp, reports.error_status, reports.error_message,
            row_number() over (
                partition by source
                order by
                    consecutive_failures > 0 and reports.date_stamp is not distinct from unsuccessful.date_stamp desc,
                    dates.is_overdue is true and reports.date_stamp >= oldest_overdue_date desc,
                    error_at desc nulls last, reports.date_stamp desc
            ) as position
        from fct_source_date_reports as reports
        inner join source_status using (source)
        left join fct_date_freshness as dates using (source, date_stamp)
        left join unsuccessful using (source)
        where
            is_error_open and health <> 'healthy'
            and (
                dates.is_landed is not true
                or consecutive_failures > 0 and reports.date_stamp = unsuccessful.date_stamp
            )
    ),
    endings as (
        select events.source, max_by(events.status, events.event_index) as status
        from source_date_status_events as events
        inner join unsuccessful using (source, run_id, date_stamp)
        group by events.source
    ),
    successes as (
        select source, min(position) as position from ranked where outcome = 'succeeded' group by source
    ),
    troubles as (
        select ranked.source, min(troubled_at) as troubled_since
        from ranked
        left join successes using (source)
        where outcome in ('failed', 'stalled') and ranked.position < coalesce(successes.position, ranked.position + 1)
        group by ranked.source
    )
    select
        source_status.*,
        coalesce(overdue_dates, []) as overdue_dates,
        coalesce(empty_dates, []) as empty_dates,
        coalesce(volume_drops, []) as volume_drops,
        reasons.date_stamp as reason_date_stamp,
        reasons.error_status as reason_status,
        reasons.error_message as reason_message,
        troubled_since,
        unsuccessful.run_id as unsuccessful_run_id,
        unsuccessful.date_stamp as unsuccessful_date_stamp,
        endings.status as unsuccessful_status
    from source_status
    left join overdue using (source)
    left join silences using (source)
    left join drops using (source)
    left join troubles using (source)
    left join unsuccessful using (source)
    left join endings using (source)
    left join reasons on source_status.source = reasons.source and reasons.position = 1
    order by
        list_position($healths, health), overdue_date_count desc, last_succeeded_at nulls first, source_status.source
"""  # noqa: S608  conditions of ours
# written in, since DuckDB imports pandas to take a parameter, and `status` would wait for that
_SOURCES: Final = _QUERY.replace("$days", str(_REPORTED_DAYS)).replace("$healths", str(list(HEALTH_WORDS)))

# a run that was just enqueued has no bucket yet, and one that names no source may have buckets all the same;
# DuckDB finds those of a moment at once, and would read those of all runs to find some ids
_IN_FLIGHT: Final = """
    select fct_in_flight_runs.*, coalesce(named.sources, []) as sources
    from fct_in_flight_runs
    left join (
        select run_id, list(source order by source) as sources
        from (
            select run_id, source from ingestion_run_sources semi join fct_in_flight_runs using (run_id)
            union
            select run_id, source from fct_source_dates semi join fct_in_flight_runs using (run_id, created_at)
        ) as listed
        group by run_id
    ) as named using (run_id)
    where run_id not in (select run_id from missing_runs)
    order by is_late desc nulls last, created_at, run_id
"""


def read_sources(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """The rows of `source_status`, the worst first: by health, by overdue dates, by how long ago they succeeded.

    Each has more columns. `overdue_dates` are those of the last `completeness_days`, oldest first, each with its
    `date_stamp`, `expected_by` and `state`. `empty_dates` are the dates of the last 28 days that landed without data,
    `volume_drops` those that came with far fewer rows than usual (`date_stamp`, `row_count`, `ratio`).
    Null for a healthy one are `troubled_since`, how its newest unsuccessful bucket ended (`unsuccessful_run_id`,
    `unsuccessful_date_stamp`, `unsuccessful_status`), and an error that no load has followed (`reason_date_stamp`,
    `reason_status`, `reason_message`): that of the unsuccessful date, else of an overdue one, else of the newest
    that has not landed.

    Args:
        connection: of `published.reading`.
    """
    return fetch_rows(connection, _SOURCES)


def read_in_flight(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """The rows of `fct_in_flight_runs`, the late ones first, then the oldest; each with its `sources`.

    One that the API no longer knows is left out: it would be in progress for ever.
    """
    return fetch_rows(connection, _IN_FLIGHT)
