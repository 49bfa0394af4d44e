"""The ingestion status of made-up runs: what each source and date was told on its way, in the API's words.

Every message follows from a run that is shown, so the two endpoints never contradict each other. What a run does not
say (how many rows, which error, that a day was empty) follows from the names and dates alone. Pure functions; this
module knows no HTTP.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final

Message = dict[str, Any]
"""One message, ready for JSON."""

_TYPES: Final = ("redshift", "bigquery-v2", "snowflake-v2", "databricks", "s3")
_ERRORS: Final = (
    ("QUERY_ERROR", "SQL compilation error: error line 1 at position 7 invalid identifier 'EVENT_TS'"),
    ("AUTHENTICATION_ERROR", 'Password authentication failed for user "statsig_reader"'),
    ("CONNECTION_ERROR", "Connection to warehouse.internal:5439 timed out after 30 s"),
    ("BULK_LOAD_ERROR", "Bulk load data conversion error (truncated) in row 1,204, column 3 (value)"),
)
_EMPTY_DAY: Final = 40
"""One of so many days of a source is loaded without an error, and empty."""
_THIN_DAY: Final = 61
"""One of so many days of a source has a fifth of its rows."""


def tell_messages(run: dict[str, Any]) -> list[Message]:
    """The messages about one run, oldest first; none about what breaks the contract."""
    try:
        told = [
            message
            for source in run["granularHistory"]
            for day in source["statusByDate"]
            for message in _tell_bucket(source["source"], day["dateStamp"], day["statuses"])
        ]
        return sorted(told, key=lambda message: message["timestamp"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def select(messages: Iterable[Message], first: date, last: date, wanted: dict[str, str]) -> list[Message]:
    """The messages about some days, both included, newest first; `wanted` names exact values of further fields."""
    days = (first.isoformat(), last.isoformat())
    chosen = [
        message
        for message in messages
        if days[0] <= message["ds"][:10] <= days[1]
        and all(str(message[name]).lower() == value.lower() for name, value in wanted.items())
    ]
    return sorted(chosen, key=lambda message: message["timestamp"], reverse=True)


def _tell_bucket(source: str, day: str, statuses: list[dict[str, str]]) -> Iterator[Message]:
    dataset = "Metrics" if "metric" in source.lower() else "Events"
    chance = zlib.crc32(f"{source} {day}".encode())
    for event in reversed(statuses):
        message: Message = {
            "ds": f"{date.fromisoformat(day)}T00:00:00.000Z",
            "ingestion_dataset": dataset,
            "ingestion_source": _TYPES[zlib.crc32(source.encode()) % len(_TYPES)],
            "source_name": source,
            "timestamp": event["statusTimestamp"],
        }
        match event["status"]:
            case "enqueued":
                yield message | _say("IMPORT_SCHEDULED", f"Your job for {dataset} ingestion is scheduled")
            case "download_started":
                yield message | _say("IMPORT_STARTED", f"Your job for {dataset} ingestion has started")
            case "download_complete" if chance % _EMPTY_DAY:
                counted = {"rowCount": _count_rows(source, day, chance)}
                if dataset == "Metrics":
                    counted["metricCount"] = 5 + zlib.crc32(source.encode()) % 20
                yield (
                    message
                    | _say("IMPORT_SUCCESSFUL", f"Your job for {dataset} ingestion completed successfully")
                    | counted
                )
            case "download_complete" | "no_data":
                yield (
                    message
                    | _say("LOADED_EMPTY_DATA", f"Your job for {dataset} ingestion found no data")
                    | {"rowCount": 0}
                )
            case "download_error" | "metrics_error":
                status, words = _ERRORS[chance % len(_ERRORS)]
                yield message | _say(status, f"Your job for {dataset} ingestion failed") | {"error_message": words}


def _say(status: str, words: str) -> Message:
    return {"status": status, "message": words}


def _count_rows(source: str, day: str, chance: int) -> int:
    usual = 50_000 + zlib.crc32(source.encode()) % 400_000
    weekend = 0.6 if date.fromisoformat(day).weekday() >= 5 else 1.0  # noqa: PLR2004  Saturday
    thin = 0.2 if chance % _THIN_DAY == 0 else 1.0
    return int(usual * weekend * thin * (0.95 + chance % 1000 / 10_000))
