"""What the Console API's answers mean: a run, a missing run, a page of the list, or a refusal.

Pure functions of one answer. They know the envelope (`message`, `data`, `pagination`) and the status codes; what is
inside `data` is the contract's business, and leaves here as the JSON text that the API sent.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec

from statsig_runs.contract import MissingRun
from statsig_runs.errors import ApiRequestError, NotAuthorisedError

Scrub = Callable[[str], str]

TOO_MANY_REQUESTS = 429

_OK = 200
_REDIRECTS = range(300, 400)
_NOT_AUTHORISED = {401, 403}
_NOT_FOUND = 404
_UNAVAILABLE = 503
_LOOKED_AT = 100_000  # bytes of a foreign error page; `scrub` cuts it to one line, once no secret can be cut in two

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: the URL asked for, status, body, `Location`, `Retry-After` (seconds), when it was there (UTC)."""

    url: str
    status: int
    body: bytes
    location: str
    retry_after: float
    received_at: datetime

    @property
    def asks_to_wait(self) -> bool:
        """Whether the API is well, but wants to be asked later."""
        return self.status == TOO_MANY_REQUESTS or (self.status == _UNAVAILABLE and self.retry_after > 0)


class Unusable(Exception):  # noqa: N818  # a message between functions, never shown as an error
    """This answer had better be asked for again; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class FetchedRun:
    """A run as the API sent it: `body` is the JSON text of `data`, `fetched_at` (UTC) the run's "as of"."""

    run_id: str
    body: bytes
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of the list: the JSON text of each run, and the link to the next page (None at the end).

    `number` is 0 and `items_per_page` None where the API does not say.
    """

    number: int
    runs: list[bytes]
    next_page: str | None
    items_per_page: int | None
    fetched_at: datetime


class _ReadEnvelope(msgspec.Struct):
    data: msgspec.Raw


class _Pagination(msgspec.Struct, rename="camel"):
    items_per_page: int | None = None
    page_number: int | None = None
    next_page: str | None = None


class _ListEnvelope(msgspec.Struct):
    data: list[msgspec.Raw]
    pagination: _Pagination | None = None


class _ErrorEnvelope(msgspec.Struct):
    message: str


def read_run_answer(answer: Answer, run_id: str, scrub: Scrub) -> FetchedRun | MissingRun:
    """Read the answer to a request for one run.

    A 404 counts as a missing run only in the API's own words: a wrong base URL answers 404 to everything.

    Args:
        answer: what came.
        run_id: the id that was asked for.
        scrub: makes a text from outside fit to be shown.

    Raises:
        NotAuthorisedError, ApiRequestError: the API refused.
        Unusable: a 200 without the API's JSON.
    """
    message = _read_message(answer) if answer.status == _NOT_FOUND else None
    if message is not None:
        return MissingRun(run_id=run_id, fetched_at=answer.received_at, message=scrub(message))
    return FetchedRun(run_id, bytes(_decode(answer, _ReadEnvelope, scrub).data), answer.received_at)


def read_page_answer(answer: Answer, scrub: Scrub) -> RunPage:
    """Read one page of the list; an empty `nextPage` ends it like an absent one.

    Raises:
        NotAuthorisedError, ApiRequestError: the API refused.
        Unusable: a 200 without the API's JSON.
    """
    envelope = _decode(answer, _ListEnvelope, scrub)
    pagination = envelope.pagination or _Pagination()
    return RunPage(
        number=pagination.page_number or 0,
        runs=[bytes(run) for run in envelope.data],
        next_page=pagination.next_page or None,
        items_per_page=pagination.items_per_page,
        fetched_at=answer.received_at,
    )


def _decode(answer: Answer, envelope: type[T], scrub: Scrub) -> T:
    if answer.status != _OK:
        raise _refusal(answer, scrub)
    problem = ""
    try:
        return msgspec.json.decode(answer.body, type=envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = f"its answer is not the API's JSON ({scrub(str(error))})"
    raise Unusable(problem)


def _refusal(answer: Answer, scrub: Scrub) -> ApiRequestError | NotAuthorisedError:
    host = urlsplit(answer.url).netloc
    if answer.status in _REDIRECTS and answer.location:
        return ApiRequestError(
            f"The Console API at {host} answered {answer.status}, a redirect to {scrub(_find_host(answer))}. It was "
            "not followed, because the key would have gone along. Check the setting base_url.",
            answer.status,
        )
    message = _read_message(answer)
    if message is None:
        message = answer.body[:_LOOKED_AT].decode(errors="replace") or "no message"
    message = scrub(message)
    if answer.status in _NOT_AUTHORISED:
        return NotAuthorisedError(
            f"The Console API at {host} refused the key ({answer.status}: {message}). Check the setting api_key "
            "(STATSIG_API_KEY or SOURCES__STATSIG_RUNS__API_KEY): it must be an active Console API key, as made in "
            "the Project Settings on console.statsig.com/api_keys."
        )
    return ApiRequestError(f"The Console API at {host} answered {answer.status}: {message}", answer.status)


def _find_host(answer: Answer) -> str:
    """Find the host a redirect points to; its path and query may hold anything, the key too."""
    try:
        return urlsplit(urljoin(answer.url, answer.location)).hostname or "no host"
    except ValueError:
        return "no valid host"


def _read_message(answer: Answer) -> str | None:
    """Read the `message` of the API's own errors; None for an error of somebody else, such as a proxy's page."""
    try:
        return msgspec.json.decode(answer.body, type=_ErrorEnvelope).message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def parse_retry_after(value: str, date: str = "") -> float:
    """Seconds that a `Retry-After` asks for, in seconds or as a date; 0 where there is none or it makes no sense.

    Parts of a second count, as some servers send them. A date is compared with the answer's own `Date`, so that a clock
    that runs wrong here does not matter.
    """
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    until = _parse_date(value)
    if until is None:
        return 0.0
    return max((until - (_parse_date(date) or datetime.now(UTC))).total_seconds(), 0.0)


_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


def _parse_date(value: str) -> datetime | None:
    """A date of HTTP in UTC; None for anything else."""
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except Exception:  # noqa: BLE001  the library raises whatever an odd year, month or zone leads it to
        return None
