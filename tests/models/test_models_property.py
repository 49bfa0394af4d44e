"""Every column of every mart equals the second opinion's, on generated runs; and incremental equals full.

A dbt build costs seconds, so each example is a whole world of runs, some 2,000 histories. The usual version tries the
same ones every time; `STATSIG_RUNS_EXAMPLES=200 pytest` tries that many others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from statsig_runs.models import renew
from tests import oracle
from tests.support import generated_lives, generated_messages, generated_runs
from tests.support import warehouse_of_runs as warehouse
from tests.support.renewed_file import File

pytestmark = pytest.mark.timeout(0)  # builds are slow on a busy machine, and the number of examples is the caller's
HELD_BACK = 2
"""So many of each source's newest runs come with each of two later builds: enough for final statuses to change."""
RENEWED = 6
"""So many changes are brought in without dbt."""
EXAMPLES = int(os.environ.get("STATSIG_RUNS_EXAMPLES", "6"))
# No shrinking: it would cost a build a step, and the message names the run whose rows differ anyway.
WORLDS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize="STATSIG_RUNS_EXAMPLES" not in os.environ,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One place for all examples: dbt reads a project anew for each database it has not seen."""
    return tmp_path_factory.mktemp("generated") / "statsig_runs.duckdb"


def emptied(database: Path) -> Path:
    database.unlink(missing_ok=True)
    return database


chosen_settings = st.builds(
    oracle.Settings,
    settle_hours=st.sampled_from([24, 24, 0, 1, 48.5]),
    terminal_success=st.sampled_from([("pulse_complete",), ("pulse_complete", "started", "cancelled"), ()]),
    day_utc_offset_hours=st.sampled_from([-8, -8, 0, 5.5, 14, -3.25]),
    overdue_grace_hours=st.sampled_from([2, 2, 0, 36.5]),
    completeness_days=st.sampled_from([28, 28, 7, 1, 400]),
    volume_drop_ratio=st.sampled_from([0.5, 0.5, 0, 0.9, 1]),
)


@WORLDS
@given(
    world=generated_lives.worlds(),
    chosen=st.one_of(st.just(oracle.Settings()), chosen_settings),
    seed=st.integers(0, 2**32),
)
def test_every_column_of_every_mart_is_what_the_definitions_say(
    path: Path, world: generated_runs.World, chosen: oracle.Settings, seed: int
):
    database = emptied(path)
    note(f"{chosen}, messages of seed {seed}")
    told = generated_messages.messages_about(world, seed)
    warehouse.load(database, world, messages=told)
    warehouse.build(database, chosen)
    warehouse.assert_marts_are(database, world, told, chosen)


@dataclass
class Known:
    """What has been loaded so far: each run as fetched last, and every payload it ever had."""

    runs: dict[str, tuple[dict, datetime]] = field(default_factory=dict)
    payloads: dict[str, list[dict]] = field(default_factory=dict)

    def take(self, payload: dict, fetched_at: datetime) -> tuple[dict, datetime]:
        """Note a fetch, which is always later than the one before."""
        run_id = payload["runID"]
        if run_id in self.runs:
            fetched_at = max(fetched_at, self.runs[run_id][1] + timedelta(hours=1))
        self.runs[run_id] = (payload, fetched_at)
        self.payloads.setdefault(run_id, []).append(payload)
        return self.runs[run_id]


@st.composite
def changes(draw: st.DrawFn, known: Known) -> list[tuple[dict, datetime]]:
    """What one sync could bring: new runs, and known ones longer, shorter, emptied, reverted or unchanged."""
    brought = {}
    for _ in range(draw(st.integers(0, 3))):
        run_id = f"run {len(known.runs):03}"
        brought[run_id] = known.take(*draw(generated_runs.odd_runs(run_id)))
    for run_id in draw(st.lists(st.sampled_from(sorted(known.runs)), max_size=8, unique=True)):
        payload, fetched_at = known.runs[run_id]
        kind = draw(st.sampled_from(["another", "longer", "shorter", "emptied", "reverted", "unchanged"]))
        if kind == "another":
            payload, fetched_at = draw(generated_runs.odd_runs(run_id))
        elif kind == "reverted":
            payload = draw(st.sampled_from(known.payloads[run_id]))
        elif kind == "longer":
            late = generated_runs.write_history(fetched_at, draw(generated_runs.steps))
            payload = payload | {"runHistory": late + payload["runHistory"]}
        elif kind == "shorter":
            payload = payload | {
                "runHistory": payload["runHistory"][1:],
                "granularHistory": payload["granularHistory"][1:],
            }
        elif kind == "emptied":
            names = draw(st.sets(st.sampled_from(["runHistory", "granularHistory", "sources", "dateStamps"])))
            payload = payload | {name: [] for name in names}
        later = draw(st.sampled_from([timedelta(0), timedelta(hours=24), timedelta(days=15)]))
        brought[run_id] = known.take(payload, fetched_at + later)
    return list(brought.values())


def in_parts(world: generated_runs.World) -> list[generated_runs.World]:
    """What each of four builds brings beside its changes: most runs, the newest of each source twice, nothing."""
    by_sources: dict[str, generated_runs.World] = {}
    for payload, fetched_at in world:
        by_sources.setdefault(str(payload["sources"]), []).append((payload, fetched_at))
    groups = by_sources.values()
    return [
        [run for group in groups for run in group[: -2 * HELD_BACK]],
        [run for group in groups for run in group[-2 * HELD_BACK : -HELD_BACK]],
        [run for group in groups for run in group[-HELD_BACK:]],
        [],
    ]


@settings(WORLDS, max_examples=max(1, EXAMPLES // 3))
@given(data=st.data())
def test_builds_and_syncs_without_dbt_leave_exactly_the_rows_of_a_full_refresh(path: Path, data: st.DataObject):
    database = emptied(path)
    known, chosen, told = Known(), oracle.Settings(), []
    for step, part in enumerate(in_parts(data.draw(generated_lives.worlds(odd=20, ordinary=8, lives=30)))):
        batch = [known.take(*run) for run in part]
        if step:
            batch = [*{p["runID"]: (p, at) for p, at in batch + data.draw(changes(known))}.values()]
            chosen = data.draw(chosen_settings) if data.draw(st.integers(0, 2)) == 2 else chosen
        note(f"step {step}: {chosen}, {[payload['runID'] for payload, _ in batch]}")
        world = list(known.runs.values())
        told += generated_messages.messages_about(world, step, 200)
        warehouse.load(database, batch, messages=told)
        warehouse.build(database, chosen)
        warehouse.assert_marts_are(database, world, told, chosen)
    renewal = warehouse.build(database, chosen)
    for step in range(RENEWED):
        batch = data.draw(changes(known))
        note(f"renewal {step}: {[payload['runID'] for payload, _ in batch]}")
        world = list(known.runs.values())
        told += generated_messages.messages_about(world, len(told) + step, 20 * (step % 2))
        warehouse.load(database, batch, messages=told)
        assert renew(renewal, File(database))
        warehouse.assert_marts_are(database, world, told, chosen)
    incremental = warehouse.read_marts(database)
    warehouse.build(database, chosen, full_refresh=True)
    full = warehouse.read_marts(database)
    for mart in oracle.MARTS:
        assert in_order(incremental[mart]) == in_order(full[mart]), mart


def in_order(rows: list[oracle.Row]) -> list[oracle.Row]:
    return sorted(rows, key=repr)
