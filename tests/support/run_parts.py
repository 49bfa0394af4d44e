"""A run as the API sends it, taken apart: its histories, its moments."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def moment(event: dict[str, str]) -> datetime:
    return datetime.fromisoformat(event["statusTimestamp"])


def statuses(events: list[dict[str, str]]) -> list[str]:
    """Oldest first."""
    return [event["status"] for event in reversed(events)]


def buckets(run: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, str]]]:
    """The history of each source and date stamp, newest first as the API lists it."""
    return {
        (source["source"], day["dateStamp"]): day["statuses"]
        for source in run["granularHistory"]
        for day in source["statusByDate"]
    }
