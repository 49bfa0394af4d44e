"""Which days to ask the ingestion status for, in which requests, and what is kept of that. Values only; no I/O.

Each sync asks for the last `settle_days` days in one request. What lies before them is asked for once, in windows of
30 days, the newest first: back to the oldest run known when it is the first sync, back to the last sync when nobody
synced for longer than `settle_days`. A day that was not reached is *pending* until it was.

Whether the API's `endDate` is itself part of an answer is not documented: each window names the day after its last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

from statsig_runs.plan import FIRST_PLAUSIBLE

LONGEST: Final = 30
"""Days to a window."""

TRY_AGAIN: Final = timedelta(hours=23)
"""How long a refused endpoint is left alone: a day, for syncs at the same hour that are not equally punctual."""

_LAG: Final = 2  # days: a scheduled run loads a date that lies so far before the day of its creation, in UTC


class Window(NamedTuple):
    """Days to ask for at once, from `first` to before `end`."""

    first: date
    end: date

    @property
    def days(self) -> list[Window]:
        """Each of its days by itself, the newest first."""
        numbers = range(self.end.toordinal() - 1, self.first.toordinal() - 1, -1)
        return [Window(date.fromordinal(number), date.fromordinal(number + 1)) for number in numbers]

    def __str__(self) -> str:
        last = date.fromordinal(self.end.toordinal() - 1)
        return f"{self.first}" if last == self.first else f"{self.first} to {last}"


@dataclass(frozen=True, slots=True)
class StatusProgress:
    """How far earlier syncs came, kept with the data they loaded.

    All days from `first` to `last` were asked for, but for those in `pending`; None: nothing was ever asked for.
    `refusal`: the status (403 or 404) with which the API refused the endpoint at `refused_at`; 0 for none.
    `is_turn_of_rest`: the last sync had no request left for what is pending, which therefore comes first now.
    """

    first: date | None = None
    last: date | None = None
    pending: tuple[Window, ...] = ()
    refusal: int = 0
    refused_at: datetime | None = None
    is_turn_of_rest: bool = False

    def is_refused(self, now: datetime) -> bool:
        """Whether the endpoint was refused so lately that it is left alone."""
        return self.refused_at is not None and self.refused_at <= now < self.refused_at + TRY_AGAIN

    def to_state(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "pending": [[window.first.isoformat(), window.end.isoformat()] for window in self.pending],
            "refusal": self.refusal,
            "refused_at": self.refused_at.isoformat() if self.refused_at else None,
            "is_turn_of_rest": self.is_turn_of_rest,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> StatusProgress:
        """The inverse of `to_state`; an empty mapping is no progress yet."""
        first, last, refused_at = (state.get(name) for name in ("first", "last", "refused_at"))
        return cls(
            first=date.fromisoformat(first) if first else None,
            last=date.fromisoformat(last) if last else None,
            pending=tuple(Window(*map(date.fromisoformat, window)) for window in state.get("pending", ())),
            refusal=int(state.get("refusal", 0)),
            refused_at=datetime.fromisoformat(refused_at).astimezone(UTC) if refused_at else None,
            is_turn_of_rest=bool(state.get("is_turn_of_rest")),
        )


def newest_window(today: date, settle_days: float, oldest: date | None) -> Window:
    """The days that every sync asks for: the last `settle_days`, but none before the oldest that is known."""
    floor = min(oldest or FIRST_PLAUSIBLE.date(), today)
    settled = today.toordinal() - math.ceil(settle_days)
    return Window(max(floor, date.fromordinal(max(settled, 1))), today + timedelta(days=1))


def wanted_days(progress: StatusProgress, newest: Window, oldest: date | None) -> set[int]:
    """The ordinals of all days to ask for: the newest, those pending, and those that nobody has asked for yet."""
    begin = min(newest.first, progress.last or newest.first)
    wanted = set(ordinals(Window(begin, newest.end)))
    for window in progress.pending:
        wanted.update(ordinals(window))
    if oldest:
        wanted.update(ordinals(Window(oldest, progress.first or newest.first)))
    return wanted


def cut(days: Iterable[int]) -> list[Window]:
    """Days, by their ordinals, in windows of at most `LONGEST`, the newest first."""
    return [
        Window(date.fromordinal(max(end - LONGEST, window.first.toordinal())), date.fromordinal(end))
        for window in reversed(ranges(days))
        for end in range(window.end.toordinal(), window.first.toordinal(), -LONGEST)
    ]


def ranges(days: Iterable[int]) -> tuple[Window, ...]:
    """Days, by their ordinals, in as few windows as there can be, the oldest first."""
    return tuple(_find_ranges(sorted(days)))


def _find_ranges(days: list[int]) -> Iterator[Window]:
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        yield Window(date.fromordinal(numbers[0]), date.fromordinal(numbers[-1] + 1))


def ordinals(window: Window) -> range:
    """The days of a window, as ordinals."""
    return range(window.first.toordinal(), window.end.toordinal())


def oldest_day(created_at: datetime | None) -> date | None:
    """The oldest date that a run which was created then may have loaded; None where it is not plausible."""
    if created_at is None or created_at < FIRST_PLAUSIBLE:
        return None
    return created_at.astimezone(UTC).date() - timedelta(days=_LAG)
