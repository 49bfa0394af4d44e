"""Sources and runs told as stories, for tests whose expected values were worked out by hand. Now is `NOW` for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from tests.support.written_runs import at, history, payload

NOW = at("2024-03-05T18:00:00")
"""A Tuesday, 10:00 in PST: the newest day that has ended is Monday, 4 March."""

DAY = timedelta(days=1)
SECOND = "%Y-%m-%dT%H:%M:%S"
WEEKEND = (5, 6)
SUNDAY = 6

Fetched = list[tuple[dict, datetime]]


def days(first: str, last: str, but: tuple[str, ...] = ()) -> Iterator[date]:
    """Every day from the first to the last, both included, but these."""
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        if day.isoformat() not in but:
            yield day
        day += DAY


def told(run_id: str, source: str, day: str, *events: str, trigger: str = "scheduled") -> tuple[dict, datetime]:
    """A run of one source and date, with one history at both levels."""
    told = history(*events)
    return payload(run_id, [source], [day], told, {(source, day): told}, trigger=trigger), NOW


def loaded(source: str, day: date, *, hours: float = 3, end: str = "pulse_complete") -> tuple[dict, datetime]:
    """A run of one date that began half an hour before its end, so many hours after the day's end in PST."""
    done = datetime.combine(day + DAY, time(8), tzinfo=UTC) + timedelta(hours=hours)
    begun = done - timedelta(minutes=30)
    return told(f"{source} {day}", source, f"{day}", f"{begun:{SECOND}} enqueued", f"{done:{SECOND}} {end}")


def sources() -> Fetched:
    """Each source is a story of its own; what does not say otherwise lands three hours after its day."""
    backfill = "2024-03-05T15:00:00 enqueued", "2024-03-05T16:00:00 pulse_complete"
    late = "2024-03-03T10:30:00 enqueued", "2024-03-03T11:00:00 download_error", "2024-03-05T12:00:00 pulse_complete"
    return [
        *(loaded("forgot a day", d) for d in days("2024-01-01", "2024-03-04", but=("2024-03-02",))),
        *(loaded("weekdays", d, hours=12) for d in days("2024-01-01", "2024-03-03") if d.weekday() not in WEEKEND),
        *(loaded("Sundays", d) for d in days("2023-12-31", "2024-03-02", ("2024-02-11",)) if d.weekday() == SUNDAY),
        *(loaded("a week old", d) for d in days("2024-02-26", "2024-03-03")),
        *(loaded("six days old", d) for d in days("2024-02-27", "2024-03-03")),
        *(loaded("just retired", d) for d in days("2023-12-01", "2024-01-31")),
        *(loaded("long retired", d) for d in days("2023-11-01", "2023-12-31")),
        *(loaded("hole", d) for d in days("2024-01-01", "2024-03-04", ("2024-02-10", "2024-02-11", "2024-02-12"))),
        loaded("hole", date(2024, 2, 12), hours=123),
        *(loaded("failed today", d) for d in days("2024-01-01", "2024-03-03")),
        loaded("failed today", date(2024, 3, 4), end="download_error"),
        *(loaded("behind a backfill", d) for d in days("2024-01-02", "2024-03-04", ("2024-03-03",))),
        loaded("behind a backfill", date(2024, 3, 3), end="download_error"),
        told("backfill", "behind a backfill", "2024-01-01", *backfill, trigger="backfill"),
        *(loaded("Events", d, hours=19 / 3, end="download_complete") for d in days("2024-02-22", "2024-03-04")),
        *(loaded("stopped half-way", d) for d in days("2024-02-22", "2024-03-02")),
        loaded("stopped half-way", date(2024, 3, 3), end="download_complete"),
        *(loaded("changed its end", d) for d in days("2024-02-12", "2024-02-29")),
        *(loaded("changed its end", d, end="metrics_complete") for d in days("2024-03-01", "2024-03-02")),
        told("late", "late success", "2024-03-02", *late),
        loaded("late success", date(2024, 3, 3), end="download_error"),
    ]


def alone(run_id: str, trigger: str, *events: str, buckets: tuple[tuple[str, ...], ...] = ()) -> tuple[dict, datetime]:
    """A run of a trigger of its own, so that one row of `agg_daily` speaks of its story alone; a date a bucket."""
    stamps = [f"2024-02-{nth:02}" for nth in range(1, len(buckets) + 1)]
    histories = {(run_id, stamp): history(*told) for stamp, told in zip(stamps, buckets, strict=True)}
    return payload(run_id, [run_id], stamps, history(*events), histories, trigger=trigger), NOW


def minutes(*events: tuple[int, str], day: str = "2024-02-20") -> tuple[str, ...]:
    """Events so many minutes after 06:00 UTC of the day."""
    start = at(f"{day}T06:00:00")
    return tuple(f"{start + timedelta(minutes=minute):{SECOND}} {status}" for minute, status in events)


def runs() -> Fetched:
    """Runs whose numbers were exact and still misled."""
    failure = minutes((0, "enqueued"), (20, "download_error"))
    success = minutes((0, "enqueued"), (60, "pulse_complete"))
    silence = minutes((0, "enqueued"), (1, "started"), (5, "download_started"))
    now = minutes((0, "enqueued"), (1, "download_error"), (2, "download_started"), day="2024-03-05")
    healed = minutes((0, "enqueued"), (20, "download_error"), (80, "pulse_complete"), day="2024-03-05")
    requeued = minutes(
        (0, "enqueued"),
        (1, "started"),
        (2, "download_started"),
        (20, "download_error"),
        (30, "enqueued"),
        (31, "started"),
        (40, "download_started"),
        (400, "download_complete"),
        (401, "pulse_complete"),
    )
    a_day_later = (*failure, "2024-02-21T09:20:00 pulse_complete")
    waiting = minutes(
        (0, "enqueued"), (2, "started"), (7, "download_started"), (27, "download_complete"), (423, "metrics_started")
    )
    overlapping = minutes((0, "enqueued"), (2, "download_started"), (10, "started"), (30, "download_complete"))
    return [
        alone("finished with an error", "in progress with errors", *healed),
        alone("in progress 1", "in progress with errors", *now),
        alone("in progress 2", "in progress with errors", *now),
        alone("stalled", "stalled", *silence, buckets=(silence,)),
        alone("nine of ten", "nine of ten", *success, buckets=(*(failure,) * 9, success)),
        alone("failed", "failed and empty", *failure),
        (payload("empty", [], [], history(*failure), {}, trigger="failed and empty") | {"runHistory": []}, NOW),
        alone("requeued", "requeued", *requeued, buckets=(requeued,)),
        *(alone(f"quick failure {nth}", "quick failures", *failure) for nth in range(9)),
        alone("an hour", "quick failures", *success),
        alone("a day later", "a day later", *failure, buckets=(a_day_later,)),
        alone("waiting", "waiting", *waiting),
        alone("overlapping", "overlapping", *overlapping),
        alone("from 1970", "from 1970", "1970-01-01T00:00:00 enqueued", "1970-01-01T01:00:00 pulse_complete"),
    ]
