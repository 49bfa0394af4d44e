"""Worlds in which sources have a past: habits, usual lags, a status that their histories end with, odd times.

The order of three events is what `generated_runs` varies; here it is what many runs say together. One number is drawn
a life and the rest follows from it: drawing each value would be too much for one example of hypothesis.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from random import Random

from hypothesis import strategies as st

from tests.support import generated_runs
from tests.support.generated_runs import HOUR_MS, Payload, World, write_history, write_timestamp

DAY = timedelta(days=1)
HABITS = {
    "daily": range(7),
    "on weekdays": range(5),
    "weekly": (2,),
    "twice a week": (0, 3),
}
PATH = [
    "enqueued",
    "started",
    "download_started",
    "download_complete",
    "metrics_started",
    "metrics_complete",
    "pulse_started",
    "pulse_complete",
]
ENDS = ["download_complete", "download_complete", "metrics_complete", "pulse_complete", "export_completed"]
OTHER_ENDS = ["download_complete", "metrics_complete", "pulse_complete", "queue_complete", "started"]
ODD_TIMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2014, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2015, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
]
AFTER_FETCH_MS = [48 * HOUR_MS, 48 * HOUR_MS + 1, 49 * HOUR_MS, 90 * 24 * HOUR_MS]
"""Two days after the fetch are plausible still, a millisecond more is not."""


def odd_time(random: Random, fetched_at: datetime) -> datetime:
    after = [fetched_at + timedelta(milliseconds=ms) for ms in AFTER_FETCH_MS]
    return random.choice([*ODD_TIMES, *after])


def path_to(end: str, random: Random) -> list[tuple[str, int]]:
    """Statuses with gaps in ms, up to this end; stages overlap at times, and time steps back: waits are negative."""
    names = [*PATH[: PATH.index(end) + 1]] if end in PATH else [*PATH[:2], end]
    path = [(name, random.choice([0, 31, 12_421, 600_123, 2 * HOUR_MS])) for name in names]
    if "metrics_started" in names and random.random() < 0.3:
        path[3], path[4] = path[4], path[3]
    if len(path) > 4 and random.random() < 0.1:
        path[4] = (path[4][0], -15_000)
    return path


def fate(path: list[tuple[str, int]], random: Random) -> list[tuple[str, int]]:
    """The path as it went: whole mostly, or with an error that it recovers from, cut short, or failed."""
    chance = random.random()
    if chance < 0.85 or len(path) < 4:
        return path
    if chance < 0.9:
        return [*path[:3], ("download_error", 51_764)]
    if chance < 0.94:
        return path[: random.randrange(1, len(path))]
    requeued = random.choice([[], [("enqueued", 60_000), ("started", 60_000)], [("download_started", 5)]])
    return [*path[:3], ("download_error", 5), *requeued, *path[3:]]


class Life:
    """One source (at times two) that runs for some dates up to some day: what it does usually, and when not."""

    def __init__(self, number: int, seed: int, now: datetime) -> None:
        self.random = random = Random(seed)  # noqa: S311
        self.now = now
        self.name = f"life {number}"
        self.sources = [self.name, f"{self.name} b"] if random.random() < 0.3 else [self.name]
        self.end, self.other_end = random.choice(ENDS), random.choice(OTHER_ENDS)
        self.end_of_second = random.choice([self.end, self.end, self.other_end])
        self.other_share = random.choice([0, 0.05, 0.1, 0.1, 0.4])
        self.newest_other = random.choice([0, 0, 1, 2, 2, 3])
        self.lag_hours = random.choice([-3, 0, 1, 18.5, 18.5, 40])
        self.lag_spread = random.choice([0, 1, 1, 30, 300])
        self.odd_share = random.choice([0, 0, 0, 0, 0.1, 0.3])

    def dates(self) -> list[date]:
        """Of an old or young, a busy or retired source, with holes; at times from before a gap of over 400 days."""
        random = self.random
        weekdays = HABITS[random.choice([*HABITS, "daily"])]
        span = random.choice([3, 5, 8, 10, 12, 22, 25, 40, 80])
        last = self.now.date() - DAY * random.choice([0, 1, 1, 2, 2, 3, 8, 28, 40, 440])
        holes = random.choice([0, 0, 0, 0.05, 0.3])
        days = [last - DAY * back for back in reversed(range(span))]
        return [day for day in days if day.weekday() in weekdays and random.random() >= holes]

    def runs(self) -> World:
        """Oldest first, as fetched once each."""
        dates = self.dates()
        return [self.run(nth, day, len(dates) - nth <= self.newest_other) for nth, day in enumerate(dates)]

    def run(self, nth: int, day: date, is_of_newest_other: bool) -> tuple[Payload, datetime]:
        random = self.random
        lag = timedelta(hours=round(self.lag_hours + random.random() * self.lag_spread, 3))
        created_at = datetime.combine(day + DAY, time(8), tzinfo=UTC) + lag
        is_other = is_of_newest_other or random.random() < self.other_share
        ends = [self.other_end if is_other else self.end, self.other_end if is_other else self.end_of_second]
        steps = [fate(path_to(end, random), random) for end in ends[: len(self.sources)]]
        dates = {day.isoformat(): 0} | ({(day - DAY * n).isoformat(): 4 for n in (1, 2, 3)} if nth % 9 == 8 else {})
        granular = [
            {
                "source": source,
                "latestSourceStatus": path[-1][0],
                "statusByDate": [
                    {"dateStamp": stamp, "statuses": write_history(created_at, path[skipped:])}
                    for stamp, skipped in dates.items()
                ],
            }
            for source, path in zip(self.sources, steps, strict=True)
        ]
        events = write_history(created_at, random.choice([steps[0], steps[-1], fate(steps[0], random)]))
        last = max(datetime.fromisoformat(event["statusTimestamp"]) for event in events)
        after = random.choice([HOUR_MS, HOUR_MS, 24 * HOUR_MS - 1, 24 * HOUR_MS, 30 * HOUR_MS, 360 * HOUR_MS])
        fetched_at = min(last + timedelta(milliseconds=after), max(last, self.now))
        payload: Payload = {
            "runID": f"{self.name} run {nth:03}",
            "latestStatus": events[0]["status"],
            "lastUpdatedAt": events[0]["statusTimestamp"],
            "createdAt": write_timestamp(created_at),
            "trigger": "scheduled",
            "sources": self.sources,
            "dateStamps": [day.isoformat()],
            "runHistory": events,
            "granularHistory": granular,
        }
        if random.random() < self.odd_share:
            payload = with_an_odd_time(payload, random, fetched_at)
        return payload, fetched_at


def with_an_odd_time(payload: Payload, random: Random, fetched_at: datetime) -> Payload:
    """One place of the run says a time that cannot be, or the first or last one that can."""
    odd = odd_time(random, fetched_at)
    written = write_timestamp(odd) if odd.year > 1 else "0001-01-01T00:00:00Z"
    bucket = payload["granularHistory"][0]["statusByDate"][0]
    match random.randrange(5):
        case 0:
            return payload | {"createdAt": written}
        case 1:
            return payload | {"lastUpdatedAt": written}
        case 2:
            payload["runHistory"][0]["statusTimestamp"] = written
        case 3 if bucket["statuses"]:
            bucket["statuses"][0]["statusTimestamp"] = written
        case _:
            bucket["dateStamp"] = odd.date().isoformat()
            if random.random() < 0.7:
                return payload | {"dateStamps": [odd.date().isoformat()]}
    return payload


def now_after(world: World, hour: float, ms: int) -> datetime:
    """A moment later than every fetch: a full or half hour, at which days can end, or a millisecond beside it."""
    newest = max((fetched_at for _, fetched_at in world), default=datetime(2024, 1, 15, tzinfo=UTC))
    return datetime.combine(newest.date() + 2 * DAY, time(), tzinfo=UTC) + timedelta(hours=hour, milliseconds=ms)


@st.composite
def worlds(draw: st.DrawFn, odd: int = 50, ordinary: int = 24, lives: int = 24) -> World:
    """The runs of `generated_runs.worlds` and those of so many lives, which go on until now, oldest first."""
    world: World = draw(generated_runs.worlds(odd=odd, ordinary=ordinary))
    now = now_after(world, draw(st.sampled_from([2.5, 8, 10, 18.5, 23.5])), draw(st.sampled_from([0, 0, -1, 1])))
    seeds = draw(st.lists(st.integers(0, 2**32), min_size=lives, max_size=lives))
    lived = [run for number, seed in enumerate(seeds) for run in Life(number, seed, now).runs()]
    if lived:
        lived[-1] = (lived[-1][0], max(lived[-1][1], now))
    return world + lived
