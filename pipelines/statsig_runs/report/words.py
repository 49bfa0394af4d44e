"""Numbers, times and names as a reader wants to see them. Pure functions; knows no mart and no HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from statsig_runs.readers.display import duration, minute

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")

OUTCOME_WORDS: Final = {
    "succeeded": "succeeded",
    "failed": "failed",
    "partial": "partly failed",
    "stalled": "stalled",
    "in_progress": "in progress",
}

FINDING_WORDS: Final = {
    "unmatched_report_source": "Sources that the ingestion status names and no run does.",
    "empty_load": "Dates that were loaded without any data. Metrics count them as zero.",
    "volume_drop": "Dates with far fewer rows than their weekday usually has.",
    "unknown_status": "Statuses that the catalogue does not know. They neither open nor close an attempt; "
    "one line in the seed status_catalogue teaches the models a new one.",
    "level_mismatch": "Runs whose own history ends otherwise than their sources and dates. "
    "Trust the sources and dates: late recoveries show only there.",
    "unrequested_date": "Dates that were loaded without having been asked for: recomputed days, as a rule.",
    "clock_disorder": "Times out of order: a stage closes before it starts, or a run is created after its first event. "
    "Durations of these runs are not to be trusted.",
    "implausible_time": "Times before 2015 or more than two days after the fetch. They are kept, and left out of "
    "calendars, expectations and percentiles.",
    "empty_history": "Runs without a single event at run level.",
    "latest_status_mismatch": "Runs whose latest status is not the last event of their history.",
    "contract_drift": "Fields that the API's contract does not know. Nothing is lost, but the API has changed.",
}


def clean(text: str) -> str:
    """The text with control characters made visible; XML and some browsers refuse them."""
    return _CONTROL.sub("\ufffd", text)


def shorten(text: str, limit: int = 60) -> str:
    """The text, cut at `limit` characters with an ellipsis in the end."""
    text = clean(text)
    return text if len(text) <= limit else text[: limit - 1].rstrip("\u200d\ufe0f ") + "…"


def count(number: float, noun: str = "", plural: str = "") -> str:
    """`1 run`, `11,680 runs`."""
    digits = f"{int(number):,}"
    return digits if not noun else f"{digits} {noun if int(number) == 1 else plural or noun + 's'}"


def lag(seconds: float) -> str:
    """A landing lag: how long after (or before) the day ended, UTC."""
    return f"{duration(abs(seconds))} {'after' if seconds >= 0 else 'before'} the day ended"


def percent(share: float | None) -> str:
    """`3.1%`; a dash where nothing can be divided."""
    return "–" if share is None or share != share else f"{share:.1%}"  # noqa: PLR0124, RUF001


def short_moment(at: datetime) -> str:
    """`19 Nov 06:21`, UTC: where space is dear and the year is plain."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %H:%M}"


def machine_moment(at: datetime) -> str:
    """ISO 8601 for `<time datetime>`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(value: date) -> str:
    """`Sun 22 Nov`, without a year: for days that stand in a row."""
    return f"{value:%a} {value.day} {value:%b}"


def month(value: date) -> str:
    """`November 2026`."""
    return f"{value:%B %Y}"


WORDS: Final[dict[str, Callable[..., str]]] = {
    word.__name__: word
    for word in (clean, shorten, count, duration, percent, minute, short_moment, machine_moment, day)
}
"""The words that templates use, by name."""
