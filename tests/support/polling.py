"""A reader who asks a warehouse the same questions over and over while syncs run, and keeps what was wrong.

The tests poll through one or two syncs. STATSIG_RUNS_POLLED_SYNCS=10 makes it ten, and pytest's option
`--log-cli-level=info` shows the counts.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

from tests.support.marts import MARTS
from tests.support.two_syncs import NOW

log = logging.getLogger(__name__)

NEVER_EMPTY = [mart for mart in MARTS if mart != "fct_in_flight_runs"]
AGREEING = {
    "runs": ("select count(*) from {0}.fct_runs", "select sum(run_count) from {0}.agg_daily"),
    "buckets": ("select count(*) from {0}.fct_source_dates", "select sum(bucket_count) from {0}.agg_source_daily"),
    "attempts": (
        "select sum(attempt_count) from {0}.fct_run_stages",
        "select count(*) from {0}.fct_stage_attempts where level = 'run'",
    ),
    "runs in progress": (
        "select count(*) from {0}.fct_in_flight_runs",
        "select count(*) from {0}.fct_runs where effective_outcome = 'in_progress'",
    ),
    "sources": (
        "select count(*) from {0}.source_status",
        "select count(distinct source) from {0}.fct_source_dates",
    ),
    "stages without a run": (
        "select 0",
        "select count(*) from {0}.fct_run_stages where run_id not in (select run_id from {0}.fct_runs)",
    ),
    "newest run": (
        "select max(created_at) from {0}.fct_runs",
        "select max(created_at) from {0}.fct_source_dates",
    ),
}
"""Pairs of questions that have the same answer in one state of the marts, whatever was loaded."""


@dataclass
class Polled:
    """What a reader saw."""

    reads: int = 0
    states: set[Any] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def complain(self, kind: str, text: str) -> None:
        """Of the kind `error`, `empty` or `disagreement`."""
        self.kinds[kind] += 1
        self.complaints.append(text)

    def __str__(self) -> str:
        counts = ", ".join(f"{kind} {self.kinds[kind]}" for kind in ("error", "empty", "disagreement"))
        return f"{self.reads} reads: {counts}; the slowest took {self.slowest:.2f} s"


def polled_moments(count: int) -> list[datetime]:
    """As of when syncs run that are polled, the last as of NOW: so many, unless the variable says how many."""
    count = int(os.environ.get("STATSIG_RUNS_POLLED_SYNCS", count))
    return [NOW - timedelta(hours=2 * number) for number in reversed(range(count))]


def look(schema: str, ask: Callable[[str], Any], polled: Polled) -> None:
    """Ask all the questions once; `ask` gives the one value of a query."""
    for mart in NEVER_EMPTY:
        if not ask(f"select count(*) from {schema}.{mart}"):
            polled.complain("empty", f"{mart} is empty")
    for name, (one, other) in AGREEING.items():
        here, there = ask(one.format(schema)), ask(other.format(schema))
        if here != there:
            polled.complain("disagreement", f"{name}: {here} and {there}")
    polled.states.add(ask(f"select max(fetched_at) from {schema}.fct_runs"))


@contextmanager
def polling(read: Callable[[Polled], None]) -> Iterator[Polled]:
    """Read without a pause while the block runs, and once more after it."""
    polled, is_over = Polled(), Event()

    def run() -> None:
        while True:
            is_last = is_over.is_set()
            started = time.monotonic()
            try:
                read(polled)
            except Exception as error:  # noqa: BLE001  whatever a reader meets is what is looked for
                polled.complain("error", f"{type(error).__name__}: {error}")
            polled.reads += 1
            polled.slowest = max(polled.slowest, time.monotonic() - started)
            if is_last:
                log.info("%s", polled)
                return

    reader = Thread(target=run, daemon=True)
    reader.start()
    try:
        yield polled
    finally:
        is_over.set()
        reader.join()
