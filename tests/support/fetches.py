"""Syncs without a warehouse: real requests to a local API, and a memory of what was handed on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from statsig_runs.api import ConsoleApi, Patience
from statsig_runs.contract import AcceptedRun, Outcome
from statsig_runs.errors import ApiError
from statsig_runs.fetch import Fetch, Unread
from statsig_runs.plan import KnownRun, Progress, is_settled
from statsig_runs.request import Request
from statsig_runs.simulator import Simulator
from tests.support.one_run import payload

KEY = "console-for-the-tests"
NOW = datetime.now(UTC).replace(microsecond=0)
QUICK = Patience(first_backoff=0.001, longest_backoff=0.002, max_attempts=3)


def run_of(days_old: float, **changes: object) -> dict[str, object]:
    """A run named after its age."""
    created = NOW - timedelta(days=days_old)
    return payload(runID=f"r{days_old}", createdAt=created.isoformat(timespec="milliseconds"), **changes)


def add_runs(server: Simulator, days_old: Iterable[float]) -> None:
    for days in days_old:
        server.runs.add(run_of(days))


@dataclass(slots=True)
class Pass:
    """What one sync brought: outcomes, what could not be read, the paths asked for, the error that ended it."""

    came: list[Outcome] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    error: ApiError | None = None
    is_cut: bool = False

    @property
    def ids(self) -> list[str]:
        return [outcome.run_id for outcome in self.came]

    @property
    def asked(self) -> list[str]:
        """The last part of each path."""
        return [path.rpartition("/")[2].removeprefix("runs?") for path in self.paths]


class Syncs:
    """One sync after another, each with what the ones before it have loaded.

    Args:
        server: the API.
        folder: for the rate limiter.
    """

    def __init__(self, server: Simulator, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.progress = Progress()
        self.runs: dict[str, KnownRun] = {}

    def sync(self, *run_ids: str, stop_after: int | None = None, **options: object) -> Pass:
        """One sync; `stop_after` so many outcomes it is killed, and what came with the last of them is lost."""
        request = Request(run_ids=run_ids, **options)  # type: ignore[arg-type]
        done = Pass()
        before = len(self.server.log)
        with ConsoleApi(
            KEY,
            base_url=self.server.url,
            rate_limits="100000/1",
            limiter_dir=self.folder,
            patience=QUICK,
            max_requests=request.max_requests,
        ) as api:
            fetch = Fetch(api, request, self.progress, known=self._known, unsettled=self._unsettled(), secret=KEY)
            loaded = self.progress
            try:
                for outcome in fetch:
                    if stop_after is not None and len(done.came) >= stop_after:
                        break
                    if isinstance(outcome, Unread):
                        done.unread.append(outcome.what)
                    else:
                        done.came.append(outcome)
                        self._take(outcome)
                    loaded = fetch.progress
                else:
                    loaded = fetch.progress
            except ApiError as error:
                done.error, loaded = error, fetch.progress
            done.is_cut = fetch.is_cut
        # as it is kept with the data
        self.progress = Progress.from_state(loaded.to_state())
        done.paths = [entry.path for entry in list(self.server.log)[before:]]
        return done

    def missing(self) -> set[str]:
        """The runs that the API lists and that were not loaded."""
        return set(self.server.runs) - self.runs.keys()

    def _take(self, outcome: Outcome) -> None:
        if isinstance(outcome, AcceptedRun):
            settled = is_settled(outcome.run.createdAt, in_progress=False, now=NOW, settle_days=14)
            self.runs[outcome.run_id] = KnownRun(outcome.run_id, outcome.content_hash, outcome.fetched_at, settled)

    def _known(self, ids: Collection[str]) -> dict[str, KnownRun]:
        return {run_id: self.runs[run_id] for run_id in ids if run_id in self.runs}

    def _unsettled(self) -> list[str]:
        unsettled = [run for run in self.runs.values() if not run.is_settled]
        return [run.run_id for run in sorted(unsettled, key=lambda run: run.fetched_at)]
