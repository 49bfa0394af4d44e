"""What one sync is asked to do, and how the requests that it may make are divided. Knows no API and no table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from statsig_runs.plan import Progress

_TOO_FEW: Final = 3
"""Requests that are not worth dividing."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one sync is asked to do.

    `max_requests` counts every request, retries included. `is_status_wanted`: the ingestion status is asked for after
    the runs.
    """

    run_ids: tuple[str, ...] = ()
    discover: bool = True
    full: bool = False
    since: datetime | None = None
    max_requests: int | None = None
    is_status_wanted: bool = False

    @property
    def most_for_runs(self) -> int | None:
        """How many requests runs may take: one is left for the ingestion status, unless there are very few."""
        if self.max_requests is None or self.max_requests <= _TOO_FEW or not self.is_status_wanted:
            return self.max_requests
        return self.max_requests - 1

    def most_for_pages(self, ids: int, progress: Progress) -> tuple[int | None, int | None]:
        """How many of the requests for runs go to pages, and how many pages to the top of the list.

        Each part of the work gets on in each sync, so that none waits for ever: half is for ids, if there are any, one
        request for what could not be read before, and of the pages half is for what an interrupted reading has left.

        Args:
            ids: how many runs wait to be asked for by id.
            progress: how far earlier syncs came.
        """
        most = self.most_for_runs
        if most is None:
            return None, None
        again = any(gap.is_bad for gap in progress.gaps) + bool(progress.failed) if most > _TOO_FEW else 0
        pages = max(most - min(ids, most // 2) - again, 1)
        return pages, max(pages // 2, 1)
