"""A message of the ingestion status: bytes in, a row or a reasoned refusal out.

Little is wanted of a message, because any of its fields may be null or missing: it is an object, and its two times can
be read. A text that is no text and a number that is none are left out of the row; whatever a message says stays in its
payload. This module knows no HTTP and no table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Final

import msgspec

from statsig_runs import contract
from statsig_runs.contract import Timestamp
from statsig_runs.moments import is_on_the_calendar


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """One distinct message; each attribute is a column of its table.

    `message_hash` is the SHA-256 (hex) of the message's canonical JSON: there is no id. `date_stamp` is the calendar
    date that `ds` names, `status_at` the `timestamp` in UTC. `payload` is the API's own text.
    """

    table: ClassVar[str] = "ingestion_status_messages"

    message_hash: str
    source_name: str | None
    ingestion_dataset: str | None
    ingestion_source: str | None
    date_stamp: date | None
    status: str | None
    message: str | None
    error_message: str | None
    row_count: float | None
    metric_count: float | None
    status_at: datetime | None
    first_fetched_at: datetime
    payload: str

    @property
    def fetched_at(self) -> datetime:
        """When it was seen first."""
        return self.first_fetched_at


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """What is no message, and why; each attribute is a column of its table.

    `payload` is the API's own text, with U+FFFD in place of bytes that are no text.
    """

    table: ClassVar[str] = "rejected_status_messages"

    message_hash: str
    fetched_at: datetime
    reason: str
    payload: str


Message = StatusMessage | RejectedMessage
"""What one element of an answer can bring to a table."""


class _Row(msgspec.Struct, frozen=True):
    """A message, fields named as in the API; `timestamp` is the only one with a form that must be kept."""

    ds: Any = None
    ingestion_dataset: Any = None
    ingestion_source: Any = None
    source_name: Any = None
    message: Any = None
    error_message: Any = None
    status: Any = None
    rowCount: Any = None  # noqa: N815  as in the API
    metricCount: Any = None  # noqa: N815
    timestamp: Timestamp | None = None


NAMES: Final = frozenset(("ds", "ingestion_dataset", "ingestion_source", "source_name", "error_message"))
"""Fields that only such a message has: one of them tells it from a run and from an error of the API."""

_DATE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?!\d)|(\d{8})(?!\d)", re.ASCII)
_decode = msgspec.json.Decoder(_Row).decode


def read_message(body: bytes, *, fetched_at: datetime) -> Message:
    """Decode one message.

    Args:
        body: the JSON text of one element of an answer, whatever it is.
        fetched_at: when the API answered, UTC.
    """
    try:
        row = _decode(body)
        payload = body.decode()
        message_hash = contract.hash_payload(body)
    except (ValueError, OverflowError, RecursionError) as error:  # msgspec's errors and UnicodeError are ValueErrors
        return _reject(body, fetched_at, contract.explain(body, error))
    try:
        date_stamp = _read_date(row.ds)
    except ValueError as error:
        return _reject(body, fetched_at, f"{error} - at `$.ds`")
    if row.timestamp and not is_on_the_calendar(row.timestamp):
        return _reject(body, fetched_at, "a time outside the years 1 to 9999 (UTC) - at `$.timestamp`")
    texts = dict(_texts(row))
    if any("\0" in text for text in texts.values()):
        return _reject(body, fetched_at, "a text holds the character U+0000, which no database stores")
    return StatusMessage(
        message_hash=message_hash,
        source_name=texts.get("source_name"),
        ingestion_dataset=texts.get("ingestion_dataset"),
        ingestion_source=texts.get("ingestion_source"),
        date_stamp=date_stamp,
        status=texts.get("status"),
        message=texts.get("message"),
        error_message=texts.get("error_message"),
        row_count=_read_number(row.rowCount),
        metric_count=_read_number(row.metricCount),
        status_at=row.timestamp.astimezone(UTC) if row.timestamp else None,
        first_fetched_at=fetched_at,
        payload=payload,
    )


_COLUMNS: Final = {each.name for each in fields(StatusMessage)}


def _texts(row: _Row) -> Iterator[tuple[str, str]]:
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if name in _COLUMNS and isinstance(value, str):
            yield name, value


def _read_date(value: Any) -> date | None:
    """The calendar date that a text begins with, whatever its time and zone; None for null.

    Raises:
        ValueError: it begins with none.
    """
    if value is None:
        return None
    named = _DATE.match(value) if isinstance(value, str) else None
    try:
        if named:
            return date.fromisoformat(named[0])
    except ValueError:  # a 30th of February
        pass
    raise ValueError("no date: neither `2023-12-11`, nor `20231211`, nor a date-time")


def _read_number(value: Any) -> float | None:
    """A number as a float, which holds whole ones to 2^53; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _reject(body: bytes, fetched_at: datetime, reason: str) -> RejectedMessage:
    refused = contract.reject(body, fetched_at, reason)
    return RejectedMessage(refused.content_hash, fetched_at, refused.reason, refused.payload)
