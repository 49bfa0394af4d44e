"""Loading into DuckDB through dlt, beside DuckDB's own `read_json` + `unnest` and dlt's nested normalisation.

    python bench/load.py [RUNS]        50,000 by default; the nested peer always loads 5,000

Each loader runs in a process of its own, on the same generated payloads, into the same tables; ours as `sync` loads,
batch by batch. Peak memory is counted above what the process holds when the payloads are in memory. Read the ratios:
the seconds are this machine's.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
NESTED_RUNS = 5_000

UNNEST = """
create table runs as select * from read_json('{file}', format = 'newline_delimited', columns = {{
    runID: 'varchar', latestStatus: 'varchar', lastUpdatedAt: 'timestamptz', createdAt: 'timestamptz',
    trigger: 'varchar', sources: 'varchar[]', dateStamps: 'date[]',
    runHistory: 'struct("statusTimestamp" timestamptz, status varchar)[]',
    granularHistory: 'struct(source varchar, "latestSourceStatus" varchar, "statusByDate" struct("dateStamp" date,
        statuses struct("statusTimestamp" timestamptz, status varchar)[])[])[]'}});
create table ingestion_runs as
    select runID as run_id, latestStatus, trigger, createdAt, lastUpdatedAt, now() as fetched_at from runs;
create table ingestion_run_sources as select distinct runID as run_id, unnest(sources) as source from runs;
create table ingestion_run_date_stamps as select distinct runID as run_id, unnest(dateStamps) as date_stamp from runs;
create table run_status_events as select run_id, row_number() over (partition by run_id
        order by event.statusTimestamp, place desc) as event_index, event.statusTimestamp, event.status
    from (select runID as run_id, unnest(runHistory) as event, generate_subscripts(runHistory, 1) as place from runs);
create table histories as select runID as run_id, unnest(granularHistory) as history from runs;
create table source_latest_statuses as
    select run_id, history.source, history.latestSourceStatus from histories;
create table source_date_status_events as select run_id, source, date_stamp, row_number() over (
        partition by run_id, source, date_stamp order by event.statusTimestamp, place desc) as event_index,
        event.statusTimestamp, event.status
    from (select run_id, source, bucket.dateStamp as date_stamp, unnest(bucket.statuses) as event,
            generate_subscripts(bucket.statuses, 1) as place
        from (select run_id, history.source, unnest(history.statusByDate) as bucket from histories));
create table run_payloads as select json ->> 'runID' as run_id, sha256(json) as content_hash, now() as fetched_at,
        json as payload
    from read_csv('{file}', columns = {{json: 'varchar'}}, delim = '\x01', quote = '', escape = '', header = false,
        max_line_size = 10000000);
drop table runs; drop table histories; checkpoint;
"""


def generate(count: int) -> list[bytes]:
    from statsig_runs.simulator.sample_runs import iter_runs

    return [json.dumps(run, separators=(",", ":")).encode() for run in iter_runs(count, seed=1, until=UNTIL, teams=4)]


def load_ours(bodies: list[bytes], folder: Path) -> None:
    """As a sync does: batch by batch, each validated, flattened and merged before the next."""
    from statsig_runs.contract import read_run
    from statsig_runs.plan import Progress
    from statsig_runs.source import BATCH_SIZE
    from statsig_runs.warehouse import open_warehouse

    warehouse = open_warehouse(folder / "runs.duckdb")
    warehouse.prepare()
    loader = warehouse.destination.loader(warehouse.schemas, warehouse.state)
    loader.repair()
    with loader.connected():
        for start in range(0, len(bodies), BATCH_SIZE):
            batch = [read_run(body, fetched_at=UNTIL) for body in bodies[start : start + BATCH_SIZE]]
            loader.load(batch, Progress())


def load_nested(bodies: list[bytes], folder: Path) -> None:
    import dlt

    runs = dlt.resource(
        (json.loads(body) for body in bodies), name="runs", write_disposition="merge", primary_key="runID"
    )
    destination = dlt.destinations.duckdb(str(folder / "runs.duckdb"))
    dlt.pipeline("bench", destination=destination, dataset_name="raw", pipelines_dir=str(folder / "dlt")).run(runs)


def load_with_duckdb(bodies: list[bytes], folder: Path) -> None:
    import duckdb

    file = folder / "runs.ndjson"
    file.write_bytes(b"\n".join(bodies))
    with duckdb.connect(str(folder / "peer.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(UNNEST.format(file=file))


def measure(load: Callable[[list[bytes], Path], None], count: int) -> tuple[float, float]:
    """Seconds, and GiB above the input, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run_one, (load.__name__, count))


def run_one(name: str, count: int) -> tuple[float, float]:
    # imports are paid once a process, and are not what is measured
    import duckdb  # noqa: F401
    import pandas as pd  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import statsig_runs.warehouse.loader  # noqa: F401
    from statsig_runs.cli.commands import collect_rarely
    from statsig_runs.settings import load_settings

    # as the command does, for every loader
    collect_rarely()
    load_settings()
    bodies = generate(count)
    with tempfile.TemporaryDirectory() as folder:
        before = peak()
        started = time.perf_counter()
        globals()[name](bodies, Path(folder))
        return time.perf_counter() - started, peak() - before


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    ours, memory = measure(load_ours, count)
    duck, duck_memory = measure(load_with_duckdb, count)
    few, _ = measure(load_ours, NESTED_RUNS)
    nested, nested_memory = measure(load_nested, NESTED_RUNS)
    print(f"{'':<44}{'seconds':>9}{'GiB above input':>17}")
    print(f"{f'{count:,} runs: this source through dlt':<44}{ours:>9.2f}{memory:>17.2f}")
    print(f"{f'{count:,} runs: DuckDB read_json + unnest':<44}{duck:>9.2f}{duck_memory:>17.2f}")
    print(f"  ratio {ours / duck:.2f} (goal: at most 2.5; at most 1 GiB)")
    print(f"{f'{NESTED_RUNS:,} runs: this source through dlt':<44}{few:>9.2f}")
    print(f"{f'{NESTED_RUNS:,} runs: dlt default nested normalisation':<44}{nested:>9.2f}{nested_memory:>17.2f}")
    print(f"  ratio {nested / few:.1f} (goal: at least 10)")


if __name__ == "__main__":
    main()
