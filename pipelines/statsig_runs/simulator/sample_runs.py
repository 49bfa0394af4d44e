"""Realistic ingestion runs from a seed number, for the simulator, the demo, the tests and the benchmarks.

A run is a function of the seed, of the pipeline it belongs to and of its place in that pipeline's schedule, never
of the clock: asked again for a later moment, the same run comes back with a longer history. Which runs there are is
told by `sample_team`, what happens to each by `sample_histories`. Pure functions; no HTTP and no table.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import islice
from random import Random
from typing import Any

from statsig_runs.simulator.sample_histories import Event, Histories, tell_histories
from statsig_runs.simulator.sample_team import (
    HOSTILE_SOURCES,
    RUNS_PER_DAY,
    Pipeline,
    list_pipelines,
    mishap,
    newest_date,
    schedule,
)

__all__ = ["HOSTILE_SOURCES", "RUNS_PER_DAY", "Run", "generate_runs", "iter_runs", "runs_as_of"]

Run = dict[str, Any]
"""One run as the API's `data` object, ready for JSON."""


def generate_runs(
    count: int, *, seed: int = 1, until: datetime, teams: int = 1, malformed: int = 0, hostile: bool = False
) -> list[Run]:
    """The newest `count` runs created by `until`, newest first, as the API would show them at that moment.

    Args:
        count: how many runs.
        seed: another number, other runs; the same arguments give the same runs.
        until: the moment of the view, with a time zone; what happens later is not in the histories.
        teams: how many teams with pipelines and sources of their own; each starts about `RUNS_PER_DAY`.
        malformed: how many of the runs break the contract, spread evenly and each in another way.
        hostile: add a pipeline whose sources are `HOSTILE_SOURCES`.
    """
    return list(iter_runs(count, seed=seed, until=until, teams=teams, malformed=malformed, hostile=hostile))


