"""What a sync has to know to choose what it asks for: how far earlier ones came, which runs are settled. No I/O.

The list has ten runs to a page, newest first, and grows at its top. A sync wants what is new, which is at the top, and
what may still change, which is below it: every run that is not *settled* (see `is_settled`).

A *reading* goes down the list page by page, until it has told enough: it is at the end, or at runs that were known
when an earlier sync was done and that cannot change any more. Each sync begins with a reading from page 1.

A reading may be interrupted: by `--max-requests`, by a kill, by a page that cannot be read. What it did not get to is
a *gap*: a page to go on from, and the moment `as_of` before which everything below was known. The next sync reads the
top first, then goes on with the gaps. For example, with some 100 pages:

    02:00  the first sync is killed in page 41
           known: all that was listed at 02:00, but for the gap from page 41 to the end
    03:00  page 1 has 3 new runs, page 2 none; then the gap, pages 41 to 100; page 57 answers 500 each time
           known: all that was listed at 03:00, but for the gap at page 57, which ends with the runs of page 58
    04:00  page 1 has nothing new; pages 2 and 3 have runs that may still change, page 4 has settled ones only;
           then the gap: page 57 is well again
           known: all that was listed at 04:00

New runs push old ones to later pages, so what is missing is never above the page that its gap names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

FIRST_PLAUSIBLE: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""No run was created before."""
LONGEST_AHEAD: Final = timedelta(days=2)
"""No run was created so long after its fetch."""
_MOST_GAPS: Final = 50  # more of them are read as one


@dataclass(frozen=True, slots=True)
class KnownRun:
    """What the warehouse knows of a run; `content_hash` is that of its latest payload."""

    run_id: str
    content_hash: str
    fetched_at: datetime
    is_settled: bool


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One element of a page; `created_at` is None where it is not known or not plausible."""

    run_id: str
    content_hash: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the list that is still to be read.

    It begins at page `page`, as pages were when it was made, or further down. It ends with the list, with a run of
    `below`, or where a page holds only settled runs that were known at `as_of`; None: nothing below was known.
    `oldest` is when the oldest run above it was created. `is_bad`: its first page could not be read when it was asked
    for last.
    """

    page: int
    as_of: datetime | None = None
    oldest: datetime | None = None
    below: tuple[str, ...] = ()
    is_bad: bool = False

    def to_state(self) -> dict[str, Any]:
        """JSON-ready values."""
        as_of, oldest = _write(self.as_of), _write(self.oldest)
        return {"page": self.page, "as_of": as_of, "oldest": oldest, "below": list(self.below), "is_bad": self.is_bad}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Gap:
        """The inverse of `to_state`."""
        as_of, oldest = _read(state.get("as_of")), _read(state.get("oldest"))
        return cls(int(state["page"]), as_of, oldest, tuple(state.get("below", ())), bool(state.get("is_bad")))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far earlier syncs came, kept with the data they loaded.

    Everything that was listed at `as_of` is known, but for the gaps; None: no page was ever read. `leftover`: ids that
    a sync meant to read and did not ask for. `failed`: ids that could not be read. `is_turn_of_rest`: the last sync
    could make one request only, which brought what is new: the next may spend its one on the rest.
    """

    as_of: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    leftover: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    is_turn_of_rest: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether the list has been read to its end, and nothing of it is missing."""
        return self.as_of is not None and not self.gaps

    def to_state(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "as_of": _write(self.as_of),
            "gaps": [gap.to_state() for gap in self.gaps],
            "leftover": list(self.leftover),
            "failed": list(self.failed),
            "is_turn_of_rest": self.is_turn_of_rest,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Progress:
        """The inverse of `to_state`; an empty mapping is no progress yet."""
        return cls(
            as_of=_read(state.get("as_of")),
            gaps=tuple(Gap.from_state(gap) for gap in state.get("gaps", ())),
            leftover=tuple(state.get("leftover", ())),
            failed=tuple(state.get("failed", ())),
            is_turn_of_rest=bool(state.get("is_turn_of_rest")),
        )


def merge_gaps(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Gaps in the order of their pages: those from one page as one, and a few rather than many."""
    merged: list[Gap] = []
    for gap in sorted(gaps, key=lambda each: (each.page, each.below)):
        last = merged[-1] if merged else None
        if last and last.page == gap.page and (last.below == gap.below or not last.below):
            merged[-1] = _unite(last, gap)
        else:
            merged.append(gap)
    while len(merged) > _MOST_GAPS:
        merged[-2:] = [_unite(*merged[-2:])]
    return tuple(merged)


def _unite(upper: Gap, lower: Gap) -> Gap:
    """One gap that holds both, and what is between them."""
    as_of = min(upper.as_of, lower.as_of) if upper.as_of and lower.as_of else None
    below = upper.below if upper.below == lower.below else ()
    return replace(upper, as_of=as_of, below=below, is_bad=upper.is_bad and lower.is_bad)


def is_plausible(created_at: datetime, now: datetime) -> bool:
    """Whether a run can have been created then: neither before 2015 nor more than two days ahead of `now`."""
    return FIRST_PLAUSIBLE <= created_at <= now + LONGEST_AHEAD


def is_settled(created_at: datetime, *, in_progress: bool, now: datetime, settle_days: float) -> bool:
    """Whether a run is done with: not in progress, and older than `settle_days` days by `created_at`.

    Statsig re-checks days for two weeks, so a younger run may still change. A time far ahead is no age.
    """
    is_old = created_at < now - timedelta(days=settle_days) or created_at > now + LONGEST_AHEAD
    return is_old and not in_progress


def reads(*groups: Iterable[str], brought: Collection[str]) -> list[str]:
    """Ids to read by id, in order and each once, without those that have been brought already."""
    return [run_id for run_id in dict.fromkeys(each for group in groups for each in group) if run_id not in brought]


def _write(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _read(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
