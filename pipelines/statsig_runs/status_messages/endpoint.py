"""The request for the ingestion status of some days, and what its answer means.

    GET /console/v1/ingestion/status?startDate=2026-01-01&endDate=2026-01-15

The answer is a bare array of messages, or the envelope of the other endpoints around one. Every message leaves here
as the JSON text that the API sent; what it is, `message` knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from statsig_runs.api import ConsoleApi
from statsig_runs.api.address import link_target
from statsig_runs.api.answers import Answer, Unusable, read_envelope, read_list, read_message
from statsig_runs.errors import ApiError
from statsig_runs.json_text import elements, first_byte
from statsig_runs.status_messages.plan import Window

PATH: Final = "/console/v1/ingestion/status"
_OK: Final = 200
_REFUSALS: Final = {403, 404}
_ATTEMPTS: Final = 3  # fewer than for runs, which wait to be loaded meanwhile


class EndpointRefused(Exception):  # noqa: N818  # a message between functions, never shown as an error
    """The API has no such endpoint (404), or not for this key (403); `status` says which."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class StatusPage:
    """One answer: the JSON text of each element, whatever it is; the link to the next page, empty where none is."""

    messages: list[bytes]
    next_link: str
    fetched_at: datetime


def read_pages(api: ConsoleApi, window: Window) -> Iterator[StatusPage]:
    """The pages of some days. A link that was followed before ends them.

    Raises:
        EndpointRefused: the API answers 403 or 404.
        NotAuthorisedError: the API refused the key.
        AnswerTooLongError: an answer is over the size limit; fewer days may not be.
        ApiError: no usable answer, or a link that leads elsewhere.
    """
    target = f"{PATH}?startDate={window.first}&endDate={window.end}"
    followed: set[str] = set()
    while target and target not in followed:
        followed.add(target)
        page = api.get(target, lambda answer: _read_page(answer, api), attempts=_ATTEMPTS)
        if isinstance(page, EndpointRefused):
            raise page
        yield page
        target = link_target(api.base_url, PATH, page.next_link) if page.next_link else ""


def _read_page(answer: Answer, api: ConsoleApi) -> StatusPage | EndpointRefused:
    if answer.status in _REFUSALS:
        return EndpointRefused(answer.status, api.scrub(read_message(answer) or "no message"))
    if answer.status == _OK and first_byte(answer.body) == b"[":
        return StatusPage(_read_elements(answer.body), "", answer.received_at)
    envelope = read_envelope(answer, api.scrub)
    if envelope.has_next and not envelope.next_link:
        raise ApiError("The Console API names a next page of the ingestion status by something that is no link.")
    return StatusPage(read_list(envelope), envelope.next_link, answer.received_at)


def _read_elements(body: bytes) -> list[bytes]:
    problem = ""
    try:
        return elements(body)
    except ValueError as error:
        problem = f"its answer is not whole, or no JSON ({error})"
    raise Unusable(problem)
