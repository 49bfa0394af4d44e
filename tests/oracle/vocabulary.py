"""The words of the models as a state machine over plain lists: history, stage, phase, attempt, outcome.

Written from the definitions alone, as a second opinion on the SQL; it must never read the SQL, nor the
package under test. Every rule is a loop that a person can follow with a finger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.oracle.measures import is_plausible, parse_timestamp, seconds_between

PHASE_OF_SUFFIX = {
    "_started": "started",
    "_complete": "complete",
    "_completed": "complete",
    "_error": "error",
    "_failed": "error",
}


@dataclass(frozen=True)
class Settings:
    """What a user may set. `catalogue` maps a status to (stage, phase) and wins over the pattern."""

    settle_hours: float = 24
    terminal_success: tuple[str, ...] = ("pulse_complete",)
    catalogue: dict[str, tuple[str, str]] = field(default_factory=dict)
    day_utc_offset_hours: float = -8
    overdue_grace_hours: float = 2
    completeness_days: int = 28
    volume_drop_ratio: float = 0.5


@dataclass(frozen=True)
class Event:
    """One status of one history."""

    at: datetime
    status: str
    stage: str
    phase: str


@dataclass
class Attempt:
    """One attempt of one stage, as the walk leaves it."""

    number: int
    kind: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str = "running"
    restart_count: int = 0

    @property
    def seconds(self) -> float | None:
        return seconds_between(self.started_at, self.ended_at)


@dataclass
class Stage:
    """One stage of one history with its attempts, oldest first."""

    name: str
    order: int
    attempts: list[Attempt]
    error_count: int
    wait_seconds: float | None = None

    @property
    def started_at(self) -> datetime | None:
        for attempt in self.attempts:
            if attempt.started_at is not None:
                return attempt.started_at
        return None

    @property
    def ended_at(self) -> datetime | None:
        """The last close; null while the last attempt is open, which is how an open attempt looks anyway."""
        return self.attempts[-1].ended_at

    @property
    def duration_seconds(self) -> float | None:
        return seconds_between(self.started_at, self.ended_at)

    @property
    def active_seconds(self) -> float | None:
        worked = [a.seconds for a in self.attempts if a.seconds is not None]
        return sum(worked) if worked else None

    @property
    def retry_count(self) -> int:
        return sum(1 for a in self.attempts if a.kind == "retry")

    @property
    def restart_count(self) -> int:
        return sum(a.restart_count for a in self.attempts)


@dataclass
class History:
    """The events of one run, or of one run, source and date, oldest first.

    `outcome` is as of the fetch; it stays null until the final statuses of the sources are known.
    """

    events: list[Event]
    stages: list[Stage]
    fetched_at: datetime
    outcome: str | None = None

    def is_settled(self, settings: Settings) -> bool:
        return self.fetched_at - self.events[-1].at >= timedelta(hours=settings.settle_hours)

    @property
    def plausible_last_event_at(self) -> datetime | None:
        return self.last_event_at if self.events and is_plausible(self.events[-1].at, self.fetched_at) else None

    @property
    def has_implausible_event(self) -> bool:
        return any(not is_plausible(e.at, self.fetched_at) for e in self.events)

    @property
    def first_event_at(self) -> datetime | None:
        return self.events[0].at if self.events else None

    @property
    def last_event_at(self) -> datetime | None:
        return self.events[-1].at if self.events else None

    @property
    def total_seconds(self) -> float | None:
        return seconds_between(self.first_event_at, self.last_event_at)

    @property
    def error_count(self) -> int:
        return sum(1 for e in self.events if e.phase == "error")

    @property
    def retry_count(self) -> int:
        return sum(s.retry_count for s in self.stages)

    @property
    def restart_count(self) -> int:
        return sum(s.restart_count for s in self.stages)

    @property
    def first_error_at(self) -> datetime | None:
        return next((e.at for e in self.events if e.phase == "error"), None)

    @property
    def recovered_at(self) -> datetime | None:
        """The first complete-phase event after the last error event; being started again is no recovery."""
        seen_error, candidate = False, None
        for event in self.events:
            if event.phase == "error":
                seen_error, candidate = True, None
            elif event.phase == "complete" and event.stage != "queue" and seen_error and candidate is None:
                candidate = event.at
        return candidate

    @property
    def waiting_seconds(self) -> float | None:
        waits = [s.wait_seconds for s in self.stages if s.wait_seconds is not None]
        return sum(w for w in waits if w > 0) if waits else None

    def duration_of(self, stage: str) -> float | None:
        return next((s.duration_seconds for s in self.stages if s.name == stage), None)


def stage_and_phase(status: str, settings: Settings) -> tuple[str, str]:
    if status in settings.catalogue:
        return settings.catalogue[status]
    if status == "enqueued":
        return "queue", "started"
    if status == "started":
        return "queue", "complete"
    for suffix, phase in PHASE_OF_SUFFIX.items():
        # Choice: the X of `X_started` is at least one character, so "_started" alone is unknown.
        if status.endswith(suffix) and len(status) > len(suffix):
            return status[: -len(suffix)], phase
    return status, "unknown"


def read_history(statuses: list[dict], fetched_at: datetime, settings: Settings) -> History:
    """Statuses as the API lists them; equal times keep the reverse of that order: reverse, sort stably."""
    events = []
    for item in reversed(statuses):
        stage, phase = stage_and_phase(item["status"], settings)
        events.append(Event(parse_timestamp(item["statusTimestamp"]), item["status"], stage, phase))
    events.sort(key=lambda e: e.at)
    return History(events, read_stages(events), fetched_at)


def read_stages(events: list[Event]) -> list[Stage]:
    by_stage: dict[str, list[Event]] = {}
    for event in events:
        if event.phase != "unknown":
            by_stage.setdefault(event.stage, []).append(event)
    stages: list[Stage] = []
    for order, (name, own) in enumerate(by_stage.items(), start=1):
        stage = Stage(name, order, walk_attempts(own), sum(1 for e in own if e.phase == "error"))
        ended = [s.ended_at for s in stages if s.ended_at is not None]
        stage.wait_seconds = seconds_between(max(ended, default=None), stage.started_at)
        stages.append(stage)
    return stages


def walk_attempts(events: list[Event]) -> list[Attempt]:
    """Walk one history's events of one stage, oldest first."""
    attempts: list[Attempt] = []
    is_open = False
    for event in events:
        number = len(attempts) + 1
        if event.phase == "started" and is_open:
            attempts[-1].restart_count += 1
        elif event.phase == "started":
            attempts.append(Attempt(number, kind_of_start(attempts), started_at=event.at))
            is_open = True
        else:
            if not is_open:
                # Choice: "has no start" wins over "is the first", so attempt 1 can be unopened.
                attempts.append(Attempt(number, "unopened"))
            attempts[-1].ended_at = event.at
            attempts[-1].outcome = event.phase
            is_open = False
    return attempts


def kind_of_start(before: list[Attempt]) -> str:
    if not before:
        return "first"
    return {"error": "retry", "complete": "rerun"}[before[-1].outcome]
