"""Asks the API for what the plan wants, and hands on what the contract makes of the answers. It knows no table.

Order: the pages of the list, as `listing` wants them; then by id whatever the pages did not bring: the ids asked
for, those that an earlier sync did not get to, those of runs that may still change, and last those that could not be
read. What cannot be read is told and stands in the way of nothing else, unless it shows that the API is down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from statsig_runs import contract
from statsig_runs.api import ConsoleApi, FailedRun, FetchedRun, RunPage, Runs
from statsig_runs.api.runs import page_link
from statsig_runs.contract import AcceptedRun, MissingRun, Outcome, RejectedRun
from statsig_runs.errors import ApiError, ApiRequestError, NotAuthorisedError, RequestsSpentError
from statsig_runs.listing import Listing
from statsig_runs.pages import BRIEFLY, Pages
from statsig_runs.plan import KnownRun, ListedRun, Progress, is_plausible, reads
from statsig_runs.redact import payload_redactor
from statsig_runs.request import Request

log = logging.getLogger(__name__)

_NOT_FOUND: Final = 404
_UNREADABLE_IN_A_ROW: Final = 20  # runs; then reading by id ends for this time


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read this time: `what` names it, as in `run r7` or `page 3 of the list`."""

    what: str
    error: ApiError | NotAuthorisedError


