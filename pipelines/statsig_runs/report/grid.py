"""The grid source by date stamp: what each cell says. Pure functions over rows of a mart; knows no HTML."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from statsig_runs.readers.display import minute, reason
from statsig_runs.readers.published import Row
from statsig_runs.readers.sentence import Parts, say_dates
from statsig_runs.report import words

NEWEST_DAYS: Final = 35
"""The first block: what fits side by side on a desk's screen."""
CELLS: Final = 7_000
"""A year of 19 sources; with more sources the grid goes back less far."""

LOOKS: Final = {
    "landed": ("s", "landed"),
    "landed_failed": ("a", "landed, its newest run failed"),
    "landed_in_progress": ("b", "landed, its newest run is not done"),
    "empty": ("e", "landed, and empty"),
    "failed": ("f", "failed"),
    "stalled": ("z", "stalled"),
    "in_progress": ("p", "in progress"),
    "missing": ("m", "missing: no run has it"),
    "awaited": ("w", "awaited"),
}
"""Each look of a cell: its class, which the style knows, and its words. The key shows those that occur."""
NOTHING: Final = ("n", "nothing expected")
"""A date that no run has and that nobody expects."""
MOST_ROWS: Final = 1e18
"""A larger number is no count of rows. The models have the same bound."""
OVERDUE_SOURCES: Final = 6
"""So many sources are named with their overdue dates; the others are counted."""


def build_grid(freshness: list[Row], sources: list[str], first: date, last: date) -> dict[str, Any]:
    """Blocks of days, newest block first: the last `NEWEST_DAYS`, then calendar months.

    Args:
        freshness: rows of `fct_date_freshness`.
        sources: the rows of the grid, in their order.
        first: the earliest date worth a column.
        last: the newest date, the last column.

    Returns:
        `blocks`, each with `title`, `days`, `lines` (source and cells), `due` (cells that have landed or should have)
        and `missing` (of them, not landed); `keys`, class and words of the looks that occur; `first`, the earliest day
        drawn: later than asked for where that would be too many cells.
    """
    cells: dict[str, dict[date, Row]] = defaultdict(dict)
    for row in freshness:
        cells[row["source"]][row["date_stamp"]] = row
    shown = max(NEWEST_DAYS, CELLS // max(len(sources), 1))
    drawn = max(first, last - timedelta(days=shown - 1))
    start = max(first, last - timedelta(days=NEWEST_DAYS - 1))
    blocks = [_block("", _days(start, last), sources, cells)]
    end = start - timedelta(days=1)
    while end >= drawn:
        begin = max(end.replace(day=1), drawn)
        blocks.append(_block(_title(begin, end), _days(begin, end), sources, cells))
        end = begin - timedelta(days=1)
    drawn_classes = {css for block in blocks for _, line in block["lines"] for css, _ in line}
    keys = [look for look in (*LOOKS.values(), NOTHING) if look[0] in drawn_classes]
    return {"blocks": blocks, "keys": keys, "first": drawn, "is_cut": drawn > first}


def build_overdue(sources: list[Row], year: int) -> Parts:
    """`Orders (16 and 17 Nov), Support events (9 Nov)`, the source with the most overdue dates first; empty for none.

    Args:
        sources: rows of `health.read_sources`.
        year: the year that needs no mention.
    """
    overdue = [(source["source"], [row["date_stamp"] for row in source["overdue_dates"]]) for source in sources]
    overdue = sorted((of for of in overdue if of[1]), key=lambda of: (-len(of[1]), of[1][0], of[0]))
    parts: Parts = []
    for name, dates in overdue[:OVERDUE_SOURCES]:
        parts += [("text", ", " if parts else ""), ("name", name), ("text", f" ({say_dates(dates, year)})")]
    if more := len(overdue) - OVERDUE_SOURCES:
        parts += [("text", f" and {words.count(more, 'more source')}")] if more > 0 else []
    return [part for part in parts if part[1]]


def say_day(date_stamp: date, ended_at: datetime) -> str:
    """Say what a date is: `A date is a day of UTC-8: it ends at 08:00 UTC of the next day`.

    Args:
        date_stamp: any date.
        ended_at: when that date ended.
    """
    midnight = datetime.combine(date_stamp + timedelta(days=1), time(), UTC)
    offset = midnight - ended_at
    if not offset:
        return "A date is a day of UTC and ends at midnight."
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    sign = "+" if offset > timedelta() else "\N{MINUS SIGN}"
    zone = f"UTC{sign}{hours}" + (f":{minutes:02d}" if minutes else "")
    of_day = "the same day" if ended_at < midnight else "the next day"
    return f"A date is a day of {zone}: it ends at {ended_at:%H:%M} UTC of {of_day}."


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _title(begin: date, end: date) -> str:
    is_whole = begin.day == 1 and (end + timedelta(days=1)).day == 1
    return words.month(end) if is_whole else f"{begin.day} to {end.day} {words.month(end)}"


def _block(title: str, days: list[date], sources: list[str], cells: dict[str, dict[date, Row]]) -> dict[str, Any]:
    lines = [(source, [_cell(cells[source].get(day)) for day in days]) for source in sources]
    present = [row for source in sources for day in days if (row := cells[source].get(day))]
    missing = sum(_is_missed(row) for row in present)
    landed = sum(row["is_landed"] for row in present)
    return {"title": title, "days": days, "lines": lines, "missing": missing, "due": landed + missing}


def _is_missed(row: Row) -> bool:
    """What has failed, and what should be in by now; a run that has time left, and a date that is awaited, are not."""
    return not row["is_landed"] and (row["is_overdue"] or row["state"] in {"failed", "stalled"})


def look(row: Row) -> str:
    """The look of a date, a key of `LOOKS`: its state, and for one that has landed what its newest run is doing."""
    newest = {"failed": "_failed", "stalled": "_failed", "in_progress": "_in_progress"}
    if row["state"] == "empty":
        return "empty"
    return f"{row['state']}{newest.get(row['latest_outcome'], '') if row['is_landed'] else ''}"


def _cell(row: Row | None) -> tuple[str, str]:
    """The cell's class and its words; a semicolon ends a line of them."""
    if row is None:
        return NOTHING
    runs = words.count(row["run_count"], "run") if row["run_count"] else ""
    state: str = row["state"]
    if row["is_landed"]:
        lag = row["landing_lag_seconds"]
        told = [f"{'landed' if lag is None else f'landed {words.lag(lag)}'}, {runs}"]
        if state == "empty":
            told.append("no data came")
        if row["latest_outcome"] != "succeeded":
            told.append(f"its newest run: {words.OUTCOME_WORDS[row['latest_outcome']]}")
    else:
        told = [words.OUTCOME_WORDS.get(state, state), f"not landed, {runs}" if runs else "no run has it"]
        if row["is_overdue"]:
            told.append(f"overdue since {minute(row['expected_by'])} UTC")
        elif row["is_expected"]:
            told.append(f"expected by {minute(row['expected_by'])} UTC")
    if state != "empty" and 1 <= (row["row_count"] or 0) <= MOST_ROWS:
        told.append(words.count(row["row_count"], "row imported", "rows imported"))
    if (row["load_count"] or 0) > 1:
        told.append(f"loaded {row['load_count']:,} times")
    if not row["is_landed"] and row["is_error_open"]:
        # a semicolon of the message ends no line
        told.append(reason(row["error_message"], row["error_status"]).replace("; ", ";\N{NO-BREAK SPACE}"))
    css, _ = LOOKS.get(look(row), NOTHING)
    return css, "; ".join(told)
