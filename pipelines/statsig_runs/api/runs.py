"""The endpoint of ingestion runs: one by its id, many at once, or page by page.

    GET /console/v1/ingestion/runs/{id}
    GET /console/v1/ingestion/runs?page=N

Everything about it that a request or an answer can tell is here; what a run is, `contract` knows.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from statsig_runs.api.address import link_target, segment
from statsig_runs.api.answers import Answer, Scrub, read_envelope, read_list, read_message, read_object
from statsig_runs.api.client import ConsoleApi
from statsig_runs.contract import MissingRun
from statsig_runs.errors import ApiError, ConfigurationError

PATH: Final = "/console/v1/ingestion/runs"
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class FetchedRun:
    """A run as the API sent it: `body` is the JSON text of `data`, `fetched_at` (UTC) the run's "as of"."""

    run_id: str
    body: bytes
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that could not be read this time, for a reason of its own; the others go on."""

    run_id: str
    error: ApiError


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of the list: the JSON text of each element, whatever it is.

    `has_next`: the API says that there is more. `next_link` is its own link to it, for `read_page`; empty where it
    gives none that can be used. `items_per_page` is None where the API does not say.
    """

    runs: list[bytes]
    has_next: bool
    next_link: str
    items_per_page: int | None
    fetched_at: datetime

    def link_to(self, number: int) -> str:
        """The link to the next page, which is page `number`: the API's own, unless it names another page."""
        pages = parse_qs(urlsplit(self.next_link).query).get("page", [str(number)])
        return self.next_link if self.next_link and pages == [str(number)] else page_link(number)


class Runs:
    """Reads runs through a client; for use by one thread.

    Args:
        api: the client, which stays the caller's to close.
    """

    def __init__(self, api: ConsoleApi) -> None:
        self._api = api

    def read(self, run_id: str) -> FetchedRun | MissingRun:
        """Read one run by its id.

        Raises:
            ConfigurationError: the id is empty, or no text that can be sent.
            NotAuthorisedError: the API refused the key; at once.
            ApiRequestError: the API refused this request.
            ApiError: no usable answer after all retries.
        """
        return self._api.get(run_target(run_id), lambda answer: _read_run(answer, run_id, self._api.scrub))

    def read_many(
        self, run_ids: Iterable[str], *, attempts: int | None = None
    ) -> Generator[FetchedRun | MissingRun | FailedRun, None, None]:
        """Read many runs at once, in the order in which the answers come; see `ConsoleApi.get_each`.

        Raises:
            ConfigurationError: an id is empty, or no text that can be sent.
            NotAuthorisedError: the API refused the key; at once.
            ApiError: the API does not answer any more.
        """

        def read(answer: Answer, run_id: str) -> FetchedRun | MissingRun:
            return _read_run(answer, run_id, self._api.scrub)

        beside = self._page_target(page_link(1)), self._read_page
        for run_id, result in self._api.get_each(run_ids, run_target, read, beside=beside, attempts=attempts):
            yield FailedRun(run_id, result) if isinstance(result, ApiError) else result

    def read_page(self, link: str | None = None, *, attempts: int | None = None) -> RunPage:
        """Read one page of the list: the first, or the one that a link of the API's or of `page_link` leads to.

        Raises:
            NotAuthorisedError: the API refused the key; at once.
            ApiRequestError: the API refused this request.
            ApiError: no usable answer after all retries, or a link that leads elsewhere.
        """
        return self._api.get(self._page_target(link or page_link(1)), self._read_page, attempts=attempts)

    def leads_home(self, link: str) -> bool:
        """Whether a link of the API's can be followed: it leads to this list, and not to another host."""
        try:
            self._page_target(link)
        except ApiError:
            return False
        return True

    def still_answer(self, link: str) -> bool:
        """Whether the API answers at all: what it answered well last, or else this page of the list."""
        return self._api.still_answers((self._page_target(link), self._read_page))

    def _page_target(self, link: str) -> str:
        return link_target(self._api.base_url, PATH, link)

    def _read_page(self, answer: Answer) -> RunPage:
        envelope = read_envelope(answer, self._api.scrub)
        return RunPage(
            runs=read_list(envelope),
            has_next=envelope.has_next,
            next_link=envelope.next_link,
            items_per_page=envelope.items_per_page,
            fetched_at=answer.received_at,
        )


def page_link(number: int, limit: int | None = None) -> str:
    """The link to a page, counted from 1, of so many runs; `limit` is not documented, and may not be heeded."""
    return f"?page={number}" + (f"&limit={limit}" if limit else "")


def run_target(run_id: str) -> str:
    """The path of one run: whatever the id holds, it is one segment.

    Raises:
        ConfigurationError: the id is empty, or no text that can be sent.
    """
    if not run_id:
        raise ConfigurationError("A run id is empty.")
    name = "" if "\0" in run_id else segment(run_id)  # no database stores a text with U+0000
    if not name:
        raise ConfigurationError(f"The run id {run_id!r} is no valid text.")
    return f"{PATH}/{name}"


def _read_run(answer: Answer, run_id: str, scrub: Scrub) -> FetchedRun | MissingRun:
    """Read the answer to a request for one run.

    A 404 counts as a missing run only in the API's own words: a wrong base URL answers 404 to everything.
    """
    message = read_message(answer) if answer.status == _NOT_FOUND else None
    if message is not None:
        return MissingRun(run_id=run_id, fetched_at=answer.received_at, message=scrub(message))
    return FetchedRun(run_id, read_object(read_envelope(answer, scrub)), answer.received_at)
