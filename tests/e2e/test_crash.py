"""Killed at any point, a sync is repaired by the next one, which ends in exactly the state of an undisturbed one.

Four kills by default, one in each step. `STATSIG_RUNS_KILLS=50 pytest tests/e2e/test_crash.py` makes as many as it
says: up to four in a row, from the first moment of the process to the last, also of a first sync and of a repair.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import duckdb
import pytest

from statsig_runs.simulator import Simulator
from tests.e2e.conftest import NEVER_SETTLED, STEPS, Undisturbed, sync_undisturbed
from tests.support.workplace import PATIENCE, Running, Workplace, state

KILLS = int(os.environ.get("STATSIG_RUNS_KILLS", "0"))
INCONSISTENT = """
    with runs as (select * from statsig_raw.ingestion_runs),
    events as (select run_id, count(*) as event_count from statsig_raw.run_status_events group by 1),
    buckets as (select run_id, count(*) as event_count from statsig_raw.source_date_status_events group by 1),
    expected as (
        select
            runs.run_id,
            json_array_length(payload -> 'runHistory') as run_events,
            len(from_json(payload -> '$.granularHistory[*].statusByDate[*].statuses[*].status', '["varchar"]'))
                as bucket_events
        from runs left join statsig_raw.run_payloads as payloads
            on runs.run_id = payloads.run_id and runs.fetched_at = payloads.fetched_at
    )
    select expected.run_id, 'the tables are not of the latest payload'
    from expected left join events using (run_id) left join buckets using (run_id)
    where coalesce(events.event_count, 0) is distinct from run_events
        or coalesce(buckets.event_count, 0) is distinct from bucket_events
    union all
    select run_id, 'the marts are not of the tables'
    from runs full join statsig.fct_runs as marts using (run_id)
    where runs.fetched_at is distinct from marts.fetched_at
    union all
    select run_id, 'stands twice' from runs group by run_id having count(*) > 1
"""


class Reader(threading.Thread):
    """Opens the published copy over and over, as BI tools do, and notes whatever is wrong with it."""

    def __init__(self, published: Path) -> None:
        super().__init__(daemon=True)
        self.published = published
        self.looks = 0
        self.problems: list[object] = []
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            if self.published.exists():
                self.look()
            self.done.wait(0.5)

    def look(self) -> None:
        try:
            with duckdb.connect(str(self.published), read_only=True) as connection:
                self.problems += connection.execute(INCONSISTENT).fetchall()
        except duckdb.Error as error:
            self.problems.append(error)
        self.looks += 1


@contextmanager
def being_read(workplace: Workplace) -> Iterator[Reader]:
    reader = Reader(workplace.published)
    reader.start()
    try:
        yield reader
    finally:
        reader.done.set()
        reader.join()
    reader.look()


@pytest.fixture(scope="module")
def undisturbed_first(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """After today's sync alone."""
    return sync_undisturbed(Workplace(tmp_path_factory.mktemp("first"), "", **NEVER_SETTLED))


def kill(running: Running, step: str, after: float) -> bool:
    """SIGKILL so many seconds after a step's beginning; whether the process was still there."""
    if step:
        running.wait_for(step)
    try:
        running.process.wait(after)
    except subprocess.TimeoutExpired:
        running.stop()
    return running.wait().code == -9


@pytest.mark.parametrize(
    "points", [(("fetching", 0.5), ("publishing", 0.0)), (("loading", 0.4), ("building the models", 0.8))]
)
def test_a_killed_sync_is_repaired_by_the_next_one(
    copy_of_yesterday: Callable[..., Workplace], undisturbed: Undisturbed, points: tuple[tuple[str, float], ...]
) -> None:
    workplace = copy_of_yesterday()
    with being_read(workplace) as reader:
        for step, share in points:
            assert kill(workplace.start("sync"), step, undisturbed.seconds[step] * share)
            assert reader.problems == []
        done = workplace.sync()
    assert done.code == 0, done.err
    assert state(workplace) == undisturbed.state
    assert reader.problems == []
    assert reader.looks > 1


@pytest.mark.skipif(not KILLS, reason="takes some 10 s a kill: set STATSIG_RUNS_KILLS to their number")
@pytest.mark.timeout(PATIENCE * max(KILLS, 1))
def test_kills_at_random_points_leave_no_trace(
    copy_of_yesterday: Callable[..., Workplace],
    undisturbed: Undisturbed,
    undisturbed_first: Undisturbed,
    simulator: Simulator,
    tmp_path: Path,
) -> None:
    rng = Random(KILLS)  # noqa: S311
    points = dict.fromkeys(("", *STEPS), 0)
    looks = rounds = 0
    while sum(points.values()) < KILLS:
        rounds += 1
        is_first = rounds % 4 == 0
        if is_first:
            workplace = Workplace(tmp_path / f"round {rounds}", simulator.url, **NEVER_SETTLED)
        else:
            workplace = copy_of_yesterday(f"round {rounds}")
        told = []
        with being_read(workplace) as reader:
            for _ in range(rng.choice((1, 2, 3, 4))):
                step = rng.choices(list(points), weights=(1, 1, 4, 4, 2))[0]
                after = rng.random() * undisturbed.seconds[step]
                running = workplace.start("sync")
                hit = kill(running, step, after)
                points[step] += hit
                told.append((step, round(after, 2), hit))
            done = workplace.sync()
        print(sum(points.values()), "kills;", "first sync;" if is_first else "", told, flush=True)  # noqa: T201
        looks += reader.looks
        assert done.code == 0, (told, done.err)
        assert state(workplace) == (undisturbed_first if is_first else undisturbed).state, told
        assert reader.problems == [], told
    print(f"{sum(points.values())} kills in {rounds} rounds, {points}; {looks} looks at the copy")  # noqa: T201
