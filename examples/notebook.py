"""A notebook over the published copy: cell by cell in an editor that knows `# %%`, or as one program.

python examples/notebook.py data/published/statsig_runs.duckdb
"""

from __future__ import annotations

import sys
from contextlib import closing

import duckdb
import pandas as pd

# %% Open read-only: a writer would lock everybody else out. A new copy is seen by a new connection.
FILE = sys.argv[1] if len(sys.argv) > 1 else "data/published/statsig_runs.duckdb"


def read(sql: str) -> pd.DataFrame:
    """The rows of a query, times in UTC; the file is free again afterwards."""
    with closing(duckdb.connect(FILE, read_only=True)) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).df()


# %% How long a stage takes, from the first start to the last close
stages = read("select stage, duration_seconds from statsig.fct_run_stages where duration_seconds is not null")
minutes = stages.groupby("stage")["duration_seconds"].describe(percentiles=[0.5, 0.95]) / 60
print(minutes[["50%", "95%"]].round(1))

# %% What failed, and what came of it: one row per source and day
buckets = read("select source, date_stamp, outcome, error_count, is_recovered from statsig.fct_source_dates")
finished = buckets[buckets["outcome"] != "in_progress"]
by_source = finished.groupby("source").agg(
    days=("date_stamp", "nunique"),
    failed=("outcome", lambda outcome: int(outcome.isin(["failed", "stalled"]).sum())),
    recovered=("is_recovered", "sum"),
)
print(by_source.sort_values("failed", ascending=False))

# %% As of when all of this is true: the newest fetch, not now
print("As of", read("select max(fetched_at) as newest from statsig.fct_runs")["newest"][0])
