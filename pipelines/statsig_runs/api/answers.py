"""What any answer of the Console API means: its data, whether there is more, or a refusal.

Pure functions of one answer. They know the envelope (`message`, `data`, `pagination`) and the status codes, and judge
the envelope by what is used of it alone. What is inside `data` leaves here as the JSON text that the API sent: it is
the endpoint's business.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from statsig_runs.errors import ApiRequestError, NotAuthorisedError
from statsig_runs.json_text import elements, first_byte, members
from statsig_runs.moments import in_utc

Scrub = Callable[[str], str]

TOO_MANY_REQUESTS = 429

_OK = 200
_REDIRECTS = range(300, 400)
_NOT_AUTHORISED = {401, 403}
_UNAVAILABLE = 503
_LOOKED_AT = 100_000  # bytes of a foreign error page; `scrub` masks the secrets in them, then cuts them to one line
_LONGEST_PAGE = 1000  # elements; a number beyond is no number of elements


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


class NotTheApi(Unusable):
    """A whole answer of somebody else: asking for it often makes it no better. The text says what it is."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the API wraps its data in.

    `data` is JSON text. `has_next`: the API names a next page; `next_link` is its link, empty where it is no text.
    `items_per_page` is None where the API does not say.
    """

    data: bytes
    has_next: bool
    next_link: str
    items_per_page: int | None


def read_envelope(answer: Answer, scrub: Scrub) -> Envelope:
    """Read a good answer's envelope; one without pagination names no next page.

    Args:
        answer: what came.
        scrub: makes a text from outside fit to be shown.

    Raises:
        NotAuthorisedError, ApiRequestError: the API refused.
        NotTheApi: a 200 of somebody else.
        Unusable: a 200 that breaks off.
    """
    if answer.status != _OK:
        raise _refusal(answer, scrub)
    first = first_byte(answer.body)
    if not first:
        raise Unusable("its answer is empty")
    if first != b"{":
        raise NotTheApi(_NAMES.get(first, "a text that is no JSON"))
    problem = ""
    fields: dict[str, bytes] = {}
    try:
        fields = members(answer.body)
    except ValueError as error:
        problem = f"its answer is not whole, or no JSON ({error})"
    if problem:
        raise Unusable(problem)
    if "data" not in fields:
        raise NotTheApi("a JSON object without `data`")
    pagination = _members_or_none(fields.get("pagination", b""))
    link = _decode(pagination.get("nextPage", b"null"), default=True)
    return Envelope(
        data=fields["data"],
        has_next=bool(link),
        next_link=link if isinstance(link, str) else "",
        items_per_page=_read_count(_decode(pagination.get("itemsPerPage", b"null"))),
    )


def read_object(envelope: Envelope) -> bytes:
    """The data as the JSON text of one object.

    Raises:
        NotTheApi: it is something else.
    """
    if first_byte(envelope.data) != b"{":
        raise NotTheApi("a JSON object whose `data` is no object")
    return envelope.data


def read_list(envelope: Envelope) -> list[bytes]:
    """The data as the JSON texts of a list's elements, each whatever it is.

    Raises:
        NotTheApi: it is no list.
    """
    if first_byte(envelope.data) != b"[":
        raise NotTheApi("a JSON object whose `data` is no list")
    return elements(envelope.data)


def read_message(answer: Answer) -> str | None:
    """Read the `message` of the API's own errors; None for an error of somebody else, such as a proxy's page."""
    message = _decode(_members_or_none(answer.body).get("message", b"null"))
    return message if isinstance(message, str) else None


_NAMES = {b"<": "a web page", b"[": "a JSON array", b'"': "a JSON text", b"n": "a JSON `null`"}


def _members_or_none(text: bytes) -> dict[str, bytes]:
    try:
        return members(text)
    except ValueError:
        return {}


def _decode(text: bytes, default: Any = None) -> Any:
    """What a JSON text says, or the default where it cannot be read."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, OverflowError, RecursionError):
        return default


def _read_count(value: Any) -> int | None:
    """A number of elements, however it is written: `10`, `10.0`, `"10"`."""
    try:
        count = int(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return count if 0 < count <= _LONGEST_PAGE else None


def _refusal(answer: Answer, scrub: Scrub) -> ApiRequestError | NotAuthorisedError:
    host = urlsplit(answer.url).netloc
    if answer.status in _REDIRECTS and answer.location:
        return ApiRequestError(
            f"The Console API at {host} answered {answer.status}, a redirect to {scrub(_find_host(answer))}. It was "
            "not followed, because the key would have gone along. Check the setting base_url.",
            answer.status,
        )
    message = read_message(answer)
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
        return in_utc(moment)
    except Exception:  # noqa: BLE001  the library raises whatever an odd year, month or zone leads it to
        return None
