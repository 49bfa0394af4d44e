"""Asks for the ingestion status of the days that are wanted, and hands on its messages. It knows no table.

Nothing that goes wrong here is raised: the runs of the same sync are to be loaded in any case. An endpoint that is
refused is told once and left alone for a day; what could not be read is told, and asked for again by the next sync.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from statsig_runs.contract import AcceptedRun
from statsig_runs.errors import (
    AnswerTooLongError,
    ApiError,
    ApiRequestError,
    NotAuthorisedError,
    RequestsSpentError,
)
from statsig_runs.fetch import Unread
from statsig_runs.redact import payload_redactor
from statsig_runs.status_messages.endpoint import EndpointRefused, read_pages
from statsig_runs.status_messages.message import Message, read_message
from statsig_runs.status_messages.plan import (
    StatusProgress,
    Window,
    cut,
    newest_window,
    oldest_day,
    ordinals,
    ranges,
    wanted_days,
)

if TYPE_CHECKING:
    from statsig_runs.api import ConsoleApi

log = logging.getLogger(__name__)

_UNREADABLE_IN_A_ROW: Final = 3  # windows; then the endpoint is taken to be down
_BARREN_PAGES: Final = 3  # in a row, without a message that was not on a page before
_MOST_PAGES: Final = 1_000  # of one window


class StatusFetch:
    """One pass over the days that are wanted; iterate it once. `progress` stands for what was handed on, not for more.

    Args:
        api: the client.
        progress: how far earlier syncs came.
        now: the moment of the sync, UTC.
        settle_days: how many days every sync asks for.
        oldest: when the oldest run that is loaded was created; asked once, before the first request.
        secret: the key, which a hostile message may echo.
    """

    def __init__(
        self,
        api: ConsoleApi,
        progress: StatusProgress,
        *,
        now: datetime,
        settle_days: float,
        oldest: Callable[[], datetime | None],
        secret: str,
    ) -> None:
        self.progress = progress
        self._api = api
        self._now = now
        self._settle_days = settle_days
        self._oldest_loaded = oldest
        self._oldest_seen: datetime | None = None
        self._redactor = payload_redactor(secret)
        self._pending: set[int] = set()

    def note(self, outcome: object) -> None:
        """Look at what the same sync brings of runs: they may go back further than what is loaded."""
        if isinstance(outcome, AcceptedRun) and oldest_day(outcome.run.createdAt):
            created_at = outcome.run.createdAt
            self._oldest_seen = min(self._oldest_seen or created_at, created_at)

    def __iter__(self) -> Iterator[Message | Unread]:
        """The messages of all days that are wanted, and what could not be read."""
        if self.progress.is_refused(self._now):
            return
        windows = self._plan()
        failures = 0
        while windows:
            window = windows.popleft()
            try:
                yield from self._read(window)
            except EndpointRefused as refusal:
                self._note_refusal(refusal)
                return
            except RequestsSpentError:
                self.progress = replace(self.progress, is_turn_of_rest=not self.progress.is_turn_of_rest)
                return
            except AnswerTooLongError as error:
                if len(window.days) > 1:
                    windows.extendleft(reversed(window.days))
                    continue
                yield self._give_up(window, error)
            except ApiRequestError as error:
                yield self._give_up(window, error)
            except (ApiError, NotAuthorisedError) as error:
                yield Unread(f"ingestion status of {window}", error)
                failures += 1
                if failures == _UNREADABLE_IN_A_ROW or isinstance(error, NotAuthorisedError):
                    return
                continue
            failures = 0
            self._finish(window)
        self.progress = replace(self.progress, is_turn_of_rest=False)

    def _plan(self) -> deque[Window]:
        """The windows to ask for, in their order; from now on all of their days are pending."""
        known = [moment for moment in (self._oldest_loaded(), self._oldest_seen) if moment]
        oldest = oldest_day(min(known, default=None))
        newest = newest_window(self._now.date(), self._settle_days, oldest)
        self._pending = wanted_days(self.progress, newest, oldest)
        rest = cut(self._pending - set(ordinals(newest)))
        first = min(day for day in (self.progress.first, oldest, newest.first) if day)
        self.progress = replace(self.progress, first=first, last=self._now.date(), pending=ranges(self._pending))
        return deque([*rest, newest] if self.progress.is_turn_of_rest else [newest, *rest])

    def _read(self, window: Window) -> Iterator[Message]:
        seen: set[bytes] = set()
        barren = 0
        for number, page in enumerate(read_pages(self._api, window), 1):
            self._note_answer()
            before = len(seen)
            for body in page.messages:
                digest = hashlib.sha256(body).digest()
                if digest not in seen:
                    seen.add(digest)
                    yield read_message(self._redactor.scrub_payload(body), fetched_at=page.fetched_at)
            barren = 0 if len(seen) > before else barren + 1
            if page.next_link and (barren == _BARREN_PAGES or number == _MOST_PAGES):
                log.warning("the pages of the ingestion status of %s do not end; no more of them were read", window)
                return

    def _give_up(self, window: Window, error: ApiError) -> Unread:
        """What asking again makes no better is told, and not asked for again."""
        self._finish(window)
        return Unread(f"ingestion status of {window}", error)

    def _finish(self, window: Window) -> None:
        self._pending -= set(ordinals(window))
        self.progress = replace(self.progress, pending=ranges(self._pending))

    def _note_refusal(self, refusal: EndpointRefused) -> None:
        """Tell it, unless the last answer was the same."""
        level = logging.DEBUG if self.progress.refusal == refusal.status else logging.WARNING
        log.log(
            level,
            "the API refuses the ingestion status (%s: %s); runs are loaded without it. It is tried again after a day; "
            "`status = false` switches it off",
            refusal.status,
            refusal,
        )
        self.progress = replace(self.progress, refusal=refusal.status, refused_at=self._now)

    def _note_answer(self) -> None:
        if self.progress.refusal:
            log.info("the API answers for the ingestion status again")
            self.progress = replace(self.progress, refusal=0, refused_at=None)
