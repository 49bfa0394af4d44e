"""The grid source by date stamp: what each cell says. Pure functions over rows of a mart; knows no HTML."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any, Final

from statsig_runs.readers.published import Row
from statsig_runs.report import words

NEWEST_DAYS: Final = 35
"""The first block: what fits side by side on a desk's screen."""
CELLS: Final = 7_000
"""A year of 19 sources; with more sources the grid goes back less far."""

CLASSES: Final = {"succeeded": "s", "failed": "f", "stalled": "z", "in_progress": "p", None: "n"}
"""The outcome's class; style and script know these letters."""


def build_grid(freshness: list[Row], sources: list[str], first: date, last: date) -> dict[str, Any]:
    """Blocks of days, newest block first: the last `NEWEST_DAYS`, then calendar months.

    Args:
        freshness: rows of `fct_date_freshness`.
        sources: the rows of the grid, in their order.
        first: the earliest date worth a column.
        last: the newest date, the last column.

    Returns:
        `blocks`, each with `title`, `days`, `lines` (source and cells), `present` (cells with a run) and `missing` (of
        them, not landed); `first`, the earliest day drawn: later than asked for where that would be too many cells.
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
    return {"blocks": blocks, "first": drawn, "is_cut": drawn > first}


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _title(begin: date, end: date) -> str:
    is_whole = begin.day == 1 and (end + timedelta(days=1)).day == 1
    return words.month(end) if is_whole else f"{begin.day} to {end.day} {words.month(end)}"


def _block(title: str, days: list[date], sources: list[str], cells: dict[str, dict[date, Row]]) -> dict[str, Any]:
    lines = [(source, [_cell(cells[source].get(day)) for day in days]) for source in sources]
    present = [row for source in sources for day in days if (row := cells[source].get(day))]
    missing = sum(not row["is_landed"] for row in present)
    return {"title": title, "days": days, "lines": lines, "missing": missing, "present": len(present)}


def _cell(row: Row | None) -> tuple[str, str]:
    """The cell's class and its words."""
    if row is None:
        return CLASSES[None], "no run"
    outcome = row["latest_outcome"]
    runs = words.count(row["run_count"], "run")
    lag = row["landing_lag_seconds"]
    landed = "not landed" if not row["is_landed"] else "landed" if lag is None else f"landed {words.lag(lag)}"
    if outcome == "succeeded":
        return "s", f"{landed}, {runs}"
    return CLASSES.get(outcome, "n"), f"{words.OUTCOME_WORDS.get(outcome, 'no event')}; {landed}, {runs}"
