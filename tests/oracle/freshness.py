"""`fct_date_freshness`: which dates a source has named or should have, which have landed, which are overdue."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from tests.oracle.facts import Row
from tests.oracle.measures import percentile, seconds_between
from tests.oracle.runs import Bucket, FinalStatuses, Run, by_source
from tests.oracle.vocabulary import Settings

DAY = timedelta(days=1)
LONGEST_HABIT = timedelta(hours=168)
WITHOUT_HABIT = timedelta(hours=48)


def end_of(day: date, settings: Settings) -> datetime:
    """The next midnight of the ingestion day, which runs `day_utc_offset_hours` ahead of UTC."""
    return datetime.combine(day + DAY, time(), tzinfo=UTC) - timedelta(hours=settings.day_utc_offset_hours)


def newest_ended_date(now: datetime, settings: Settings) -> date:
    """The latest date whose end is not after now: count back from a date that has certainly not ended."""
    day = now.date() + 2 * DAY
    while end_of(day, settings) > now:
        day -= DAY
    return day


def fct_date_freshness(runs: list[Run], finals: FinalStatuses, settings: Settings) -> list[Row]:
    if not runs:
        return []
    now = max(r.fetched_at for r in runs)
    return [
        row
        for source, buckets in by_source(runs).items()
        for row in dates_of_source(source, buckets, now, finals.get(source), settings)
    ]


def dates_of_source(
    source: str, newest_first: list[Bucket], now: datetime, final_status: str | None, settings: Settings
) -> list[Row]:
    named: dict[date, list[Bucket]] = {}
    for bucket in newest_first:
        named.setdefault(bucket.day, []).append(bucket)
    asked = {b.day for b in newest_first if b.is_requested_date and b.has_plausible_day}
    rows = {day: named_row(source, day, buckets, settings) for day, buckets in named.items()}
    if asked:
        newest_ended = newest_ended_date(now, settings)
        day = max(min(asked), newest_ended - 400 * DAY)
        while day <= newest_ended:
            if day not in rows and is_expected(day, asked):
                rows[day] = unnamed_row(source, day, settings)
            day += DAY
    plausible = {day for day, row in rows.items() if row["day_ended_at"] is not None}
    lags = {day: rows[day]["landing_lag_seconds"] for day in plausible}
    for day, row in rows.items():
        expected_by = None
        if day in plausible:
            expected_by = row["day_ended_at"] + usual_wait(day, lags, final_status, settings)
        row["is_expected"] = day in plausible and is_expected(day, asked)
        row["expected_by"] = expected_by
        row["is_overdue"] = expected_by is not None and not row["is_landed"] and now >= expected_by
        row["state"] = state_of(row)
    return list(rows.values())


def named_row(source: str, day: date, newest_first: list[Bucket], settings: Settings) -> Row:
    """Choices: a date that is implausible for every run that names it has no end, so no lag and nothing to expect;
    an implausible end of a success is no time of landing, though the date has landed.
    """
    succeeded = [b.history for b in newest_first if b.outcome == "succeeded"]
    moments = [h.plausible_last_event_at for h in succeeded if h.plausible_last_event_at is not None]
    first_succeeded_at = min(moments, default=None)
    day_ended_at = end_of(day, settings) if any(b.has_plausible_day for b in newest_first) else None
    return {
        "source": source,
        "date_stamp": day,
        "run_count": len(newest_first),
        "latest_run_id": newest_first[0].run.run_id,
        "latest_outcome": newest_first[0].outcome,
        "first_succeeded_at": first_succeeded_at,
        "is_landed": bool(succeeded),
        "day_ended_at": day_ended_at,
        "landing_lag_seconds": seconds_between(day_ended_at, first_succeeded_at),
    }


def unnamed_row(source: str, day: date, settings: Settings) -> Row:
    return {
        "source": source,
        "date_stamp": day,
        "run_count": 0,
        "latest_run_id": None,
        "latest_outcome": None,
        "first_succeeded_at": None,
        "is_landed": False,
        "day_ended_at": end_of(day, settings),
        "landing_lag_seconds": None,
    }


def is_expected(day: date, asked: set[date]) -> bool:
    """More than half of the same weekdays of eight weeks, those since the source's first date, were asked for."""
    weekdays = [day - weeks * 7 * DAY for weeks in range(1, 9)]
    known = [d for d in weekdays if asked and d >= min(asked)]
    return sum(1 for d in known if d in asked) * 2 > len(known)


def usual_wait(day: date, lags: dict[date, float | None], final_status: str | None, settings: Settings) -> timedelta:
    """From the end of the day until it is expected. Choice: the percentile is capped, not each lag."""
    before = [lags.get(day - n * DAY) for n in range(1, 29)]
    known = [lag for lag in before if lag is not None]
    usual = WITHOUT_HABIT
    if len(known) >= 5:
        usual = min(timedelta(seconds=percentile(known, 0.95)), LONGEST_HABIT)
    settling = timedelta(hours=settings.settle_hours) if final_status is None else timedelta(0)
    return timedelta(hours=settings.overdue_grace_hours) + usual + settling


def state_of(row: Row) -> str:
    if row["is_landed"]:
        return "landed"
    if row["latest_outcome"] is not None:
        return row["latest_outcome"]
    return "missing" if row["is_overdue"] else "awaited"


def with_reports(dates: list[Row], reports: list[Row]) -> list[Row]:
    """What the ingestion status says of each date; a date that landed and was empty is shown as that."""
    by_date = {(r["source"], r["date_stamp"]): r for r in reports}
    for row in dates:
        report = by_date.get((row["source"], row["date_stamp"]), {})
        for column in ("row_count", "metric_count", "reported_status", "error_message"):
            row[column] = report.get(column)
        if row["is_landed"] and report.get("is_empty"):
            row["state"] = "empty"
    return dates
