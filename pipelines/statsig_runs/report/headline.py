"""The first sentence of the page: is everything in? Pure functions; the page and the picture both say it.

A sentence is a list of parts, (kind, value), so that names and times can be marked up: `text`, `name`, `time`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statsig_runs.report import words
from statsig_runs.report.frames import Marts, Row

Parts = list[tuple[str, Any]]


def build_headline(marts: Marts) -> Parts:
    """`3 of 4 sources are in; Events EU has been failing since …`."""
    if marts.as_of is None:
        return [("text", "No ingestion run has been loaded yet")]
    if not marts.sources:
        return [("text", f"{words.count(marts.run_count, 'run')} loaded, and none of them names a source yet")]
    troubled = [source for source in marts.sources if source["health"] != "healthy"]
    total = len(marts.sources)
    if total == 1:
        if troubled:
            return _trouble(troubled[0])
        return [("name", marts.sources[0]["source"]), ("text", " is in")]
    if not troubled:
        return [("text", f"{'Both' if total == 2 else f'All {total:,}'} sources are in")]  # noqa: PLR2004
    healthy = total - len(troubled)
    parts: Parts = [("text", f"{healthy or 'None'} of {total:,} sources {'is' if healthy == 1 else 'are'} in; ")]
    parts += _trouble(troubled[0])
    if len(troubled) > 1:
        others = len(troubled) - 1
        parts.append(("text", f", and {others:,} {'other is' if others == 1 else 'others are'} not in either"))
    return parts


def _trouble(source: Row) -> Parts:
    parts: Parts = [("name", source["source"]), ("text", f" {words.TROUBLE_WORDS[source['health']]}")]
    if source["troubled_since"] and source["health"] in {"failing", "stalled"}:
        parts += [("text", " since "), ("time", source["troubled_since"])]
    return parts


def build_flight_sentence(marts: Marts) -> str:
    """Say `2 runs are in progress, 1 of them late.`."""
    if not marts.in_flight_count:
        return "Nothing is running."
    running = f"{words.count(marts.in_flight_count, 'run')} {'is' if marts.in_flight_count == 1 else 'are'} in progress"
    if marts.unjudged_count == marts.in_flight_count:
        return f"{running}; too few have finished to tell what is late."
    if marts.in_flight_count == 1:
        return f"{running} and {'late' if marts.late_count else 'on time'}."
    late = f"{marts.late_count:,} of them late" if marts.late_count else "none of them late"
    is_known = marts.late_count or not marts.unjudged_count
    return f"{running}, {late}{'' if is_known else ' as far as can be told'}."


def as_text(parts: Parts) -> str:
    """The sentence without markup; names are cut, times in UTC."""
    say: dict[str, Callable[[Any], str]] = {
        "text": str,
        "name": lambda name: words.shorten(name, 40),
        "time": lambda at: f"{words.long_moment(at)} UTC",
    }
    return "".join(say[kind](value) for kind, value in parts)
