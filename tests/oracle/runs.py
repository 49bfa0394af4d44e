"""Payloads read into runs and buckets, and judged: the final status of each source, then every outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from tests.oracle.measures import is_plausible, is_plausible_date, parse_date, parse_timestamp
from tests.oracle.vocabulary import History, Settings, read_history

FinalStatuses = dict[str, str]
"""Final status by source; a source that has none is not in it."""


@dataclass
class Run:
    """One payload read with its fetch: the run-level history and that of every bucket with events."""

    payload: dict
    fetched_at: datetime
    created_at: datetime
    sources: set[str]
    dates: set[date]
    history: History
    buckets: dict[tuple[str, date], History]

    @property
    def run_id(self) -> str:
        return self.payload["runID"]

    @property
    def trigger(self) -> str:
        return self.payload["trigger"]

    @property
    def histories(self) -> list[History]:
        """Of both levels."""
        return [self.history, *self.buckets.values()]

    @property
    def has_plausible_creation(self) -> bool:
        return is_plausible(self.created_at, self.fetched_at)

    @property
    def place(self) -> tuple:
        """The order of runs. Choice: an implausible creation is older than every plausible one, or a run from the
        year 9999 would be the newest for ever.
        """
        return self.has_plausible_creation, self.created_at, self.run_id


@dataclass(frozen=True)
class Bucket:
    """One run, source and date that has events."""

    run: Run
    source: str
    day: date
    history: History

    @property
    def place(self) -> tuple:
        """The order of a source's buckets: the run's `created_at`, then `run_id`, then `date_stamp`."""
        return *self.run.place, self.day

    @property
    def outcome(self) -> str | None:
        return self.history.outcome

    @property
    def is_requested_date(self) -> bool:
        return self.day in self.run.dates

    @property
    def has_plausible_day(self) -> bool:
        return is_plausible_date(self.day, self.run.fetched_at)


def read_runs(fetched: Iterable[tuple[dict, datetime]], settings: Settings) -> tuple[list[Run], FinalStatuses]:
    """All runs with their outcomes, and what those of a source end with."""
    runs = [read_run(payload, fetched_at, settings) for payload, fetched_at in fetched]
    finals = {
        source: status
        for source, buckets in by_source(runs).items()
        if (status := final_status(buckets, settings)) is not None
    }
    for run in runs:
        of_sources = {finals.get(source) for source in run.sources}
        # Choice: a run has a final status where all listed sources share one, and is judged like a bucket by it.
        of_run = of_sources.pop() if len(of_sources) == 1 else None
        run.history.outcome = read_outcome(run.history, of_run, settings)
        for (source, _), history in run.buckets.items():
            history.outcome = read_outcome(history, finals.get(source), settings)
    return runs, finals


def read_run(payload: dict, fetched_at: datetime, settings: Settings) -> Run:
    """A source or date that stands twice is one bucket with the events of both, in the order listed.

    Choice: a bucket without events is not a bucket, as no raw table has a row for it.
    """
    statuses: dict[tuple[str, date], list[dict]] = {}
    for source in payload["granularHistory"]:
        for day in source["statusByDate"]:
            statuses.setdefault((source["source"], parse_date(day["dateStamp"])), []).extend(day["statuses"])
    return Run(
        payload=payload,
        fetched_at=fetched_at,
        created_at=parse_timestamp(payload["createdAt"]),
        sources=set(payload["sources"]),
        dates={parse_date(d) for d in payload["dateStamps"]},
        history=read_history(payload["runHistory"], fetched_at, settings),
        buckets={k: read_history(v, fetched_at, settings) for k, v in statuses.items() if v},
    )


def buckets_of(runs: Iterable[Run]) -> list[Bucket]:
    return [Bucket(run, source, day, history) for run in runs for (source, day), history in run.buckets.items()]


def by_source(runs: Iterable[Run]) -> dict[str, list[Bucket]]:
    """Every source that has a bucket, with its buckets, newest first."""
    groups: dict[str, list[Bucket]] = {}
    for bucket in sorted(buckets_of(runs), key=lambda b: b.place, reverse=True):
        groups.setdefault(bucket.source, []).append(bucket)
    return groups


def final_status(newest_first: list[Bucket], settings: Settings) -> str | None:
    """The complete status that one source's histories end with.

    Choices: "the same status" is the same text; a terminal success can be one; the newest two that "both end in
    another" need not end in the same. Buckets with an implausible creation or last event are no evidence.
    """
    ends = [b.history.events[-1].status for b in newest_first if has_ended(b, settings)][:20]
    if len(ends) < 3:
        return None
    status, count = Counter(ends).most_common(1)[0]
    if count * 10 < len(ends) * 9 or status not in ends[:2]:
        return None
    return status


def has_ended(bucket: Bucket, settings: Settings) -> bool:
    last = bucket.history.events[-1]
    return (
        last.phase == "complete"
        and last.stage != "queue"
        and bucket.history.is_settled(settings)
        and bucket.run.has_plausible_creation
        and bucket.history.plausible_last_event_at is not None
    )


def read_outcome(history: History, final_status: str | None, settings: Settings) -> str | None:
    """`final_status` is that of the bucket's source, or the one that all listed sources of the run share."""
    if not history.events:
        return None
    last = history.events[-1]
    if last.phase == "error":
        return "failed"
    is_complete = last.phase == "complete" and last.status != "started"
    if last.status in settings.terminal_success or (is_complete and last.status == final_status):
        return "succeeded"
    if not history.is_settled(settings):
        return "in_progress"
    return "succeeded" if is_complete and final_status is None else "stalled"
