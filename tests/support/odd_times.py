"""Runs with one time or date each that cannot be: zero values and last values of languages, and the day Unix began."""

from __future__ import annotations

from typing import Any

from tests.support.written_runs import history, payload

GO_ZERO = "0001-01-01T00:00:00.000"
DOTNET_LAST = "9999-12-31T23:59:59.999"
UNIX_ZERO = "1970-01-01T00:00:00.000"
DAY = "2026-02-27"


def plain(run_id: str = "plain", date: str = DAY) -> dict[str, Any]:
    """An hour's run in which nothing is odd."""
    run = history(
        "2026-02-28T09:00:00.000 enqueued",
        "2026-02-28T09:10:00.000 started",
        "2026-02-28T09:20:00.000 download_started",
        "2026-02-28T10:00:00.000 pulse_complete",
    )
    return payload(run_id, ["Odd"], [date], run, {("Odd", date): run})


def odd_runs() -> list[dict[str, Any]]:
    """One run for each oddity, named after it."""
    runs = [plain(f"created {moment}") | {"createdAt": f"{moment}Z"} for moment in (GO_ZERO, UNIX_ZERO, DOTNET_LAST)]
    for moment in (GO_ZERO, UNIX_ZERO, DOTNET_LAST):
        at_run, at_bucket = plain(f"run event {moment}"), plain(f"bucket event {moment}")
        ended = [{"status": "pulse_complete", "statusTimestamp": f"{moment}Z"}, *at_run["runHistory"][1:]]
        [source] = at_bucket["granularHistory"]
        source["statusByDate"] = [{"dateStamp": DAY, "statuses": ended}]
        runs += [at_run | {"runHistory": ended}, at_bucket]
    return [*runs, *(plain(f"date {date}", date) for date in ("0001-01-01", "1970-01-01", "9999-12-31"))]
