"""Reads pages of the list by their number, which is counted here: whole or, where that fails, in smaller parts.

It knows what the API says of its pages (their size, the link to the next one), and no run.
"""

from __future__ import annotations

import logging
from typing import Final

from statsig_runs.api import RunPage, Runs
from statsig_runs.api.runs import page_link
from statsig_runs.errors import ApiError, RequestsSpentError

log = logging.getLogger(__name__)

BRIEFLY: Final = 2
"""Attempts at what could not be read before."""


class Pages:
    """The pages of one sync.

    Args:
        runs: the endpoint.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._size = 0  # runs to a page, once the API has shown it
        self._heeds_limit = True  # until it shows otherwise
        self._next = 0  # the page that `_link` leads to
        self._link = ""

    def is_linked(self, number: int) -> bool:
        """Whether the page read last names this one as the next."""
        return number == self._next

    def read(self, number: int, *, attempts: int | None = None) -> RunPage:
        """Read a page, counted from 1: by the API's own link, if the page before it was read last.

        Raises:
            NotAuthorisedError, ApiError: as of `Runs.read_page`.
        """
        link = self._link if self.is_linked(number) else page_link(number)
        page = self._runs.read_page(link, attempts=attempts)
        self._learn_size(page)
        self._next = number + 1
        self._link = page.link_to(self._next)
        return page

    def check_link(self, page: RunPage) -> None:
        """Make sure that a page does not send us elsewhere.

        Raises:
            ApiError: its link leads to another host or path.
        """
        if page.has_next and page.next_link and not self._runs.leads_home(page.next_link):
            self._runs.read_page(page.next_link)  # which says so, and asks for nothing

    def read_in_parts(self, number: int) -> tuple[list[RunPage], bool]:
        """Read what can be read of a page in smaller pages, if the API heeds `limit`; and whether that is all of it.

        Raises:
            NotAuthorisedError: the API refused the key.
        """
        parts: list[RunPage] = []
        try:
            if not self._size:
                self._learn_size(self._runs.read_page(page_link(number + 1), attempts=BRIEFLY))
            return parts, self._read_parts((number - 1) * self._size, self._size, parts)
        except ApiError as error:
            log.debug("page %s of the list cannot be read in parts: %s", number, error)
            return parts, False

    def _read_parts(self, first: int, size: int, parts: list[RunPage]) -> bool:
        """Read so many runs from a place in the list, counted from 0, in smaller pages; whether all could be read."""
        count = next((divisor for divisor in range(2, size + 1) if size % divisor == 0), 0)
        is_whole = bool(count)
        for part in range(count):
            if not self._heeds_limit:
                return False
            limit = size // count
            place = first + part * limit
            try:
                page = self._runs.read_page(page_link(place // limit + 1, limit), attempts=BRIEFLY)
            except RequestsSpentError:
                raise
            except ApiError:
                is_whole = self._read_parts(place, limit, parts) and is_whole
                continue
            said = page.items_per_page
            self._heeds_limit = len(page.runs) <= limit and (said == limit if said else bool(page.runs))
            if self._heeds_limit:
                parts.append(page)
            if not page.has_next:
                break
        return is_whole and self._heeds_limit

    def _learn_size(self, page: RunPage) -> None:
        """How many runs there are to a page, if this one tells; the last one may be short."""
        self._size = page.items_per_page or (len(page.runs) if page.has_next else self._size)
