"""The readings of one sync: which page of the list is next, and what will be known once it is loaded. No I/O.

What a reading is, and what becomes of one that is interrupted, `plan` explains. Two things are not promised by the API,
and not relied on: which page it says it sends (pages are counted here), and that the newest come first. While the pages
of a sync do not show the order, and where it is another, all are read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from statsig_runs.plan import Gap, KnownRun, ListedRun, Progress, merge_gaps

REPEATED_PAGES: Final = 3
"""So many pages in a row without a run that was not listed before: the server ignores the page number."""

UNREADABLE_PAGES: Final = 3
"""So many pages in a row that cannot be read: a reading ends there for this time."""

_MARKS: Final = 10  # runs by which the end of an unreadable page is known again
_MOST_OUT_OF_ORDER: Final = 0.2  # of the neighbours on a page


@dataclass(slots=True)
class _Reading:
    """A reading that is under way: what is left of it is `gap`.

    `is_top`: it is the one from page 1. `is_recheck`: it looks for changes only. `hole` is the first of the pages just
    above that could not be read, 0 if the last one could; `failures` is how many they are, `refusals` how many of them
    the API refused (4xx).
    """

    gap: Gap
    is_top: bool = False
    is_recheck: bool = False
    has_begun: bool = False
    hole: int = 0
    failures: int = 0
    refusals: int = 0

    @property
    def rest(self) -> Gap:
        """What is left to the next sync when this reading stops here."""
        if not self.hole:
            return self.gap
        if self.refusals == UNREADABLE_PAGES:  # the list is shorter than it was: its pages are looked for from the top
            return replace(self.gap, page=1, is_bad=False)
        return replace(self.gap, page=self.hole, is_bad=True)

    @property
    def is_owed(self) -> bool:
        """Whether the next sync has to be told what is left.

        It need not be of a reading from the top or a recheck that has not begun: each sync makes these anyway.
        """
        return self.has_begun or not (self.is_top or self.is_recheck)


class Listing:
    """The bookkeeping of one sync's readings: which page is next, and what will be known once the last one is loaded.

    The order: what is new at the top; the gaps of interrupted readings; further down from the top, what may still
    change; the pages that could not be read last time. No page is asked for twice.

    Args:
        progress: how far earlier syncs came.
        full: read all pages.
        since: leave out what was created before.
        most_at_top: how many pages of the top to read before the gaps have their turn; None for no limit.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        full: bool = False,
        since: datetime | None = None,
        most_at_top: int | None = None,
    ) -> None:
        self.is_repeating = False
        self._progress = progress
        self._full = full
        self._since = since
        self._most_at_top = most_at_top
        self._as_of = progress.as_of
        self._has_read_top = False
        self._bad = {gap.page for gap in progress.gaps if gap.is_bad}
        self._asked: dict[int, tuple[str, ...] | None] = {}  # the runs of each page, None for one that was not readable
        self._last_page = 0  # of the list, once it is known
        self._is_newest_first: bool | None = None
        self._left: list[Gap] = []  # what the next sync has to read
        self._seen: set[str] = set()
        self._repeated = 0
        top = _Reading(Gap(1, None if full else progress.as_of), is_top=True)
        gaps = [_Reading(gap) for gap in sorted(progress.gaps, key=lambda gap: (gap.is_bad, gap.page))]
        self._is_turn_of_rest = progress.is_turn_of_rest and bool(gaps)
        self._waiting: deque[_Reading] = deque((*gaps, top) if self._is_turn_of_rest else (top, *gaps))
        self._reading: _Reading | None = None
        self._begin()

    @property
    def page(self) -> int | None:
        """The number of the page to ask for next, from 1; None: the list has told enough."""
        return self._reading.gap.page if self._reading else None

    @property
    def is_bad(self) -> bool:
        """Whether that page could not be read last time either."""
        return self.page in self._bad

    @property
    def progress(self) -> Progress:
        """What the next sync has to know, once everything that was taken so far is loaded."""
        if self._as_of is None:
            return Progress()
        open_readings = [self._reading, *self._waiting] if self._reading else self._waiting
        rests = [reading.rest for reading in open_readings if reading.is_owed]
        return Progress(as_of=self._as_of, gaps=merge_gaps([*self._left, *map(self._step_over, rests)]))

    def take(
        self, runs: Sequence[ListedRun], known: Mapping[str, KnownRun], *, is_last: bool, fetched_at: datetime
    ) -> None:
        """Note that the page asked for was read.

        Args:
            runs: its elements, in the API's order.
            known: what the warehouse knew of them before.
            is_last: the API names no next page.
            fetched_at: when it was answered.
        """
        reading = self._current()
        reading.has_begun = True
        page, ids = reading.gap.page, tuple(run.run_id or run.content_hash for run in runs)
        self._asked[page] = ids
        self._learn_order(runs)
        self._has_read_top = self._has_read_top or reading.is_top
        if self._has_read_top:
            self._as_of = fetched_at
        self._repeated = self._repeated + 1 if self._seen.issuperset(ids) else 0
        self._seen.update(ids)
        is_end = self._pass(reading, ids)
        oldest = min((run.created_at for run in runs if run.created_at), default=reading.gap.oldest)
        reading.gap = replace(reading.gap, page=page + 1, oldest=oldest, is_bad=False)
        if is_last or (not runs and self._repeated == REPEATED_PAGES):
            self._last_page = page
            self._begin()
        elif self._repeated == REPEATED_PAGES:
            self.is_repeating = True
            owed = [each.rest for each in self._waiting if each.is_owed]
            self._left += [replace(reading.rest, page=page - REPEATED_PAGES + 1), *owed]
            self._waiting.clear()
            self._begin()
        elif is_end or self._is_told(reading, runs, known):
            self._begin()
        elif reading.is_top and self._brings_nothing_new(runs, known) and self._has_gaps_waiting():
            # below, runs may still have changed: that is looked at once the gaps are read
            self._postpone(_Reading(reading.gap, is_recheck=True))
            self._begin()
        elif reading.is_top and page == self._most_at_top and self._has_gaps_waiting():
            self._postpone(_Reading(reading.rest))
            self._begin()
        elif self._is_before_since(runs):
            self._left.append(reading.rest)
            self._begin()
        else:
            self._step()

    def fail(self, *, is_refused: bool = False) -> None:
        """Note that the page asked for cannot be read, or that the API refuses it: the next one can, perhaps."""
        reading = self._current()
        reading.has_begun = True
        reading.refusals += is_refused
        self._asked[reading.gap.page] = None
        self._step()

    def start_over(self) -> bool:
        """Note that the API refuses the number of the page that a gap begins with: the list is not what it was.

        What the gap stands for is looked for from page 1. Returns whether that is worth while.
        """
        reading = self._current()
        if reading.has_begun or reading.is_top or reading.gap.is_bad or reading.gap.page == 1:
            return False
        reading.has_begun = True
        reading.gap = replace(reading.gap, page=1)
        self._step()
        return True

    def _current(self) -> _Reading:
        if self._reading is None:
            raise ValueError("no page was asked for")
        return self._reading

    def _begin(self) -> None:
        """Go on to the next reading."""
        self._reading = self._waiting.popleft() if self._waiting else None
        self._seen.clear()
        self._repeated = 0
        if self._reading:
            oldest, since = self._reading.gap.oldest, self._since
            if since and oldest and oldest < since and self._is_newest_first:
                self._left.append(self._reading.rest)
                self._begin()
            else:
                self._step()

    def _step(self) -> None:
        """Go to the next page of this reading that was not asked for yet."""
        reading = self._current()
        while True:
            page = reading.gap.page
            if self._last_page and page > self._last_page:
                if reading.hole:
                    self._left.append(reading.rest)
                self._begin()
                return
            if page not in self._asked:
                return
            ids = self._asked[page]
            if ids is None:
                reading.hole = reading.hole or page
                reading.failures += 1
                if reading.failures == UNREADABLE_PAGES:
                    self._left.append(reading.rest)
                    self._begin()
                    return
            elif self._pass(reading, ids):
                self._begin()
                return
            reading.gap = replace(reading.gap, page=page + 1)

    def _pass(self, reading: _Reading, ids: tuple[str, ...]) -> bool:
        """Note that a page is readable: a hole above it ends here. Returns whether the reading does."""
        if reading.hole:
            self._left.append(replace(reading.rest, below=ids[:_MARKS]))
            reading.hole = reading.failures = reading.refusals = 0
        return not set(reading.gap.below).isdisjoint(ids)

    def _step_over(self, gap: Gap) -> Gap:
        """A gap without the pages at its beginning that were read in this sync."""
        page = gap.page
        while self._asked.get(page) is not None:
            page += 1
        return gap if page == gap.page else replace(gap, page=page, is_bad=False)

    def _has_gaps_waiting(self) -> bool:
        return any(not each.gap.is_bad and not each.is_top for each in self._waiting)

    def _postpone(self, reading: _Reading) -> None:
        """Let a reading wait until the interrupted ones have had their turn, but not those of pages that failed."""
        bad = [each for each in self._waiting if each.gap.is_bad]
        self._waiting = deque([*(each for each in self._waiting if not each.gap.is_bad), reading, *bad])

    def _learn_order(self, runs: Sequence[ListedRun]) -> None:
        # within a page only: between two, new runs may have pushed some on to be listed again
        created = [run.created_at for run in runs if run.created_at]
        rising = sum(later > earlier for earlier, later in pairwise(created))
        if created and created[0] != created[-1]:
            is_falling = created[0] > created[-1] and rising <= _MOST_OUT_OF_ORDER * len(created)
            self._is_newest_first = is_falling and self._is_newest_first is not False

    def _is_before_since(self, runs: Sequence[ListedRun]) -> bool:
        created = [run.created_at for run in runs if run.created_at]
        since = self._since
        return bool(since and self._is_newest_first and created and all(moment < since for moment in created))

    def _brings_nothing_new(self, runs: Sequence[ListedRun], known: Mapping[str, KnownRun]) -> bool:
        """Whether the page only holds runs that were known when the last sync was done with the top of the list."""
        return _existed(runs, known, self._progress.as_of)

    def _is_told(self, reading: _Reading, runs: Sequence[ListedRun], known: Mapping[str, KnownRun]) -> bool:
        """Whether nothing below this page is new to this reading, or can have changed."""
        if self._full or not self._is_newest_first or not _existed(runs, known, reading.gap.as_of):
            return False
        dated = [run for run in runs if run.created_at]
        return all(known[run.run_id].is_settled and known[run.run_id].content_hash == run.content_hash for run in dated)


def _existed(runs: Sequence[ListedRun], known: Mapping[str, KnownRun], as_of: datetime | None) -> bool:
    """Whether a page's runs were all fetched before: then they were listed then, and so was what is below them.

    A run that is known only because it was asked for by name since tells nothing about its neighbours. Elements that
    the contract refused tell nothing either.
    """
    dated = [run for run in runs if run.created_at]
    if as_of is None or not dated:
        return False
    return all(run.run_id in known and known[run.run_id].fetched_at <= as_of for run in dated)
