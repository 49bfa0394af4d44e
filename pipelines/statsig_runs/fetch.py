"""Asks the API for what the plan wants, and hands on what the contract makes of the answers. It knows no table.

Order: what an earlier sync left over, the pages of the list, then by id whatever the pages did not bring.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from statsig_runs import contract
from statsig_runs.api import ConsoleApi, FailedRun, FetchedRun
from statsig_runs.contract import AcceptedRun, MissingRun, RejectedRun
from statsig_runs.errors import ApiError, ApiRequestError, RequestsSpentError
from statsig_runs.plan import REPEATED_PAGES, KnownRun, ListedRun, Listing, Progress, reads
from statsig_runs.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger(__name__)

_NOT_FOUND = 404
_SHORTEST_SECRET = 8

Fetched = AcceptedRun | RejectedRun | MissingRun | FailedRun
Lookup = Callable[["Collection[str]"], Mapping[str, KnownRun]]


@dataclass(frozen=True, slots=True)
class Request:
    """What one sync is asked to do; `max_requests` counts every request, retries included."""

    run_ids: tuple[str, ...] = ()
    discover: bool = True
    full: bool = False
    since: datetime | None = None
    max_requests: int | None = None


class Fetch:
    """One pass over the API; iterate it once. `progress` stands for what has been handed on, never for more.

    Args:
        api: the client.
        request: what to do.
        progress: how far earlier syncs came.
        known: what the warehouse holds of given runs.
        unsettled: ids of the runs to read again when no page brings them.
        secret: the key, which a hostile payload may echo.
    """

    def __init__(
        self,
        api: ConsoleApi,
        request: Request,
        progress: Progress,
        *,
        known: Lookup,
        unsettled: Callable[[], Iterable[str]],
        secret: str,
    ) -> None:
        self.is_cut = False
        self.planned: int | None = None  # runs in all, once that is known
        self._api = api
        self._request = request
        self._listing = Listing(progress, full=request.full, since=request.since)
        self._listed = progress
        self._waiting = dict.fromkeys(progress.leftover)
        self._failed: list[str] = []
        self._known = known
        self._unsettled = unsettled
        # a local server may take `test` for a key, but that is in `latestStatus` too
        self._redactor = Redactor([secret] if len(secret) >= _SHORTEST_SECRET else [])
        self._brought: set[str] = set()

    @property
    def progress(self) -> Progress:
        """What the next sync has to know, once everything handed on so far is loaded."""
        return replace(self._listed, leftover=(*self._failed, *self._waiting))

    def __iter__(self) -> Iterator[Fetched]:
        """Everything the plan wants, in the order in which it comes.

        Raises:
            NotAuthorisedError: the API refused the key.
            ApiError: the API could not be reached.
        """
        yield from self._read_waiting()
        refusal: ApiError | None = None
        unsettled = self._unsettled
        if self._request.discover:
            try:
                yield from self._page()
            except ApiRequestError as error:  # the list alone: ids can still be read
                refusal = error
            except ApiError as error:
                if not (self._api.has_answered and self._request.run_ids):
                    raise
                refusal, unsettled = error, tuple  # perhaps the list alone: what was asked for by name is worth a try
        if self.is_cut:  # the list may still bring them, ten to a request: no reason to ask for them by id first
            unsettled = tuple
        self._waiting |= dict.fromkeys(reads(self._request.run_ids, unsettled(), brought=self._brought))
        yield from self._read_waiting()
        if isinstance(refusal, ApiRequestError) and refusal.status == _NOT_FOUND:
            if not self._request.run_ids:
                hint = "Check the setting base_url; an API without a list of runs can be asked by --run-id only."
                raise ApiRequestError(f"{refusal}. {hint}", _NOT_FOUND)
            log.warning("this API has no list of runs; only the ids given were read")
        elif refusal:
            raise refusal
        if self.is_cut:
            log.warning(
                "stopped at the limit of %s requests; the next sync goes on from here", self._request.max_requests
            )

    def _page(self) -> Iterator[Fetched]:
        number: int | None = self._listing.first_page
        link, is_linked = f"?page={number}", False
        while number and not self._is_spent():
            try:
                page = self._api.read_page(link)
            except RequestsSpentError:
                self.is_cut = True
                return
            except ApiRequestError:
                if number == 1 or is_linked:
                    raise
                number = self._listing.restart()
                link = f"?page={number}"
                continue
            outcomes = [self._validate(body, page.fetched_at) for body in page.runs]
            known = self._known([outcome.run_id for outcome in outcomes if outcome.run_id])
            is_last = page.next_page is None
            read = page.number or number  # not every API says which page it sends
            number = self._listing.next_page(read, [_listed(run) for run in outcomes], known, is_last=is_last)
            yield from outcomes
            self._brought.update(run.run_id for run in outcomes)
            self._listed = self._listing.progress
            is_linked = number == read + 1
            link = page.next_page if is_linked and page.next_page else f"?page={number}"
        if self._listing.repeated_pages == REPEATED_PAGES:
            log.warning("the API lists the same runs over and over; the list was not read to its end")

    def _read_waiting(self) -> Iterator[Fetched]:
        self.planned = len(self._brought) + len(self._waiting)
        for answer in self._api.read_runs(self._affordable()):
            if isinstance(answer, FailedRun) and isinstance(answer.error, RequestsSpentError):
                self.is_cut = True
                continue
            if isinstance(answer, FetchedRun):
                yield self._validate(answer.body, answer.fetched_at, answer.run_id)
            else:
                yield answer
            if isinstance(answer, FailedRun) and not isinstance(answer.error, ApiRequestError):
                self._failed.append(answer.run_id)  # the API was in trouble, not the id in error: try again next time
            self._brought.add(answer.run_id)
            del self._waiting[answer.run_id]

    def _affordable(self) -> Iterator[str]:
        for run_id in list(self._waiting):
            if self._is_spent():
                return
            yield run_id

    def _is_spent(self) -> bool:
        limit = self._request.max_requests
        if limit is not None and self._api.usage.requests >= limit:
            self.is_cut = True
        return self.is_cut

    def _validate(self, body: bytes, fetched_at: datetime, run_id: str | None = None) -> AcceptedRun | RejectedRun:
        return contract.read_run(self._redactor.scrub_payload(body), fetched_at=fetched_at, run_id=run_id)


def fetch_everything(
    api: ConsoleApi, run_ids: Iterable[str], *, discover: bool, secret: str
) -> Iterator[AcceptedRun | RejectedRun | MissingRun]:
    """The runs named and, if asked for, the whole list; for pipelines without a state. A run that fails is logged."""
    request = Request(run_ids=tuple(run_ids), discover=discover, full=True)
    fetch = Fetch(api, request, Progress(), known=lambda _: {}, unsettled=tuple, secret=secret)
    for outcome in fetch:
        if isinstance(outcome, FailedRun):
            log.error("run %s could not be read: %s", outcome.run_id, outcome.error)
        else:
            yield outcome


def _listed(outcome: AcceptedRun | RejectedRun) -> ListedRun:
    created_at = outcome.run.createdAt if isinstance(outcome, AcceptedRun) else None
    return ListedRun(outcome.run_id, outcome.content_hash, created_at)
