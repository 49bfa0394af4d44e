"""The first sentence: is the data in, and complete? `status`, the page, its picture and the Slack message say the same.

Pure functions over the rows of `health.read_sources`. A sentence is a list of parts, (kind, value), so that each of
them can write a name in its own way: the kinds are `text` and `name`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from statsig_runs.readers.display import age, duration, is_in_future, reason, visible
from statsig_runs.readers.health import HEALTH_WORDS
from statsig_runs.readers.published import Row

Parts = list[tuple[str, str]]

NAMED: Final = 4
"""So many sources are named; the others are counted."""
_PIECES: Final = 3
"""So many dates, or spans of them, are written for a source; the others are counted."""
_SHORTEST_SPAN: Final = 3
_SILENT_DAYS: Final = 30
"""Nothing is expected any more of a source that is complete through an older date: it has retired, or comes monthly."""
_SILENT: Final = f"silent for over {_SILENT_DAYS} days"
_NOTHING_NEW: Final = f"without a new date for over {_SILENT_DAYS} days"
"""The same of a source that old dates were loaded for since."""
_NAME_WIDTH: Final = 40


def build_sentence(as_of: datetime | None, sources: Sequence[Row], *, named: int = NAMED) -> Parts:
    """`10 of 12 sources are in and complete, through 2026-11-23 at least; incomplete: Orders (16 and 17 Nov)`.

    A source is in and complete when its health says so. The date is the oldest through which one of them is complete;
    those of which nothing was expected for weeks are told apart, since they would drag it into the past. A date that
    landed without data is in, and no sentence leaves it out: it ends with `; empty: Orders (21 Nov)`.

    Args:
        as_of: the newest fetch; None where no run is loaded.
        sources: rows of `health.read_sources`, in its order.
        named: how many sources that are not in are named.

    Returns:
        The sentence without its full stop.
    """
    if as_of is None:
        return [("text", "No run is loaded yet")]
    if not sources:
        return [("text", "No run names a source yet")]
    words = [_word(source, as_of) for source in sources]
    left = named
    complete = [source for source, word in zip(sources, words, strict=True) if word == HEALTH_WORDS["healthy"]]
    if len(sources) == 1 and not complete:
        verb = "has been" if words[0] in {_SILENT, _NOTHING_NEW} else "is"
        told = ("text", f" {verb} {words[0]}{_overdue(sources[0], as_of)}")
        return [("name", sources[0]["source"]), told, *_empty(sources, as_of, named)]
    parts = [*_lead(len(complete), sources), ("text", _through(complete))]
    for word in (*HEALTH_WORDS.values(), _NOTHING_NEW, _SILENT):
        of_word = [source for source, its in zip(sources, words, strict=True) if its == word]
        if not of_word or word == HEALTH_WORDS["healthy"]:
            continue
        shown, left = of_word[:left], left - len(of_word[:left])
        parts.append(("text", f"; {word}: "))
        parts += _named(of_word, shown, [_overdue(source, as_of) for source in shown])
    return [part for part in [*parts, *_empty(sources, as_of, named)] if part[1]]


def build_answer(as_of: datetime | None, sources: Sequence[Row], now: datetime, max_hours: float | None) -> Parts:
    """The sentence for somebody who reads it now: what cannot be known any more is said first.

    Args:
        as_of: as for `build_sentence`, like `sources`.
        sources: the sources.
        now: the moment that the age of the newest fetch is counted to.
        max_hours: the age from which on the data is no answer; None for never.
    """
    sentence = build_sentence(as_of, sources)
    if as_of and is_in_future(as_of, now):
        ahead = duration((as_of - now).total_seconds())
        unknown = f"Unknown, the newest fetch is {ahead} in the future, so a clock is or was wrong; as of that fetch: "
        return [("text", unknown), *sentence]
    if is_old(as_of, now, max_hours):
        unknown = f"Unknown, no sync has fetched a run for {duration(age(as_of, now))}; as of then: "
        return [("text", unknown), *sentence]
    return sentence


def is_old(as_of: datetime | None, now: datetime, max_hours: float | None) -> bool:
    """Whether the newest fetch is older than `max_hours`; None or a negative number is no limit."""
    seconds = age(as_of, now)
    return seconds is not None and max_hours is not None and 0 <= max_hours < seconds / 3600


def as_text(parts: Parts, say_name: Callable[[str], str] = lambda name: visible(name, _NAME_WIDTH)) -> str:
    """The sentence with its full stop, on one line."""
    return "".join(say_name(value) if kind == "name" else value for kind, value in parts) + "."


def say_dates(dates: Sequence[date], year: int) -> str:
    """`16 and 17 Nov`, `3, 9 to 14 and 22 Nov`, `30 Dec 2025 and 2 Jan`; of many the oldest, and how many more.

    Args:
        dates: in their order, each once.
        year: the year that needs no mention.
    """
    spans: list[tuple[date, date]] = []
    for day in dates:
        begun = spans and spans[-1][1] == day - timedelta(days=1)
        spans[-1:] = [(spans[-1][0], day)] if begun else [*spans[-1:], (day, day)]
    pieces = [piece for span in spans for piece in _pieces(*span)]
    shown = pieces[:_PIECES]
    told = []
    for number, (first, last) in enumerate(shown):
        follower = shown[number + 1][0] if number + 1 < len(shown) else None
        is_open = follower is not None and (follower.year, follower.month) == (last.year, last.month)
        is_within = (first.year, first.month) == (last.year, last.month)
        begin = "" if first == last else f"{first.day if is_within else _day(first, year)} to "
        told.append(begin + (str(last.day) if is_open and is_within else _day(last, year)))
    more = len(dates) - sum((last - first).days + 1 for first, last in shown)
    if more:
        return f"{', '.join(told)} and {more:,} more"
    return " and ".join(filter(None, [", ".join(told[:-1]), told[-1]]))


def open_error(source: Row, year: int) -> tuple[str, str]:
    """`14 Mar` and `DOWNLOAD_ERROR: no such table`: why a source is not healthy, as far as the ingestion status says.

    Args:
        source: a row of `health.read_sources`.
        year: the year that needs no mention.

    Returns:
        The date it was reported for, and the error; two empty texts where there is none.
    """
    if source["reason_date_stamp"] is None:
        return "", ""
    return say_dates([source["reason_date_stamp"]], year), reason(source["reason_message"], source["reason_status"])


def _pieces(first: date, last: date) -> list[tuple[date, date]]:
    """A span as it is written: two dates in a row are shorter one by one."""
    if (last - first).days + 1 >= _SHORTEST_SPAN:
        return [(first, last)]
    return [(day, day) for day in (first, last)][: (last - first).days + 1]


def _day(day: date, year: int) -> str:
    return f"{day.day} {day:%b}" + ("" if day.year == year else f" {day.year}")


def _word(source: Row, as_of: datetime) -> str:
    through = source["complete_through_date"]
    since = as_of - timedelta(days=_SILENT_DAYS)
    if source["health"] == "healthy" and through and through < since.date():
        started = source.get("last_started_at")
        return _NOTHING_NEW if started and started >= since else _SILENT
    return HEALTH_WORDS[source["health"]]


def _lead(complete: int, sources: Sequence[Row]) -> Parts:
    total = len(sources)
    if total == 1:
        return [("name", sources[0]["source"]), ("text", " is in and complete")]
    if complete == total:
        return [("text", f"{'Both' if total == 2 else f'All {total:,}'} sources are in and complete")]  # noqa: PLR2004
    verb = "is" if complete <= 1 else "are"
    return [("text", f"{f'{complete:,}' if complete else 'None'} of {total:,} sources {verb} in and complete")]


def _through(complete: Sequence[Row]) -> str:
    """`, through 2026-11-23 at least`: the oldest date of all; empty where one of them has none."""
    dates = [source["complete_through_date"] for source in complete]
    if not dates or None in dates:
        return ""
    return f", through {min(dates)}" + (" at least" if len(dates) > 1 else "")


def _empty(sources: Sequence[Row], as_of: datetime, named: int) -> Parts:
    """The sources with dates that landed without data, whatever their health."""
    empty = [source for source in sources if source["empty_dates"]]
    if not empty:
        return []
    shown = empty[:named]
    dates = [f" ({say_dates(source['empty_dates'], as_of.year)})" for source in shown]
    return [("text", "; empty: "), *_named(empty, shown, dates)]


def _named(sources: Sequence[Row], shown: Sequence[Row], told: Sequence[str]) -> Parts:
    """The names of those of the sources that are shown, each with what is told of it; the others are counted."""
    parts: Parts = []
    for number, (source, its) in enumerate(zip(shown, told, strict=True)):
        parts += [("text", ", " if number else ""), ("name", source["source"]), ("text", its)]
    if more := len(sources) - len(shown):
        parts.append(("text", f" and {more:,} more" if shown else f"{more:,} source{'s' if more > 1 else ''}"))
    return parts


def _overdue(source: Row, as_of: datetime) -> str:
    dates = [overdue["date_stamp"] for overdue in source["overdue_dates"]]
    return f" ({say_dates(dates, as_of.year)})" if dates else ""
