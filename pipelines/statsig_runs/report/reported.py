"""What the ingestion status reported, for the page: rows and loads of each date, and the messages of failed runs.

Knows SQL and no HTML. Where that endpoint has told nothing, there is nothing to read, and the page says nothing of it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import duckdb

from statsig_runs.readers.display import reason
from statsig_runs.readers.published import Row, fetch_rows
from statsig_runs.readers.sentence import say_dates
from statsig_runs.report import words
from statsig_runs.report.grid import NEWEST_DAYS
from statsig_runs.report.marts import AHEAD, Marts, group_rows

SOURCES: Final = 12
"""Sources whose rows are drawn: those with a drop or an empty date, then those in worst health."""
MESSAGES: Final = 5
"""So many messages of a failed run are shown."""
ENDED_WITHIN: Final = 60
"""Seconds: the end of a run is often reported a moment after it."""


@dataclass(slots=True)
class Volumes:
    """Rows and loads of the newest days.

    `days` has the same days for each source that is drawn, oldest first: `period`, `rows`, `expected`, `drop` and
    `empty` (0 or 1), `loads`. `more` counts the other sources. `loads` has a row for each
    source that loaded a date again: `source`, `date_count`, `load_count`, `reload_count`, `most` and `most_date`.
    """

    days: dict[str, list[Row]]
    more: int
    loads: list[Row]
    date_count: int
    load_count: int


def read_volumes(con: duckdb.DuckDBPyConnection, marts: Marts) -> Volumes | None:
    """Rows and loads of the dates that the grid's first block has; None where nothing was reported of them."""
    if marts.as_of is None:
        return None
    last = marts.as_of.date() + AHEAD
    rows = fetch_rows(con, _VOLUMES, [last - timedelta(days=NEWEST_DAYS - 1), last])
    of_source = group_rows(rows, "source")
    known = {source["source"]: place for place, source in enumerate(marts.sources)}
    odd = {source: any(row["drop"] or row["empty"] for row in of) for source, of in of_source.items()}
    counted = [source for source, of in of_source.items() if odd[source] or any(row["rows"] is not None for row in of)]
    loads = [_loads(source, of) for source, of in of_source.items()]
    load_count = sum(of["load_count"] for of in loads)
    if not counted and not load_count:
        return None
    drawn = sorted(counted, key=lambda source: (not odd[source], known.get(source, len(known)), source))
    first, newest = rows[0]["period"], rows[-1]["period"]
    days = {source: _every_day(of_source[source], first, newest) for source in drawn[:SOURCES]}
    return Volumes(
        days=days,
        more=len(drawn) - len(days),
        loads=sorted(filter(_is_reloaded, loads), key=lambda of: (-of["reload_count"], of["source"]))[:SOURCES],
        date_count=sum(of["date_count"] for of in loads),
        load_count=load_count,
    )


def read_messages(con: duckdb.DuckDBPyConnection, runs: list[Row], year: int) -> dict[str, list[Row]]:
    """What was reported of the failed sources and dates of these runs while they ran, oldest first.

    Args:
        con: of `readers.published.reading`.
        runs: rows of `fct_runs`; only those that failed in whole or in part are looked at.
        year: the year that needs no mention.

    Returns:
        By run id: `told_at`, `source`, `dates` and `reason` of each message, and how many more of the run there are
        (`more`): errors are shown before others, and newer ones before older ones.
    """
    failed = [run["run_id"] for run in runs if run["effective_outcome"] in {"failed", "stalled", "partial"}]
    messages: dict[str, list[Row]] = defaultdict(list)
    for row in fetch_rows(con, _MESSAGES, [failed, ENDED_WITHIN, MESSAGES]):
        messages[row["run_id"]].append(
            {
                "told_at": row["told_at"],
                "source": row["source"],
                "dates": say_dates(row["dates"], year),
                "reason": reason(row["told"], row["status"], 300),
                "more": max(row["total"] - MESSAGES, 0),
            }
        )
    return messages


def _every_day(rows: list[Row], first: date, last: date) -> list[Row]:
    """The rows, and one for each day between that has none."""
    known = {row["period"]: row for row in rows}
    nothing = {"rows": None, "expected": None, "drop": 0, "empty": 0, "loads": None}
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [known.get(day) or {"period": day, **nothing} for day in days]


def _loads(source: str, rows: list[Row]) -> Row:
    most: Row = max(rows, key=lambda row: (row["loads"], row["period"]))
    return {
        "source": source,
        "date_count": sum(row["loads"] > 0 for row in rows),
        "load_count": sum(row["loads"] for row in rows),
        "reload_count": sum(max(row["loads"] - 1, 0) for row in rows),
        "most": most["loads"],
        "most_date": most["period"],
    }


def _is_reloaded(loads: Row) -> bool:
    return bool(loads["reload_count"])


def say_loads(volumes: Volumes) -> str:
    """Say `20 loads of 12 dates, 8 of them again.`; a date of two sources is two."""
    dates = words.count(volumes.date_count, "source and date", "sources and dates")
    again = volumes.load_count - volumes.date_count
    told = f"{words.count(volumes.load_count, 'load')} of {dates}"
    return f"{told}, {again:,} of them again." if again else f"{told}: each was loaded once."


# what counts no rows, and could not be drawn, is none: negative numbers, and those above 1e18, as the models have it
_VOLUMES: Final = """
    select
        source, date_stamp as period, case when row_count between 0 and 1e18 then row_count end as rows,
        expected_row_count as expected, coalesce(is_volume_drop and not is_empty, false)::int as drop,
        coalesce(is_empty, false)::int as empty, load_count as loads
    from fct_source_date_reports
    where date_stamp between ? and ?
    order by date_stamp, source
"""

_SPACE: Final = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"
"""What the models leave out around a name when they fold it: see the macro `folded_name`."""

# the copy has the messages, and no model of them: a name is a source's as the models have it, exact or else folded
_MESSAGES: Final = f"""
    with names as (select source from fct_source_dates union select source from ingestion_run_sources),
    folded as (
        select lower(trim(source, {_SPACE})) as folded, min(source) as source
        from names group by folded having count(*) = 1
    ),
    messages as (
        select coalesce(names.source, folded.source) as source, messages.* exclude (payload)
        from ingestion_status_messages as messages
        left join names on messages.source_name = names.source
        left join folded on lower(trim(messages.source_name, {_SPACE})) = folded
    ),
    told as (
        select
            buckets.run_id, buckets.source, buckets.date_stamp, messages.status, messages.status_at,
            left(coalesce(nullif(trim(messages.error_message), ''), messages.message), 3000) as told,
            coalesce(nullif(trim(messages.error_message), '') is not null or messages.status like '%ERROR%', false)
                as is_error
        from fct_source_dates as buckets
        inner join fct_runs as runs using (run_id)
        inner join messages on buckets.source = messages.source and buckets.date_stamp = messages.date_stamp
        where buckets.run_id in (select unnest($1)) and buckets.outcome is distinct from 'succeeded'
            and messages.status_at between runs.created_at
                and greatest(runs.completed_at, runs.last_event_at) + to_seconds($2)
    ),
    once as (
        select
            run_id, source, status, told, max(status_at) as told_at,
            list(distinct date_stamp order by date_stamp) as dates, bool_or(is_error) as is_error
        from told
        group by run_id, source, status, told
    )
    select *, count(*) over (partition by run_id) as total
    from once
    qualify row_number() over (partition by run_id order by is_error desc, told_at desc, source, status, told) <= $3
    order by run_id, told_at, source, status, told
"""  # noqa: S608  names of ours
