"""What happens to one made-up run: the statuses it and each of its sources and dates reach, and when.

Knows the shapes that Statsig's published examples show (healthy, retried, failed, recovered late, recomputed) and how
often each comes; knows neither the API's field names nor how a time is written. Times are milliseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

Event = tuple[int, str]
"""When (milliseconds since 1970, UTC) and which status."""


@dataclass(slots=True)
class Histories:
    """The run's own events and those of each source and day (days since 1970), in no order."""

    run: list[Event]
    sources: dict[str, dict[int, list[Event]]]
    days: list[int]


_SECOND: Final = 1000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_LATE: Final = 27 * _HOUR
_RELOAD: Final = 72 * _HOUR
_APART: Final = 15 * _SECOND
"""How far the two levels' times of one event lie apart at most."""

_STORIES: Final = {
    "healthy": 875,
    "download retried": 40,
    "download failed": 15,
    "download recovered late": 15,
    "some sources recovered late": 8,
    "metrics retried": 15,
    "metrics failed": 8,
    "one source failed": 8,
    "no data": 6,
    "cancelled": 5,
    "reloaded": 5,
}
"""Of 1,000 runs, how many go which way."""
_NAMES: Final = list(_STORIES)
_WEIGHTS: Final = list(accumulate(_STORIES.values()))

_RECOMPUTING_SHARE: Final = 0.3
"""Of the runs that load more than one day, how many touch older days as well."""
_UNSEEN_PULSE_SHARE: Final = 0.03
"""Of all runs, how many show the start of their pulse at source level only."""
_BUCKET_FAN_OUT_SHARE: Final = 0.03
"""Of all sources and days, how many show a fan-out of their own."""


@dataclass(slots=True)
class _Clock:
    """When the stages of one run begin and end; about one to two hours in all."""

    created: int
    started: int
    download: int
    downloaded: int
    metrics: int
    computed: int
    pulse: int
    finished: int


def tell_histories(
    rng: Random, created: int, sources: list[str], days: list[int], *, story: str | None = None, events: bool = False
) -> Histories:
    """Draw one run's story and tell it at both levels.

    Args:
        rng: seeded by the caller; the only source of chance.
        created: when the run was enqueued, milliseconds since 1970.
        sources: the run's sources.
        days: the requested days, as days since 1970, newest first.
        story: how it goes; by default drawn.
        events: whether the run ends with its download, as those of Events do, and recomputes nothing.
    """
    story = story or rng.choices(_NAMES, cum_weights=_WEIGHTS)[0]
    clock = _draw_clock(rng, created)
    run = _tell_run(rng, story, clock, len(days))
    if rng.random() < _UNSEEN_PULSE_SHARE:
        run = [event for event in run if event[1] != "pulse_started"]
    extra = []
    if len(days) > 1 and not events and rng.random() < _RECOMPUTING_SHARE:
        extra = [days[-1] - back for back in (1, 2, 3)]
    told: dict[str, dict[int, list[Event]]] = {}
    for position, source in enumerate(sources):
        buckets = told[source] = {}
        for nth, day in enumerate(days + extra):
            bucket = _tell_bucket(rng, story, clock, nth, unlucky=position == 0)
            # older days are computed again from what was downloaded before
            buckets[day] = [event for event in bucket if _is_computing(event)] if day in extra else bucket
    if events:
        run = [event for event in run if not _is_computing(event)]
        for buckets in told.values():
            buckets |= {day: [e for e in bucket if not _is_computing(e)] for day, bucket in buckets.items()}
    if story == "reloaded":
        for history in (run, *(bucket for buckets in told.values() for bucket in buckets.values())):
            history += [(at + _RELOAD, status) for at, status in history if at >= clock.download - _APART]
    return Histories(run, told, days + extra)


def _is_computing(event: Event) -> bool:
    return event[1].startswith(("metrics", "pulse"))