Lookup = Callable[[Collection[str]], Mapping[str, KnownRun]]


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
        unsettled: Collection[str],
        secret: str,
    ) -> None:
        self.is_cut = False
        self.planned: int | None = None  # runs in all, once that is known
        self._api = api
        self._runs = Runs(api)
        self._pages = Pages(self._runs)
        self.request = request
        self._listed = progress
        self._waiting = dict.fromkeys((*request.run_ids, *progress.leftover))  # not asked for yet
        self._failed = dict.fromkeys(progress.failed)
        self._known = known
        self._unsettled = unsettled
        self._redactor = payload_redactor(secret)
        self._brought: dict[str, str] = {}  # the hash of each run's payload, empty where there was none
        self._most_for_pages, most_at_top = request.most_for_pages(len(self._waiting), progress)
        self._is_turn_of_rest = progress.is_turn_of_rest and request.max_requests == 1
        self._listing = Listing(
            replace(progress, is_turn_of_rest=self._is_turn_of_rest),
            full=request.full,
            since=request.since,
            most_at_top=most_at_top,
        )

    @property
    def progress(self) -> Progress:
        """What the next sync has to know, once everything handed on so far is loaded."""
        is_one = self.request.max_requests == 1
        return replace(
            self._listed,
            leftover=tuple(self._waiting),
            failed=tuple(self._failed),
            is_turn_of_rest=is_one and not self._is_turn_of_rest and bool(self._listed.gaps or self._waiting),
        )

    def __iter__(self) -> Iterator[Outcome | Unread]:
        """Everything the plan wants, in the order in which it comes.

        Raises:
            NotAuthorisedError: the API refused the key.
            ApiError: the API could not be reached, or the list as a whole could not.
        """
        refusal: ApiError | None = None
        if self._is_turn_of_rest:
            yield from self._read_by_id(list(self._waiting))
        if self.request.discover:
            try:
                yield from self._read_list()
            except ApiError as error:
                if not self._api.has_answered:
                    raise
                refusal = error
        is_down = refusal is not None and not isinstance(refusal, ApiRequestError)
        # what the list has not come to may come with its pages, ten to a request: no reason to ask for it by id first
        unsettled = () if self.is_cut or is_down else self._unsettled
        wanted = reads(self._waiting, (each for each in unsettled if each not in self._failed), brought=self._brought)
        try:
            # perhaps the list alone is down: what was asked for by name is worth a try
            goes_on = yield from self._read_by_id(wanted, attempts=BRIEFLY if is_down else None)
            if goes_on and not is_down:
                yield from self._read_by_id(reads(self._failed, brought=self._brought), attempts=BRIEFLY)
        except ApiError as error:
            raise (refusal or error) from None
        if refusal:
            self._raise(refusal)

    def _raise(self, refusal: ApiError) -> None:
        """Raise what keeps the list from being read, unless this API has none and ids were given."""
        if not isinstance(refusal, ApiRequestError) or refusal.status != _NOT_FOUND:
            raise refusal
        if not self.request.run_ids:
            hint = "Check the setting base_url; an API without a list of runs can be asked by --run-id only."
            raise ApiRequestError(f"{refusal}. {hint}", _NOT_FOUND)
        log.warning("this API has no list of runs; only the ids given were read")

    def _read_list(self) -> Iterator[Outcome | Unread]:
        listing, pages = self._listing, self._pages
        while number := listing.page:
            if self._most_for_pages and self._is_spent(self._most_for_pages + listing.is_bad):
                return
            try:
                page = pages.read(number, attempts=BRIEFLY if listing.is_bad else None)
            except RequestsSpentError:
                self.is_cut = True
                return
            except ApiError as error:
                is_refused = isinstance(error, ApiRequestError)
                if is_refused and number == 1:
                    raise
                if is_refused and not pages.is_linked(number) and listing.start_over():
                    continue
                if not is_refused and not self._runs.still_answer(page_link(number + 1)):
                    raise
                yield from self._read_around(number, error)
                continue
            yield from self._take([page])
            pages.check_link(page)
        if listing.is_repeating:
            log.warning("the API lists the same runs over and over; the list was not read to its end")

    def _take(self, parts: list[RunPage], *, is_whole: bool = True) -> Iterator[Outcome]:
        """Hand on the runs of one page, which came at once or in parts."""
        outcomes = [self._validate(body, part.fetched_at) for part in parts for body in part.runs]
        known = self._known([outcome.run_id for outcome in outcomes if outcome.run_id])
        if is_whole:
            listed = [_listed(outcome) for outcome in outcomes]
            last = parts[-1]
            self._listing.take(listed, known, is_last=not last.has_next, fetched_at=last.fetched_at)
        for outcome in outcomes:
            self._waiting.pop(outcome.run_id, None)
            self._failed.pop(outcome.run_id, None)
            if self._brought.get(outcome.run_id) != outcome.content_hash:  # new runs push others to the next page
                self._brought[outcome.run_id] = outcome.content_hash
                yield outcome
        self._listed = self._listing.progress

    def _read_around(self, number: int, error: ApiError) -> Iterator[Outcome | Unread]:
        """Go on after a page that cannot be read whole; what comes of it in parts is handed on."""
        parts, is_whole = self._pages.read_in_parts(number)
        yield from self._take(parts, is_whole=is_whole)
        if is_whole:
            log.warning("page %s of the list could be read in parts only: %s", number, error)
            return
        self._listing.fail(is_refused=isinstance(error, ApiRequestError))
        self._listed = self._listing.progress
        yield Unread(f"page {number} of the list", error)

    def _read_by_id(self, run_ids: list[str], attempts: int | None = None) -> Generator[Outcome | Unread, None, bool]:
        """Read runs by id; whether it is worth while to read others."""
        self.planned = len(self._brought) + len(run_ids)
        unreadable = 0
        with closing(self._runs.read_many(self._affordable(run_ids), attempts=attempts)) as answers:
            for answer in answers:
                if isinstance(answer, FailedRun) and isinstance(answer.error, RequestsSpentError):
                    self.is_cut = True
                    continue
                unreadable = unreadable + 1 if self._note(answer) else 0
                if isinstance(answer, FailedRun):
                    yield Unread(f"run {answer.run_id}", answer.error)
                elif isinstance(answer, FetchedRun):
                    yield self._validate(answer.body, answer.fetched_at, answer.run_id)
                else:
                    yield answer
                if unreadable == _UNREADABLE_IN_A_ROW:
                    log.warning("%s runs in a row could not be read; the next sync reads the others first", unreadable)
                    return False
        return True

    def _note(self, answer: FetchedRun | MissingRun | FailedRun) -> bool:
        """Note that a run was asked for; whether it is to be asked for again, because it could not be read."""
        run_id = answer.run_id
        self._brought.setdefault(run_id, "")
        self._waiting.pop(run_id, None)
        self._failed.pop(run_id, None)
        # one that the API refuses is in error, and asking again makes it no better
        is_unreadable = isinstance(answer, FailedRun) and not isinstance(answer.error, ApiRequestError)
        if is_unreadable:
            self._failed[run_id] = None
        return is_unreadable

    def _affordable(self, run_ids: Iterable[str]) -> Iterator[str]:
        for run_id in run_ids:
            if self._is_spent(self.request.most_for_runs):
                return
            yield run_id

    def _is_spent(self, most: int | None) -> bool:
        """Whether so many requests were sent; then what is left is for the next sync."""
        is_spent = most is not None and self._api.usage.requests >= most
        self.is_cut = self.is_cut or is_spent
        return is_spent

    def _validate(self, body: bytes, fetched_at: datetime, run_id: str | None = None) -> AcceptedRun | RejectedRun:
        return contract.read_run(self._redactor.scrub_payload(body), fetched_at=fetched_at, run_id=run_id)


def fetch_everything(api: ConsoleApi, request: Request, *, secret: str) -> Iterator[Outcome]:
    """All that is requested, for pipelines without a state. What is unreadable or left out is logged."""
    fetch = Fetch(api, request, Progress(), known=lambda _: {}, unsettled=(), secret=secret)
    for outcome in fetch:
        if isinstance(outcome, Unread):
            log.error("%s could not be read: %s", outcome.what, outcome.error)
        else:
            yield outcome
    if fetch.is_cut:
        log.warning("stopped at the limit of %s requests; the rest was not read", request.max_requests)


def _listed(outcome: AcceptedRun | RejectedRun) -> ListedRun:
    created_at = outcome.run.createdAt if isinstance(outcome, AcceptedRun) else None
    if created_at and not is_plausible(created_at, outcome.fetched_at):
        created_at = None
    return ListedRun(outcome.run_id, outcome.content_hash, created_at)
