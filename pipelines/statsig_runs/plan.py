"""Which runs to ask for: new, unsettled, asked for by name. Pure functions and one small state machine; no I/O.

A run is *settled* when it is older than `settle_days` and not in progress: Statsig re-checks days for two weeks, so a
younger run may still change. The list endpoint brings ten runs a request, so paging comes before reading by id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

    `is_complete`: the list has once been read to its end. `page`: the last page loaded of a reading that was cut short,
    0 if none was. `oldest`: when the oldest run of that page was created, UTC; where the list is complete, what is
    known and older is known without a gap. `leftover`: ids that a sync meant to read and did not.
    """

    is_complete: bool = False
    page: int = 0
    oldest: datetime | None = None
    leftover: tuple[str, ...] = ()

    def to_state(self) -> dict[str, Any]:
        """JSON-ready values."""
        oldest = self.oldest.isoformat() if self.oldest else None
        return {"is_complete": self.is_complete, "page": self.page, "oldest": oldest, "leftover": list(self.leftover)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Progress:
        """The inverse of `to_state`; an empty mapping is no progress yet."""
        oldest = state.get("oldest")
        return cls(
            is_complete=bool(state.get("is_complete")),
            page=int(state.get("page", 0)),
            oldest=datetime.fromisoformat(oldest) if oldest else None,
            leftover=tuple(state.get("leftover", ())),
        )


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

    Newest first, a listing ends at the first page that holds only settled, unchanged runs. A reading that was cut short
    is finished before that, from the page after its last: new runs push old ones to later pages, so none is left out.
    It is done at the end of the list, or where what was known before it begins: the pages it has loaded itself look the
    same once they are settled. The direction is not promised, so until a page proves to be newest first, and once one
    proves not to be, every page is read.
    """

    progress: Progress
    full: bool = False
    since: datetime | None = None
    seen: set[str] = field(default_factory=set)
    is_newest_first: bool | None = None
    repeated_pages: int = 0
    _below: Progress = field(init=False)
    """What holds for the pages below those that are being read."""
    _is_resuming: bool = field(init=False)

    def __post_init__(self) -> None:
        self._below = self.progress
        oldest = self.progress.oldest
        is_wanted = not (self.since and oldest and oldest < self.since)
        self._is_resuming = self.progress.page > 0 and is_wanted

    @property
    def first_page(self) -> int:
        """The number of the page to begin with."""
        return self.progress.page + 1 if self._is_resuming else 1

    def restart(self) -> int:
        """Read all of the list from its first page: the one to begin with is refused, the list is not what it was."""
        self.progress = self._below = Progress()
        self._is_resuming = False
        return 1

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
        if self.repeated_pages == REPEATED_PAGES:
            return None
        if is_last or not runs:
            return self._finish(Progress(is_complete=True))
        if self._is_known(runs, known):
            return self._finish(Progress(is_complete=True) if self._is_resuming else self._below)
        # one cut is remembered: with another one below, or with known runs to read again, all pages below are to come
        is_complete = self._below.is_complete and not self.full and (self._is_resuming or not self._below.page)
        oldest = min((run.created_at for run in runs if run.created_at), default=self.progress.oldest)
        self.progress = Progress(is_complete=is_complete, page=number, oldest=oldest)
        return self._finish(self.progress) if self._is_before_since(runs) else number + 1

    def _finish(self, progress: Progress) -> int | None:
        """What was cut short is done: the new runs of the first pages are next, unless the new ones come last."""
        self.progress = self._below = progress
        was_resuming, self._is_resuming = self._is_resuming, False
        self.seen.clear()
        return 1 if was_resuming and self.is_newest_first is not False else None

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
        created = [run.created_at for run in runs if run.created_at]
        if self.full or not self.is_newest_first or not created:
            return False
        below = self._below
        if self._is_resuming:
            is_beyond = below.is_complete and below.oldest is not None and max(created) < below.oldest
        else:
            is_beyond = below.is_complete or below.page > 0
        valid = [run for run in runs if run.created_at]
        return is_beyond and all(is_unchanged(run, known) and known[run.run_id].is_settled for run in valid)
