"""Rows, bytes and seconds of one load and one full build, on DuckDB and on Sail over Delta tables, in the same run.

    python bench/engines.py [--runs 20000] [--engines duckdb filesystem postgres]

Prints what each engine's marts hold, row by row of a table, and what it comes to for a million runs. `filesystem` needs
the extra of that name and goes to a folder of its own; any other is where its credentials say, and must be empty.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from statsig_runs.contract import read_run
from statsig_runs.packaged import packaged
from statsig_runs.plan import Progress
from statsig_runs.refresh import build
from statsig_runs.settings import load_settings
from statsig_runs.simulator.sample_runs import iter_runs
from statsig_runs.source import BATCH_SIZE
from statsig_runs.warehouse import Schemas, Warehouse
from statsig_runs.warehouse.destinations import open_destination

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
MARTS = sorted(file.stem for file in packaged("sql").glob("models/marts/*.sql"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--engines", nargs="+", default=["duckdb", "filesystem"])
    arguments = parser.parse_args()
    measured = {}
    for engine in arguments.engines:
        with tempfile.TemporaryDirectory(prefix="statsig-runs-") as name:
            measured[engine] = measure(engine, Path(name), arguments.runs)
    print(f"{f'{arguments.runs:,} runs':<32}" + "".join(f"{engine:>14}" for engine in measured))
    for line in next(iter(measured.values())):
        figures = [figure[line] for figure in measured.values()]
        print(f"{line:<32}" + "".join(f"{'-' if figure is None else f'{figure:,}':>14}" for figure in figures))


def measure(engine: str, folder: Path, count: int) -> dict[str, float | None]:
    os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = str(folder / "lake")
    settings = load_settings()
    schemas = Schemas.of_project()
    database = folder / "runs.duckdb"
    warehouse = Warehouse(database, schemas, open_destination(engine, database, schemas.marts))
    warehouse.prepare()
    loader = warehouse.destination.loader(schemas, warehouse.state)
    load_seconds = 0.0
    batch = []
    for number, run in enumerate(iter_runs(count, until=UNTIL, teams=max(1, count // 5_000)), 1):
        batch.append(read_run(json.dumps(run).encode(), fetched_at=UNTIL))
        if len(batch) == BATCH_SIZE or number == count:
            started = time.monotonic()
            loader.load(batch, Progress())
            load_seconds += time.monotonic() - started
            batch = []
    started = time.monotonic()
    build(warehouse, settings)
    build_seconds = time.monotonic() - started
    size = size_of({"duckdb": database, "filesystem": folder / "lake"}.get(engine))
    return {
        **{mart: count_rows(warehouse, mart) for mart in MARTS},
        "load, seconds": round(load_seconds, 1),
        "models and tests, seconds": round(build_seconds, 1),
        "size, MB": size and round(size / 1e6, 1),
        "a million runs: size, GB": size and round(size / count / 1e3, 1),
        "a million runs: minutes": round((load_seconds + build_seconds) * 1e6 / count / 60, 1),
    }


def count_rows(warehouse: Warehouse, mart: str) -> int:
    if lake := warehouse.destination.lake:
        return lake.open(warehouse.schemas.marts, mart).to_pyarrow_dataset().count_rows()
    loader = warehouse.destination.loader(warehouse.schemas, warehouse.state)
    with loader.pipeline.sql_client() as client:
        return client.execute_sql(f"select count(*) from {warehouse.schemas.marts}.{mart}")[0][0]


def size_of(place: Path | None) -> int | None:
    if place is None:
        return None
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


if __name__ == "__main__":
    main()
