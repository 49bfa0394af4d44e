"""Rows, bytes and seconds of loading and modelling, on DuckDB and on Sail over Delta tables, at several sizes.

    python bench/engines.py [--runs 5000 20000] [--engines duckdb filesystem postgres] [--syncs 100]

Each engine and size is measured in a process of its own: loading all runs, a full refresh of the models with their
tests, and an incremental build after 100 runs were fetched again. A small build comes first and does not count: reading
the dbt project takes seconds, whatever the size. Bytes are raw tables, payloads and marts: of the DuckDB file after a
checkpoint, of the lake's files, those that Delta keeps for readers of an older state left out.

Where the data is elsewhere, the published copy is measured too: all runs, and again after 20 changed.

With `--syncs N`, so many loads and builds of 20 changed runs follow. Then all bytes on the disk are measured, those of
old states too, before upkeep and after one that keeps no history.

The last lines are what each size comes to for a million runs; figures that shrink from one size to the next hold costs
that do not grow. `filesystem` needs the extra of that name and goes to a folder of its own; any other engine is where
its credentials say: each size is a project of its own there, and must not have been measured before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from statsig_runs import tables
from statsig_runs.contract import read_run
from statsig_runs.job.refresh import build
from statsig_runs.logs import adopt_dlt_logs
from statsig_runs.packaged import packaged
from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.settings import load_settings
from statsig_runs.simulator.sample_runs import iter_runs
from statsig_runs.source import BATCH_SIZE
from statsig_runs.warehouse import Warehouse, open_warehouse
from statsig_runs.warehouse.destinations import resolve_lake

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANGED = 100
MILLION = 1_000_000
MARTS = sorted(file.stem for file in packaged("sql").glob("models/marts/*.sql"))

Figures = dict[str, float | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[5_000, 20_000])
    parser.add_argument("--engines", nargs="+", default=["duckdb", "filesystem"])
    parser.add_argument("--syncs", type=int, default=0)
    arguments = parser.parse_args()
    measured = {}
    for engine in arguments.engines:
        for count in arguments.runs:
            print(f"measuring {engine} with {count:,} runs", file=sys.stderr)
            with (
                tempfile.TemporaryDirectory(prefix="statsig-runs-") as name,
                ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
            ):
                measured[engine, count] = pool.submit(measure, engine, Path(name), count, arguments.syncs).result()
    print(f"{'':<38}" + "".join(f"{engine:>14}" for engine, _ in measured))
    print(f"{'runs':<38}" + "".join(f"{count:>14,}" for _, count in measured))
    for line in next(iter(measured.values())):
        figures = [figures[line] for figures in measured.values()]
        print(f"{line:<38}" + "".join(f"{'-' if figure is None else f'{figure:,}':>14}" for figure in figures))


def measure(engine: str, folder: Path, count: int, syncs: int) -> Figures:
    os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = str(folder / "lake")
    os.environ.setdefault("DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE__BUCKET_URL", str(folder / "files"))
    settings = load_settings()
    adopt_dlt_logs()
    schemas = Schemas.of_project(f"bench_{count}")
    database = folder / "runs.duckdb"
    warehouse = open_warehouse(database, schemas, engine)
    warehouse.prepare()
    load(warehouse, CHANGED, count, UNTIL - timedelta(days=1))
    build(warehouse, settings)

    load_seconds = load(warehouse, count, count, UNTIL)
    full_seconds = timed_build(warehouse, full_refresh=True)
    loaded_again = load(warehouse, CHANGED, count, UNTIL + timedelta(days=1))
    incremental_seconds = timed_build(warehouse, full_refresh=False)

    size = size_of(warehouse)
    marts = {mart: count_rows(warehouse, schemas.marts, mart) for mart in MARTS}
    raw = {f"{schemas.raw}.{table}": count_rows(warehouse, schemas.raw, table) for table in tables.RUN_TABLES}
    rows = sum([*marts.values(), *raw.values()])
    published = publishing(warehouse, count)
    grown = sizes_after(warehouse, count, syncs) if syncs else {}
    return {
        **marts,
        "rows of the raw tables": sum(raw.values()),
        "rows of all tables": rows,
        "size, MB": size and round(size / 1e6, 1),
        "load, seconds": round(load_seconds, 1),
        "full refresh, seconds": round(full_seconds, 1),
        f"load {CHANGED} again, seconds": round(loaded_again, 1),
        f"incremental build of {CHANGED}, seconds": round(incremental_seconds, 1),
        **published,
        **grown,
        "peak memory, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "a million runs: rows, million": round(rows / count, 1),
        "a million runs: size, GB": size and round(size / count / 1e3, 1),
        "a million runs: load, seconds": round(load_seconds * MILLION / count),
        "a million runs: full refresh, seconds": round(full_seconds * MILLION / count),
    }


def load(warehouse: Warehouse, count: int, history: int, fetched_at: datetime) -> float:
    """Load the newest runs of a history of that length; seconds, the making of the runs left out."""
    loader = warehouse.destination.loader(warehouse.schemas, warehouse.state)
    runs = islice(iter_runs(history, until=UNTIL, teams=max(1, history // 5_000)), count)
    seconds = 0.0
    while batch := [read_run(json.dumps(run).encode(), fetched_at=fetched_at) for run in islice(runs, BATCH_SIZE)]:
        started = time.monotonic()
        loader.load(batch, Progress())
        seconds += time.monotonic() - started
    return seconds


def sizes_after(warehouse: Warehouse, count: int, syncs: int) -> Figures:
    """What lies on the disk after so many syncs with news, and how long an upkeep takes then."""
    started = time.monotonic()
    for number in range(syncs):
        load(warehouse, CHANGED // 5, count, UNTIL + timedelta(days=1, hours=1 + number))
        build(warehouse, load_settings())
    seconds = time.monotonic() - started
    before = bytes_on_disk(warehouse)
    started = time.monotonic()
    if warehouse.destination.tidy:
        warehouse.destination.tidy(warehouse.destination.loader(warehouse.schemas, warehouse.state), timedelta(0))
    return {
        f"seconds a sync of {syncs}": round(seconds / syncs, 1),
        f"on disk after {syncs} syncs, MB": round(before / 1e6, 1),
        "after upkeep, MB": round(bytes_on_disk(warehouse) / 1e6, 1),
        "upkeep, seconds": round(time.monotonic() - started, 1),
    }


def bytes_on_disk(warehouse: Warehouse) -> int:
    """All files of the folder that the lake or the database is in; of a server elsewhere, nothing."""
    folder = warehouse.database.parent
    files = [file for file in folder.rglob("*") if file.is_file() and warehouse.folder not in file.parents]
    return sum(file.stat().st_size for file in files)


def publishing(warehouse: Warehouse, count: int) -> Figures:
    """Seconds that the published copy of a warehouse elsewhere takes: from nothing, and after 20 runs changed."""
    if warehouse.destination.file:
        return {}
    loader = warehouse.destination.loader(warehouse.schemas, warehouse.state)

    def publish() -> float:
        built = build(warehouse, load_settings())
        started = time.monotonic()
        warehouse.publish(warehouse.window(built.renewal.marts, loader, days=36_500))
        return time.monotonic() - started

    whole = publish()
    load(warehouse, CHANGED // 5, count, UNTIL + timedelta(days=1, minutes=30))
    return {
        "publish, seconds": round(whole, 1),
        f"publish {CHANGED // 5} changed, seconds": round(publish(), 1),
        "published copy, MB": round(warehouse.published.file.stat().st_size / 1e6, 1),
    }


def timed_build(warehouse: Warehouse, *, full_refresh: bool) -> float:
    started = time.monotonic()
    build(warehouse, load_settings(), full_refresh=full_refresh)
    return time.monotonic() - started


def count_rows(warehouse: Warehouse, schema: str, table: str) -> int:
    if warehouse.destination.name == "filesystem":
        delta = resolve_lake()[0].open(schema, table)
        return delta.to_pyarrow_dataset().count_rows() if delta else 0
    loader = warehouse.destination.loader(warehouse.schemas, warehouse.state)
    with loader.pipeline.sql_client() as client:
        return client.execute_sql(f"select count(*) from {schema}.{table}")[0][0]


def size_of(warehouse: Warehouse) -> int | None:
    """Bytes; None for an engine whose files are elsewhere."""
    if warehouse.destination.name == "filesystem":
        lake, _ = resolve_lake()
        tables_of_lake = [lake.open(schema, table) for schema in warehouse.schemas for table in lake.tables(schema)]
        return sum(
            sum(delta.get_add_actions(flatten=True)["size_bytes"].to_pylist()) for delta in tables_of_lake if delta
        )
    if warehouse.destination.file:
        warehouse.publish()
        return warehouse.published.file.stat().st_size
    return None


if __name__ == "__main__":
    main()
