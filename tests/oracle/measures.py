"""Times and numbers: seconds between two moments, percentiles, what a plausible time is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
FIRST_PLAUSIBLE = datetime(2015, 1, 1, tzinfo=UTC)
PLAUSIBLY_AHEAD = timedelta(days=2)


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Difference of the epoch milliseconds, in seconds."""
    if start is None or end is None:
        return None
    return ((end - EPOCH) // MILLISECOND - (start - EPOCH) // MILLISECOND) / 1000


def percentile(values: list[float | None], q: float) -> float | None:
    """Continuous percentile: linear interpolation between the two neighbours."""
    known = sorted(v for v in values if v is not None)
    if not known:
        return None
    position = q * (len(known) - 1)
    below = int(position)
    above = min(below + 1, len(known) - 1)
    return known[below] + (known[above] - known[below]) * (position - below)


def parse_timestamp(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def parse_date(text: str) -> date:
    return date.fromisoformat(text)


def is_plausible(moment: datetime, fetched_at: datetime) -> bool:
    """Choice: 2015 itself and two days after the fetch to the microsecond are plausible still."""
    return FIRST_PLAUSIBLE <= moment <= fetched_at + PLAUSIBLY_AHEAD


def is_plausible_date(day: date, fetched_at: datetime) -> bool:
    """Choice: a date is held against the calendar date, in UTC, of two days after the fetch."""
    return FIRST_PLAUSIBLE.date() <= day <= (fetched_at + PLAUSIBLY_AHEAD).date()
