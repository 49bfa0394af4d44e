"""What a made-up team runs, and when: its sources, their schedules, and the slots at which something goes wrong.

Between them the pipelines show each habit that the marts tell apart: hourly, daily, on weekdays, weekly, by hand. Knows
neither the shape of a run nor its history. Times are milliseconds since 1970, days are days since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

HOSTILE_SOURCES: Final = (
    "<script>alert('run')</script>",
    "Robert'); DROP TABLE runs;--",
    "\u202egnirts desrever\u202c 🚀",
    "../../etc/passwd?a=1&b=%2F#{{ x }}",
    "Ω" * 300,
)
"""Source names that a page, a query or a path must show as plain text."""

RUNS_PER_DAY: Final = 35
"""About how many runs one team's pipelines start in a day."""

_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR
_PST: Final = 8 * _HOUR
"""How far Statsig's day is behind UTC, all year."""
_WEEKDAYS: Final = (0, 1, 2, 3, 4)
_EVERY_DAY: Final = (*_WEEKDAYS, 5, 6)
_SUNDAY: Final = (6,)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What starts runs: `every` hours, `offset` minutes past, for the `dates` days that ended last in PST.

    `weekdays` (0 is Monday) are those of the newest date. `events` says that its runs end with their download.
    `mishaps` are stories of `sample_histories` by their place in a cycle of nine slots; `FORGOTTEN` is a slot without a
    run, so a date that nobody ever asked for.
    """

    trigger: str
    sources: tuple[str, ...]
    every: int
    offset: int
    dates: int
    weekdays: tuple[int, ...] = _EVERY_DAY
    events: bool = False
    mishaps: tuple[tuple[int, str], ...] = ()


FORGOTTEN: Final = "forgotten"
_CYCLE: Final = 9
_MISHAPS: Final = ((0, FORGOTTEN), (4, "download failed"), (6, "download recovered late"))
_STATSIGS_HOUR: Final = 150
"""02:30 UTC is 18:30 PST: when Statsig's own schedule runs, the day after the date."""

_TEAM: Final = (
    Pipeline("scheduled", ("Web events", "App events"), every=1, offset=10, dates=2),
    Pipeline("scheduled", ("Revenue metrics", "Engagement metrics", "Retention metrics"), 4, 25, dates=3),
    Pipeline("scheduled", ("Checkout events", "Billing events"), 24, _STATSIGS_HOUR, dates=1, events=True),
    Pipeline("scheduled", ("Support events",), 24, _STATSIGS_HOUR, dates=1, events=True, mishaps=_MISHAPS),
    Pipeline("scheduled", ("Daily metrics",), 24, 270, dates=4),
    Pipeline("scheduled", ("Finance metrics",), 24, _STATSIGS_HOUR, dates=1, weekdays=_WEEKDAYS),
    Pipeline("scheduled", ("Guardrail metrics",), 24, _STATSIGS_HOUR, dates=1, weekdays=_SUNDAY),
    Pipeline("api", ("Experiment metrics",), 37, 40, dates=3),
    Pipeline("backfill", ("Checkout events", "Billing events"), 107, 35, dates=7, events=True),
)
_HOSTILE: Final = Pipeline("scheduled", HOSTILE_SOURCES, every=6, offset=20, dates=1)


def list_pipelines(teams: int, *, hostile: bool) -> list[Pipeline]:
    """Those of so many teams, each with sources of its own, and the one whose sources are `HOSTILE_SOURCES`."""
    pipelines = [_rename(pipeline, team) for team in range(1, teams + 1) for pipeline in _TEAM]
    return [*pipelines, _HOSTILE] if hostile else pipelines


def _rename(pipeline: Pipeline, team: int) -> Pipeline:
    if team == 1:
        return pipeline
    sources = tuple(f"{source} (team {team})" for source in pipeline.sources)
    return replace(pipeline, sources=sources, offset=pipeline.offset + 7 * team)


def schedule(number: int, pipeline: Pipeline, seed: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """(created, pipeline's number, slot) of one pipeline's runs up to `limit`, newest first, without end."""
    every, offset = pipeline.every * _HOUR, pipeline.offset * 60_000
    for slot in range((limit - offset) // every, 0, -1):
        late = (slot * 2_654_435_761 + number * 40_503 + seed * 65_537) % 600_000
        created = slot * every + offset + late
        is_due = created <= limit and _weekday(newest_date(created)) in pipeline.weekdays
        if is_due and mishap(pipeline, seed, slot) != FORGOTTEN:
            yield created, number, slot


def newest_date(created: int) -> int:
    """The newest date that has ended: the day before the run's own, both in PST."""
    return (created - _PST) // _DAY - 1


def mishap(pipeline: Pipeline, seed: int, slot: int) -> str | None:
    """The story that a run of this slot is bound to, if any."""
    return dict(pipeline.mishaps).get((slot + seed) % _CYCLE)


def _weekday(day: int) -> int:
    # the first day of 1970 was a Thursday
    return (day + 3) % 7
