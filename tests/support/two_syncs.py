"""The same two syncs on any engine, and its marts beside those of DuckDB.

The second sync brings runs that are new, longer, unchanged and rejected, and one whose lists have become empty: what an
engine merges or builds wrongly shows as a row that DuckDB does not have. It also brings runs with times that cannot be,
and both bring messages of the ingestion status: those of the runs, and odd ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from statsig_runs.contract import AcceptedRun, MissingRun, Outcome, read_run
from statsig_runs.job.refresh import build
from statsig_runs.plan import Progress
from statsig_runs.settings import load_settings
from statsig_runs.simulator.sample_messages import tell_messages
from statsig_runs.simulator.sample_runs import generate_runs, runs_as_of
from statsig_runs.status_messages.message import Message, read_message
from statsig_runs.warehouse import Warehouse
from statsig_runs.warehouse.loader import Loader
from tests.support.generated_messages import messages_about
from tests.support.odd_times import odd_runs

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=30)
FEW = 60
"""How many runs are enough for a test that has another one beside it which compares everything."""

Rows = list[tuple[Any, ...]]
Table = tuple[list[str], Rows]
"""Column names, and rows in no particular order."""


def sync_twice(warehouse: Warehouse, runs: int = 120) -> Loader:
    """Load and build the runs as they were a day ago, then as they are."""
    return sync(warehouse, (EARLIER, NOW), runs=runs)


def sync(warehouse: Warehouse, moments: Sequence[datetime], *, runs: int = 120, seed: int = 1) -> Loader:
    """Load and build these runs as they were at each of these moments; and publish where that is no copy of a file."""
    settings = load_settings()
    with warehouse.writing() as loader:
        for number, moment in enumerate(moments):
            loader.repair()
            outcomes = outcomes_as_of(moment, runs, seed)
            ids = {outcome.run_id for outcome in outcomes if isinstance(outcome, AcceptedRun)}
            known = loader.known.runs(ids, now=moment, settle_days=settings.settle_days)
            loader.load(outcomes, Progress(as_of=moment), known=known)
            loader.record(load_record(moment, number))
            built = build(warehouse, settings)
            loader.note({**load_record(moment, number), "model_seconds": 2.25})
            if window := warehouse.window(built.renewal.marts, loader, days=36_500):
                warehouse.publish(window)
    return loader


def messages_as_of(moment: datetime, runs: Sequence[dict[str, Any]], odd: int = 200) -> list[Message]:
    """What these runs were told, and so many messages that are odd; the second sync brings those of the first again."""
    world = [(run, moment) for run in runs if tell_messages(run)]
    told = [message for run, _ in world for message in tell_messages(run)]
    told += [message for message, _ in messages_about([(run, EARLIER) for run, _ in world], 1, odd)]
    if moment == NOW:
        told += [message for message, _ in messages_about(world, 2, odd)]
    return [read_message(json.dumps(message).encode(), fetched_at=moment) for message in told]


def outcomes_as_of(moment: datetime, count: int, seed: int) -> list[Outcome | Message]:
    runs = runs_as_of(generate_runs(count, seed=seed, until=NOW, malformed=3, hostile=True), moment)
    outcomes: list[Outcome | Message] = [read_run(json.dumps(run).encode(), fetched_at=moment) for run in runs]
    oldest = max(position for position, outcome in enumerate(outcomes) if isinstance(outcome, AcceptedRun))
    if moment == NOW:
        emptied = runs[oldest] | {"sources": [], "dateStamps": [], "runHistory": [], "granularHistory": []}
        events = [{"statusTimestamp": emptied["createdAt"], "status": "cancelled", "worker": 3}]
        drifted = emptied | {"runID": "drifted", "runHistory": events, "note": "\u0000 and \\u0000"}
        outcomes[oldest] = read_run(json.dumps(emptied).encode(), fetched_at=moment)
        late = [drifted, *odd_runs()]
        outcomes += [read_run(json.dumps(run).encode(), fetched_at=moment) for run in late]
    outcomes += messages_as_of(moment, runs)
    return [*outcomes, MissingRun(f"missing {moment.hour}", moment, "no such run")]


def load_record(moment: datetime, number: int) -> dict[str, Any]:
    counts = ("new", "changed", "unchanged", "rejected", "missing", "failed", "request", "retry", "rate_limited")
    return {
        "load_id": f"load {number}",
        "started_at": moment,
        "finished_at": moment + timedelta(seconds=90, milliseconds=number),
        **{f"{name}_count": number + 1 for name in counts},
        "fetch_seconds": 1.5,
        "load_seconds": 0.25,
        "model_seconds": None,
        "publish_seconds": None,
    }


def differences(expected: dict[str, Table], read: Callable[[str], Table]) -> dict[str, list[str]]:
    """What an engine's marts have otherwise than DuckDB's, by mart; nothing where all is equal."""
    found = {mart: list(_compare(table, read(mart))) for mart, table in expected.items()}
    return {mart: lines[:5] for mart, lines in found.items() if lines}


def _compare(expected: Table, actual: Table) -> Iterator[str]:
    if [name.lower() for name in actual[0]] != expected[0]:
        yield f"columns {actual[0]}, expected {expected[0]}"
        return
    want, have = _sorted(expected[1]), _sorted(actual[1])
    if len(want) != len(have):
        yield f"{len(have)} rows, expected {len(want)}"
    for wanted, given in zip(want, have, strict=False):
        yield from (
            f"{name}: {given_value!r}, expected {value!r} in {wanted}"
            for name, value, given_value in zip(expected[0], wanted, given, strict=True)
            if not _is_same(value, given_value)
        )


def _sorted(rows: Iterable[tuple[Any, ...]]) -> Rows:
    """By everything but floating-point numbers, whose last digit may differ: the keys come first in every mart."""
    normalised = [tuple(map(_in_utc, row)) for row in rows]
    return sorted(normalised, key=lambda row: [repr(value) for value in row if not isinstance(value, float)])


def _in_utc(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return value


def _is_same(want: Any, have: Any) -> bool:
    if isinstance(want, float) and isinstance(have, float):  # engines interpolate percentiles in another order
        return math.isclose(want, have, rel_tol=1e-12)
    return type(want) is type(have) and want == have
