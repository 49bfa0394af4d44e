"""A run as the Console API describes it: bytes in, a validated run or a reasoned refusal out.

What a run must have is what the OpenAPI document's `IngestionRunDataContractDto` requires: its fields, with their
types. Fields that the document does not know are accepted and stay in the payload. A few rules are our own, because
the tables could not hold what the document allows:

- a run has an id: `runID` is not empty;
- a date stamp, a plain text in the document, names a day: `2023-12-11`, `20231211`, or a date-time, which stands for
  its calendar date as written, whatever its zone;
- a time lies in the years 1 to 9999 of UTC, and its minute has seconds 0 to 59. It is kept to the microsecond;
- no text holds the character U+0000.

This module knows no HTTP and no table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from statsig_runs.json_text import members
from statsig_runs.moments import is_on_the_calendar

Timestamp = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with an offset, the document's `date-time`; a time without a zone is no point in time."""


class DateStamp(date):
    """The calendar date that a date stamp names."""


class StatusEvent(Struct, frozen=True, gc=False):
    """One status a run, or one source and date of it, has reached."""

    statusTimestamp: Timestamp
    status: str


class DateStatuses(Struct, frozen=True):
    """The history of one source on one date stamp."""

    dateStamp: DateStamp
    statuses: list[StatusEvent]


class SourceHistory(Struct, frozen=True):
    """The history of one source of a run."""

    source: str
    latestSourceStatus: str
    statusByDate: list[DateStatuses]


class IngestionRun(Struct, frozen=True):
    """One ingestion run, fields named as in the API."""

    runID: Annotated[str, Meta(min_length=1)]
    latestStatus: str
    lastUpdatedAt: Timestamp
    createdAt: Timestamp
    trigger: str
    sources: list[str]
    dateStamps: list[DateStamp]
    runHistory: list[StatusEvent]
    granularHistory: list[SourceHistory]


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    """A payload that keeps the contract.

    `content_hash` is the SHA-256 (hex) of the payload's canonical form: two payloads that mean the same, whatever
    their white space and key order, have the same hash. `payload` is the API's own text.
    """

    run: IngestionRun
    fetched_at: datetime
    content_hash: str
    payload: str

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.runID


@dataclass(frozen=True, slots=True)
class UnchangedRun(AcceptedRun):
    """A run whose rows are there already: only when it was fetched last is news."""


@dataclass(frozen=True, slots=True)
class RejectedRun:
    """A payload that breaks the contract; `reason` names the path, as in `… - at `$.runHistory[0].status``.

    `run_id` is the id asked for, or the one the payload claims; empty where there is neither. `payload` is the API's
    own text, with U+FFFD in place of bytes that are no text and of U+0000.
    """

    run_id: str
    fetched_at: datetime
    content_hash: str
    reason: str
    payload: str


@dataclass(frozen=True, slots=True)
class MissingRun:
    """An id that the API answered 404 for; `message` is the API's own, without secrets."""

    run_id: str
    fetched_at: datetime
    message: str


Outcome = AcceptedRun | RejectedRun | MissingRun
"""What asking for one run can bring to a table."""


# .NET's last moment ends in `.9999999`. Rounded to microseconds it would be in the year 10000: the rest is cut.
_LAST_SECOND: Final = re.compile(rb'("9999-12-31[Tt ]23:59:59\.\d{6})\d+')

_TIME: Final = r"[Tt ](?:[01]\d|2[0-4]):[0-5]\d(?::[0-6]\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}(?::?[0-5]\d)?)?"
_DATE: Final = re.compile(rf"(\d{{4}}-\d{{2}}-\d{{2}})(?:{_TIME})?|\d{{8}}", re.ASCII)
_HALF_A_PAIR: Final = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]",
)


def read_run(body: bytes, *, fetched_at: datetime, run_id: str | None = None) -> AcceptedRun | RejectedRun:
    """Decode and validate one run.

    Args:
        body: the JSON text of one run (the `data` of a read, or one element of a listed page).
        fetched_at: when the API answered, UTC; the run's "as of".
        run_id: the id that was asked for; a payload of another run is refused.
    """
    try:
        run = _decode_run(_LAST_SECOND.sub(rb"\1", body) if b'"9999-12-31' in body else body)
        text = body.decode()
        content_hash = hash_payload(body)
    except (ValueError, OverflowError, RecursionError) as error:  # msgspec's errors and UnicodeError are ValueErrors
        return reject(body, fetched_at, explain(body, error), run_id)
    if run_id is not None and run.runID != run_id:
        return reject(body, fetched_at, f"asked for another run, got {run.runID!r} - at `$.runID`", run_id)
    path = next(_find_times_off_the_calendar(run), None) if _may_leave_the_calendar(body) else None
    if path:
        return reject(body, fetched_at, f"a time outside the years 1 to 9999 (UTC) - at `{path}`", run_id)
    if b"\\u0000" in body and _holds_nul(msgspec.to_builtins(run, enc_hook=str)):
        return reject(body, fetched_at, "a text holds the character U+0000, which no database stores", run_id)
    return AcceptedRun(run, fetched_at, content_hash, text)


