"""Which runs to ask for: new, unsettled, asked for by name. Pure functions and one small state machine; no I/O.

A run is *settled* when it is older than `settle_days` and not in progress: Statsig re-checks days for two weeks, so a
younger run may still change. The list endpoint brings ten runs a request, so paging comes before reading by id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

REPEATED_PAGES: Final = 3
"""So many pages in a row without a run that was not listed before: the server ignores the page number."""


@dataclass(frozen=True, slots=True)
class KnownRun:
    """What the warehouse knows of a run; `content_hash` is that of its latest payload."""

    run_id: str
    content_hash: str
    fetched_at: datetime
    is_settled: bool


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One element of a page; `created_at` is None where the contract refused the payload."""

    run_id: str
    content_hash: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far earlier syncs came, kept with the data they loaded.

    `is_complete`: the list has once been read to its end. `page`: the last page loaded of a first reading that was
    cut short. `leftover`: ids that a sync meant to read and did not.
    """

    is_complete: bool = False
    page: int = 0
    leftover: tuple[str, ...] = ()

    def to_state(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {"is_complete": self.is_complete, "page": self.page, "leftover": list(self.leftover)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Progress:
        """The inverse of `to_state`; an empty mapping is no progress yet."""
        return cls(bool(state.get("is_complete")), int(state.get("page", 0)), tuple(state.get("leftover", ())))


def is_settled(created_at: datetime, *, in_progress: bool, now: datetime, settle_days: float) -> bool:
    """Whether a run is done with: older than `settle_days` days by `created_at`, and not in progress."""
    return not in_progress and created_at < now - timedelta(days=settle_days)


def is_unchanged(run: ListedRun, known: Mapping[str, KnownRun]) -> bool:
    """Whether the warehouse holds this very payload as the run's latest."""
    return run.run_id in known and known[run.run_id].content_hash == run.content_hash


def reads(*groups: Iterable[str], brought: Collection[str]) -> list[str]:
    """Ids to read by id, in order and each once, without those that have been brought already."""
    return [run_id for run_id in dict.fromkeys(each for group in groups for each in group) if run_id not in brought]


@dataclass(slots=True)
class Listing:
    """Pages through the list: says after each page which page comes next, None when the list has told enough.

    Newest first, a listing ends at the first page that holds only settled, unchanged runs. Where an earlier first
    reading was cut short it goes on from there instead, one page earlier: new runs push old ones to later pages. The
    direction is not promised, so until a page proves to be newest first, and once one proves not to be, every page is
    read.
    """

    progress: Progress
    full: bool = False
    since: datetime | None = None
    seen: set[str] = field(default_factory=set)
    is_newest_first: bool | None = None
    repeated_pages: int = 0
    _has_resumed: bool = False

    def next_page(
        self, number: int, runs: Sequence[ListedRun], known: Mapping[str, KnownRun], *, is_last: bool
    ) -> int | None:
        """The number of the page to read after this one.

        Args:
            number: this page's number, from 1.
            runs: its elements, in the API's order.
            known: what the warehouse knew of them before.
            is_last: the API names no next page.
        """
        is_repeated = bool(runs) and self.seen.issuperset(run.run_id for run in runs)
        self.repeated_pages = self.repeated_pages + 1 if is_repeated else 0
        self.seen.update(run.run_id for run in runs)
        self._learn_direction(runs)
        if is_last or not runs:
            self.progress = replace(self.progress, is_complete=True, page=0)
            return None
        if not self.progress.is_complete:
            self.progress = replace(self.progress, page=max(self.progress.page, number))
        if self.repeated_pages == REPEATED_PAGES or self._is_before_since(runs):
            return None
        if self.full or self._has_resumed or not self._is_known(runs, known):
            return number + 1
        if self.progress.is_complete:
            return None
        self._has_resumed = True
        return max(number + 1, self.progress.page - 1)

    def _learn_direction(self, runs: Sequence[ListedRun]) -> None:
        # within a page only: between two, new runs may have pushed some on to be listed again
        created = [run.created_at for run in runs if run.created_at]
        if created and created[0] != created[-1]:
            self.is_newest_first = created[0] > created[-1] and self.is_newest_first is not False

    def _is_before_since(self, runs: Sequence[ListedRun]) -> bool:
        created = [run.created_at for run in runs if run.created_at]
        since = self.since
        return bool(since and self.is_newest_first and created and all(moment < since for moment in created))

    def _is_known(self, runs: Sequence[ListedRun], known: Mapping[str, KnownRun]) -> bool:
        valid = [run for run in runs if run.created_at]
        return bool(self.is_newest_first and valid) and all(
            is_unchanged(run, known) and known[run.run_id].is_settled for run in valid
        )
