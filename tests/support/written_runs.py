"""API payloads written down by a person, for tests whose expected values were worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def history(*events: str) -> list[dict]:
    """`"2023-12-13T02:30:55.992 enqueued"` …, oldest first as people read, newest first as the API lists."""
    pairs = [event.split(" ") for event in events]
    return [{"statusTimestamp": f"{moment}Z", "status": status} for moment, status in reversed(pairs)]


def payload(
    run_id: str,
    sources: list[str],
    dates: list[str],
    run: list[dict],
    buckets: dict[tuple[str, str], list[dict]],
    *,
    trigger: str = "scheduled",
) -> dict:
    granular = [
        {
            "source": source,
            "latestSourceStatus": events[0]["status"],
            "statusByDate": [{"dateStamp": day, "statuses": events}],
        }
        for (source, day), events in buckets.items()
    ]
    return {
        "runID": run_id,
        "latestStatus": run[0]["status"],
        "lastUpdatedAt": "2023-12-13T02:44:23.790Z",
        "createdAt": run[-1]["statusTimestamp"],
        "trigger": trigger,
        "sources": sources,
        "dateStamps": dates,
        "runHistory": run,
        "granularHistory": granular,
    }