def hash_payload(body: bytes) -> str:
    """SHA-256 (hex) of a JSON text's canonical form: keys sorted, no white space."""
    return hashlib.sha256(_encode_canonical(_decode_any(body))).hexdigest()


_JSON_TYPES: Final = {type(None): "null", bool: "bool", int: "int", float: "float", list: "array", dict: "object"}


@lru_cache(maxsize=10_000)
def _read_date_stamp(text: str) -> DateStamp:
    named = _DATE.fullmatch(text)
    try:
        if named:
            return DateStamp.fromisoformat(named[1] or text)
    except ValueError:  # a 30th of February
        pass
    raise ValueError("no date: neither `2023-12-11`, nor `20231211`, nor a date-time")


def _read_unusual(_kind: type, value: Any) -> Any:
    """What msgspec does not read by itself, which is date stamps."""
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{_JSON_TYPES[type(value)]}`")
    return _read_date_stamp(value)


_SHOWN: Final = 100  # characters of a field's name

_decode_run = msgspec.json.Decoder(IngestionRun, dec_hook=_read_unusual).decode
_decode_any = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_encode_canonical = msgspec.json.Encoder(order="sorted").encode


def _may_leave_the_calendar(body: bytes) -> bool:
    """Whether the text may hold a time of the year 1 or 9999, which an offset can lead out of the calendar.

    East of Greenwich the year 1 begins before that of UTC; west of it 9999 ends later. An escape may hide a digit.
    """
    return b'"0001-' in body or b'"9999-' in body or b"\\u00" in body


def _find_times_off_the_calendar(run: IngestionRun) -> Iterator[str]:
    """The paths of times that an offset leads out of the calendar of UTC."""
    for path, moment in _walk_times(run):
        if not is_on_the_calendar(moment):
            yield path


def _walk_times(run: IngestionRun) -> Iterator[tuple[str, datetime]]:
    yield "$.createdAt", run.createdAt
    yield "$.lastUpdatedAt", run.lastUpdatedAt
    for number, event in enumerate(run.runHistory):
        yield f"$.runHistory[{number}].statusTimestamp", event.statusTimestamp
    for place, history in enumerate(run.granularHistory):
        for day, by_date in enumerate(history.statusByDate):
            for number, event in enumerate(by_date.statuses):
                path = f"$.granularHistory[{place}].statusByDate[{day}].statuses[{number}].statusTimestamp"
                yield path, event.statusTimestamp


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_nul, value.values()))
    return any(map(_holds_nul, value)) if isinstance(value, list) else "\0" in str(value)


def explain(body: bytes, error: Exception) -> str:
    """Why a text cannot be read; of one that is no JSON it names the field which cannot be decoded, if there is one."""
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    try:
        fields = members(body)
    except ValueError:
        fields = {}
    for name, value in fields.items():
        try:
            _decode_any(value)
            value.decode()
        except (ValueError, OverflowError, RecursionError) as found:
            return f"{_say(value, found)} - at `$.{repr(name[:_SHOWN])[1:-1]}`"
    return _say(body, error)


def _say(text: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply to be read"
    if _HALF_A_PAIR.search(text) and isinstance(error, msgspec.DecodeError):
        return "half of a surrogate pair, which is no character"
    return str(error)


def reject(body: bytes, fetched_at: datetime, reason: str, run_id: str | None = None) -> RejectedRun:
    """Refuse a text for a reason; arguments as of `read_run`."""
    try:
        content_hash = hash_payload(body)
    except (ValueError, OverflowError, RecursionError):
        content_hash = hashlib.sha256(body).hexdigest()
    return RejectedRun(
        run_id=run_id or _claimed_run_id(body),
        fetched_at=fetched_at,
        content_hash=content_hash,
        reason=reason.replace("\0", "\ufffd"),
        payload=body.decode(errors="replace").replace("\0", "\ufffd"),
    )


def _claimed_run_id(body: bytes) -> str:
    try:
        return _decode_text(members(body)["runID"]).replace("\0", "")
    except (ValueError, KeyError):
        return ""
