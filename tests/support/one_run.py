"""One run as the API sends it, with changes; and the parts that its histories are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def payload(**changes: Any) -> dict[str, Any]:
    run = {
        "runID": "r1",
        "latestStatus": "started",
        "lastUpdatedAt": "2023-12-13T02:44:23.790Z",
        "createdAt": "2023-12-13T02:30:55.992Z",
        "trigger": "scheduled",
        "sources": ["Events 1"],
        "dateStamps": ["2023-12-11"],
        "runHistory": [{"statusTimestamp": "2023-12-13T02:32:35.607Z", "status": "started"}],
        "granularHistory": [
            {
                "source": "Events 1",
                "latestSourceStatus": "started",
                "statusByDate": [
                    {
                        "dateStamp": "2023-12-11",
                        "statuses": [{"statusTimestamp": "2023-12-13T02:32:33.118Z", "status": "started"}],
                    }
                ],
            }
        ],
    }
    return run | changes


T = "2023-12-13T02:00:0"
"""The times of `history`, but for their last digit."""


def history(*events: tuple[str, str]) -> list[dict[str, str]]:
    return [{"statusTimestamp": f"{T}{second}Z", "status": status} for second, status in events]


def bucket(source: str, day: str, *events: tuple[str, str], latest: str = "x") -> dict[str, Any]:
    by_date = [{"dateStamp": day, "statuses": history(*events)}]
    return {"source": source, "latestSourceStatus": latest, "statusByDate": by_date}