def iter_runs(
    count: int, *, seed: int = 1, until: datetime, teams: int = 1, malformed: int = 0, hostile: bool = False
) -> Iterator[Run]:
    """`generate_runs` one by one, for more runs than fit into memory."""
    limit = _to_milliseconds(until)
    pipelines = list_pipelines(teams, hostile=hostile)
    schedules = [schedule(number, pipeline, seed, limit) for number, pipeline in enumerate(pipelines)]
    malformed = min(malformed, count)
    step = count // malformed if malformed else 0
    rng = Random()  # noqa: S311
    for index, (created, number, slot) in enumerate(islice(heapq.merge(*schedules, reverse=True), count)):
        # seeding by place, not by order, is what makes a run the same whenever it is asked for
        rng.seed((abs(seed) << 96) | (number << 64) | slot)
        pipeline = pipelines[number]
        run = _build(rng, pipeline, created, limit, mishap(pipeline, seed, slot))
        broken = step and index % step == step // 2 and index // step < malformed
        yield _break(run, index // step) if broken else run


def runs_as_of(runs: Iterable[Run], moment: datetime) -> list[Run]:
    """The same runs as the API would have shown them at an earlier `moment` (with a time zone).

    Runs not yet created are left out, later events too, with `latestStatus`, `lastUpdatedAt` and each
    `latestSourceStatus` to match. A malformed run whose histories cannot be read is kept as it is.
    """
    limit = _format(_to_milliseconds(moment))
    return [seen for run in runs if (seen := _as_of(run, limit)) is not None]


def _as_of(run: Run, limit: str) -> Run | None:
    def seen(events: list[dict[str, str]]) -> list[dict[str, str]]:
        return [event for event in events if event["statusTimestamp"] <= limit]

    try:
        if run["createdAt"] > limit:
            return None
        histories = [run["runHistory"]]
        histories += [day["statuses"] for source in run["granularHistory"] for day in source["statusByDate"]]
        if all(event["statusTimestamp"] <= limit for events in histories for event in events[:1]):
            return run
        sources = [
            (source["source"], [(day["dateStamp"], seen(day["statuses"])) for day in source["statusByDate"]])
            for source in run["granularHistory"]
        ]
        return run | _histories_of(run["runID"], run["createdAt"], seen(run["runHistory"]), sources)
    except (KeyError, TypeError):
        return run


def _build(rng: Random, pipeline: Pipeline, created: int, limit: int, story: str | None) -> Run:
    run_id = _draw_id(rng)
    newest = newest_date(created)
    dates = list(range(newest, newest - pipeline.dates, -1))
    told: Histories = tell_histories(rng, created, list(pipeline.sources), dates, story=story, events=pipeline.events)
    stamps = {day: _date_stamp(day) for day in told.days}
    run: Run = {
        "runID": run_id,
        "latestStatus": "",
        "lastUpdatedAt": "",
        "createdAt": _format(created),
        "trigger": pipeline.trigger,
        "sources": list(pipeline.sources),
        "dateStamps": [stamps[day] for day in dates],
    }
    history = _listed(told.run, limit)
    sources = [
        (source, [(stamps[day], _listed(events, limit)) for day, events in days.items()])
        for source, days in told.sources.items()
    ]
    return run | _histories_of(run_id, run["createdAt"], history, sources)


def _listed(events: list[Event], limit: int) -> list[dict[str, str]]:
    """Newest first, as the API lists them."""
    events.sort()
    seconds = _seconds()
    return [
        # `_format` in place: this line runs millions of times
        {"statusTimestamp": _minute(at // 60_000) + seconds[at % 60_000], "status": status}
        for at, status in reversed(events)
        if at <= limit
    ]


def _histories_of(
    run_id: str,
    created_at: str,
    history: list[dict[str, str]],
    sources: list[tuple[str, list[tuple[str, list[dict[str, str]]]]]],
) -> Run:
    granular = []
    for source, days in sources:
        begun = [(day, statuses) for day, statuses in days if statuses]
        if begun:
            newest = max((statuses[0] for _, statuses in begun), key=lambda event: event["statusTimestamp"])
            by_date = [{"dateStamp": day, "statuses": statuses} for day, statuses in begun]
            granular.append({"source": source, "latestSourceStatus": newest["status"], "statusByDate": by_date})
    earlier = timedelta(milliseconds=1000 + zlib.crc32(run_id.encode()) % 1000)
    updated = _format(_to_milliseconds(datetime.fromisoformat(history[0]["statusTimestamp"]) - earlier))
    return {
        "latestStatus": history[0]["status"],
        "lastUpdatedAt": max(created_at, updated),
        "runHistory": history,
        "granularHistory": granular,
    }


def _break(run: Run, way: int) -> Run:
    """The run with one thing wrong; which, goes by the number."""
    event = run["runHistory"][0]
    match way % 7:
        case 0:
            event["statusTimestamp"] = None
        case 1:
            del run["trigger"]
        case 2:
            run["sources"] = ", ".join(run["sources"])
        case 3:
            run["dateStamps"][0] = "the day before"
        case 4:
            event["statusTimestamp"] = event["statusTimestamp"].removesuffix("Z")
        case 5:
            run["latestStatus"] = 7
        case _:
            run["granularHistory"][0]["statusByDate"][0]["statuses"] = None
    return run


def _draw_id(rng: Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _to_milliseconds(moment: datetime) -> int:
    return math.floor(moment.timestamp() * 1000 + 1e-3)


def _format(milliseconds: int) -> str:
    # two look-ups are cheaper than a datetime
    return _minute(milliseconds // 60_000) + _seconds()[milliseconds % 60_000]


@lru_cache(maxsize=1 << 16)
def _minute(minute: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:")


@cache
def _seconds() -> list[str]:
    return [f"{second:02d}.{millisecond:03d}Z" for second in range(60) for millisecond in range(1000)]


@lru_cache(maxsize=1 << 12)
def _date_stamp(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
