"""A local Console API in which time passes: new runs start, and those in flight go on. The command `simulate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import sleep
from typing import Final

from statsig_runs.simulator.console import Simulator, StatusShape
from statsig_runs.simulator.faults import Faults
from statsig_runs.simulator.sample_runs import RUNS_PER_DAY, Run, generate_runs, iter_runs
from statsig_runs.simulator.store import RunStore

API_KEY: Final = "console-simulator"
"""The key that `serve` expects."""

_LIVE_DAYS: Final = 4
"""No run of `sample_runs` gets news later than this after its start."""


def serve(
    *,
    echo: Callable[[str], None],
    host: str = "127.0.0.1",
    port: int = 8571,
    count: int = 1000,
    seed: int = 1,
    malformed: int = 0,
    latency: float = 0.0,
    rate_limits: str,
    fault_rate: float = 0.0,
    page_size: int = 10,
    status_shape: StatusShape = "array",
) -> None:
    """Serve generated runs until Ctrl-C; time passes: new runs start, those in flight go on.

    Args:
        echo: told, line by line, where the server is and how to use it.
        host: where to listen.
        port: 0 for a free one.
        count: how many runs, the newest created just now.
        seed: another number, other runs.
        malformed: how many of them break the contract.
        latency: seconds before each answer.
        rate_limits: requests/seconds of each window; empty for none.
        fault_rate: share of the requests, 0 to 1, that fail.
        page_size: runs to a page of the list.
        status_shape: how the ingestion status is answered.

    Raises:
        OSError: the address cannot be had.
        ValueError: `rate_limits` cannot be read.
    """
    simulator = Simulator(
        host=host,
        port=port,
        api_key=API_KEY,
        rate_limits=rate_limits,
        latency=latency,
        page_size=page_size,
        status_shape=status_shape,
        faults=Faults.spread(fault_rate, seed=seed) if fault_rate else None,
    )
    began = datetime.now(UTC)
    for run in iter_runs(count, seed=seed, until=began, malformed=malformed):
        simulator.runs.add(run)
    recent = min(count, _LIVE_DAYS * RUNS_PER_DAY)
    shown = generate_runs(recent, seed=seed, until=began)
    with simulator:
        echo(f"Simulated Console API with {count:,} runs at {simulator.url}, key {API_KEY}. Ctrl-C stops it.")
        echo("Load its runs in another terminal:")
        echo(f"  STATSIG_API_KEY={API_KEY} statsig-runs sync --base-url {simulator.url}")
        try:
            while True:
                sleep(1.0)
                seen = generate_runs(recent, seed=seed, until=datetime.now(UTC))
                show_news(simulator.runs, shown, seen)
                shown = seen
        except KeyboardInterrupt:
            echo(f"Stopped after {simulator.statuses.total():,} requests.")


def show_news(store: RunStore, before: Iterable[Run], after: Iterable[Run]) -> None:
    """Put into the store the runs that are not the same `after` as `before`; malformed ones without news stay so."""
    known = {run["runID"]: run for run in before}
    for run in after:
        if run != known.get(run["runID"]):
            store.add(run)