def _draw_clock(rng: Random, created: int) -> _Clock:
    between = rng.randrange
    started = created + between(_MINUTE, 3 * _MINUTE)
    download = started + between(4 * _MINUTE, 9 * _MINUTE)
    downloaded = download + between(18 * _MINUTE, 35 * _MINUTE)
    metrics = downloaded + between(_MINUTE, 2 * _MINUTE)
    computed = metrics + between(22 * _MINUTE, 40 * _MINUTE)
    pulse = computed + between(_MINUTE, 2 * _MINUTE)
    return _Clock(
        created,
        started,
        download,
        downloaded,
        metrics,
        computed,
        pulse,
        pulse + between(16 * _MINUTE, 29 * _MINUTE),
    )


def _tell_run(rng: Random, story: str, clock: _Clock, day_count: int) -> list[Event]:
    queue = [(clock.created, "enqueued"), (clock.started, "started")]
    download = [(clock.download, "download_started")]
    third = (clock.downloaded - clock.download) // 3
    failed_once = (clock.download + third, "download_error")
    again = (clock.download + third + 2 * _MINUTE, "download_started")
    if story == "cancelled":
        return [*queue, *download, (clock.downloaded, "cancelled")]
    if story == "no data":
        return [*queue, *download, (clock.downloaded, "no_data")]
    if story in {"download failed", "download recovered late", "some sources recovered late"}:
        return [*queue, *download, failed_once, again, (clock.downloaded, "download_error")]
    if story == "download retried":
        download += [failed_once, again]
    download.append((clock.downloaded, "download_complete"))
    # fan-out: one start a worker, within half a minute and with no error between
    metrics = [(clock.metrics + rng.randrange(30 * _SECOND), "metrics_started") for _ in range(3)]
    metrics.append((clock.metrics, "metrics_started"))
    half = (clock.metrics + clock.computed) // 2
    if story == "metrics failed":
        return [*queue, *download, *metrics, (half, "metrics_error")]
    if story == "metrics retried":
        metrics += [(half, "metrics_error"), (half + _MINUTE, "metrics_started")]
    metrics.append((clock.computed, "metrics_complete"))
    pulse = [(clock.pulse + nth * 5 * _SECOND, "pulse_started") for nth in range(day_count)]
    return [*queue, *download, *metrics, *pulse, (clock.finished, "pulse_complete")]


def _tell_bucket(rng: Random, story: str, clock: _Clock, nth: int, *, unlucky: bool) -> list[Event]:
    """One source and day: each event up to 15 s before the run's own, and no retry of the download."""
    chance = rng.random

    def before(moment: int) -> int:
        return moment - int(chance() * _APART)

    events = [
        (clock.created, "enqueued"),
        (before(clock.started), "started"),
        (before(clock.download), "download_started"),
    ]
    if story in {"cancelled", "no data"}:
        return [*events, (before(clock.downloaded), "cancelled" if story == "cancelled" else "no_data")]
    late = 0
    if story in {"download failed", "download recovered late", "some sources recovered late"}:
        third = (clock.downloaded - clock.download) // 3
        events.append((before(clock.download + third), "download_error"))
        if story == "download failed" or (story == "some sources recovered late" and unlucky):
            return events
        late = _LATE
    events.append((before(clock.downloaded) + late, "download_complete"))
    events.append((before(clock.metrics) + late, "metrics_started"))
    if chance() < _BUCKET_FAN_OUT_SHARE:
        events.append((before(clock.metrics) + late, "metrics_started"))
    half = (clock.metrics + clock.computed) // 2
    if story == "metrics failed" or (story == "one source failed" and unlucky):
        return [*events, (before(half), "metrics_error")]
    if story == "metrics retried" and unlucky:
        events += [(before(half), "metrics_error"), (before(half + _MINUTE), "metrics_started")]
    events.append((before(clock.computed) + late, "metrics_complete"))
    events.append((before(clock.pulse + nth * 5 * _SECOND) + late, "pulse_started"))
    events.append((before(clock.finished) + late, "pulse_complete"))
    return events
