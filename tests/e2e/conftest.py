"""What the tests of the installed command share: a local Console API, and a workplace that has synced once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import Run, generate_runs, runs_as_of
from tests.support.workplace import KEY, Workplace, state

NOON = datetime(2024, 3, 14, 12, tzinfo=UTC)
"""Long ago: what the models make of these runs does not depend on the day on which the tests run."""

TODAY: list[Run] = generate_runs(60, seed=11, until=NOON)
YESTERDAY: list[Run] = runs_as_of(TODAY, NOON - timedelta(hours=20))
"""The same runs as the API showed them before: some are missing, some go on."""

NEVER_SETTLED = {"SOURCES__STATSIG_RUNS__SETTLE_DAYS": "36500"}
"""Reads all runs again in every sync, however old they are."""


STEPS = ("fetching", "loading", "building the models", "publishing")
"""What a sync logs as each step begins."""


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a sync that nothing disturbed left, and the seconds of each step; "" is what comes before the first."""

    state: dict[str, list[str]]
    seconds: dict[str, float]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """An API that shows the runs of today."""
    with Simulator(TODAY, api_key=KEY) as running:
        yield running


@pytest.fixture
def workplace(simulator: Simulator, tmp_path: Path) -> Workplace:
    """An empty one."""
    return Workplace(tmp_path, simulator.url)


@pytest.fixture(scope="session")
def synced_yesterday(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A workplace that synced the runs of yesterday; tests work on copies."""
    with Simulator(YESTERDAY, api_key=KEY) as running:
        workplace = Workplace(tmp_path_factory.mktemp("synced"), running.url, **NEVER_SETTLED)
        workplace.as_installed = True
        done = workplace.sync()
    assert done.code == 0, done.err
    assert done.summary["new"] == len(YESTERDAY)
    assert workplace.published.with_suffix(".html").exists()
    return workplace


@pytest.fixture
def copy_of_yesterday(synced_yesterday: Workplace, simulator: Simulator, tmp_path: Path) -> Callable[..., Workplace]:
    """Makes copies of that workplace which ask the API of today, in folders of the names given."""

    def copy(name: str = "copy", **environment: str) -> Workplace:
        copied = synced_yesterday.copy(tmp_path / name)
        copied.environment |= {"SOURCES__STATSIG_RUNS__BASE_URL": simulator.url, **environment}
        return copied

    return copy


@pytest.fixture(scope="session")
def undisturbed(synced_yesterday: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """After yesterday's sync and today's."""
    return sync_undisturbed(synced_yesterday.copy(tmp_path_factory.mktemp("undisturbed")))


def sync_undisturbed(workplace: Workplace) -> Undisturbed:
    """Sync with the API of today, and watch."""
    seconds = {}
    with Simulator(TODAY, api_key=KEY) as simulator:
        workplace.environment["SOURCES__STATSIG_RUNS__BASE_URL"] = simulator.url
        running = workplace.start("sync")
        began = time.monotonic()
        for step, before in zip(STEPS, ("", *STEPS), strict=False):
            running.wait_for(step)
            seconds[before] = time.monotonic() - began
            began = time.monotonic()
        done = running.wait()
        seconds[STEPS[-1]] = time.monotonic() - began
    assert done.code == 0, done.err
    return Undisturbed(state(workplace), seconds)
