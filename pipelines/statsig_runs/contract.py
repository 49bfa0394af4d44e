"""A run as the Console API describes it: bytes in, a validated run or a reasoned refusal out.

The rules are those of the OpenAPI document's `IngestionRunDataContractDto`: every field it requires, with
its type. Fields it does not know are accepted and stay in the payload. This module knows no HTTP and no table.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

Timestamp = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with an offset, the document's `date-time`; a time without a zone is no point in time."""


class StatusEvent(Struct, frozen=True, gc=False):
    """One status a run, or one source and date of it, has reached."""

    statusTimestamp: Timestamp
    status: str


class DateStatuses(Struct, frozen=True):
    """The history of one source on one date stamp."""

    dateStamp: date
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
    dateStamps: list[date]
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
class RejectedRun:
    """A payload that breaks the contract; `reason` names the path, as in `… - at `$.runHistory[0].status``.

    `run_id` is the id asked for, or the one the payload claims; empty where there is neither.
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


class _Identified(Struct):
    runID: str = ""


_decode_run = msgspec.json.Decoder(IngestionRun).decode
_decode_any = msgspec.json.Decoder().decode
_encode_canonical = msgspec.json.Encoder(order="sorted").encode
_decode_identified = msgspec.json.Decoder(_Identified).decode


# an offset leads out of the calendar, and the next sync, which reads the time back, could not tell what it is
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def read_run(body: bytes, *, fetched_at: datetime, run_id: str | None = None) -> AcceptedRun | RejectedRun:
    """Decode and validate one run.

    Args:
        body: the JSON text of one run (the `data` of a read, or one element of a listed page).
        fetched_at: when the API answered, UTC; the run's "as of".
        run_id: the id that was asked for; a payload of another run is refused.
    """
    try:
        run = _decode_run(body)
        text = body.decode()
        content_hash = hash_payload(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError, RecursionError) as error:
        return _reject(body, fetched_at, str(error), run_id)
    if run_id is not None and run.runID != run_id:
        return _reject(body, fetched_at, f"asked for another run, got {run.runID!r} - at `$.runID`", run_id)
    if not _FIRST <= run.createdAt <= _LAST:
        return _reject(body, fetched_at, "a time outside the years 1 to 9999 (UTC) - at `$.createdAt`", run_id)
    if b"\\u0000" in body and _holds_nul(msgspec.to_builtins(run)):
        return _reject(body, fetched_at, "a text holds the character U+0000, which no database stores", run_id)
    return AcceptedRun(run, fetched_at, content_hash, text)


def hash_payload(body: bytes) -> str:
    """SHA-256 (hex) of a JSON text's canonical form: keys sorted, no white space."""
    return hashlib.sha256(_encode_canonical(_decode_any(body))).hexdigest()


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_nul, value.values()))
    return any(map(_holds_nul, value)) if isinstance(value, list) else "\0" in str(value)


def _reject(body: bytes, fetched_at: datetime, reason: str, run_id: str | None) -> RejectedRun:
    try:
        content_hash = hash_payload(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        content_hash = hashlib.sha256(body).hexdigest()
    return RejectedRun(
        run_id=run_id or _claimed_run_id(body),
        fetched_at=fetched_at,
        content_hash=content_hash,
        reason=reason,
        payload=body.decode(errors="replace"),
    )


def _claimed_run_id(body: bytes) -> str:
    try:
        return _decode_identified(body).runID.replace("\0", "")
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ""
