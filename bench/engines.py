"""Bytes and seconds of one load and one full build, on DuckDB and on Sail over Delta tables, in the same run.

    python bench/engines.py [--runs 20000]

Prints one line an engine, and what it comes to for a million runs. Needs the extra `filesystem`.
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
from statsig_runs.plan import Progress
from statsig_runs.refresh import build
from statsig_runs.settings import load_settings
from statsig_runs.simulator.sample_runs import iter_runs
from statsig_runs.source import BATCH_SIZE
from statsig_runs.warehouse import Schemas, Warehouse
from statsig_runs.warehouse.destinations import open_destination

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--engines", nargs="+", default=["duckdb", "filesystem"])
    arguments = parser.parse_args()
    runs = iter_runs(arguments.runs, until=UNTIL, teams=max(1, arguments.runs // 5_000))
    outcomes = [read_run(json.dumps(run).encode(), fetched_at=UNTIL) for run in runs]
    for engine in arguments.engines:
        with tempfile.TemporaryDirectory(prefix="statsig-runs-") as name:
            print(json.dumps(measure(engine, Path(name), outcomes)))


def measure(engine: str, folder: Path, outcomes: list) -> dict[str, object]:
    os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = str(folder / "lake")
    schemas = Schemas.of_project()
    database = folder / "runs.duckdb"
    warehouse = Warehouse(database, schemas, open_destination(engine, database, schemas.marts))
    warehouse.prepare()
    loader = warehouse.destination.loader(schemas, warehouse.state)
    started = time.monotonic()
    for start in range(0, len(outcomes), BATCH_SIZE):
        loader.load(outcomes[start : start + BATCH_SIZE], Progress())
    loaded = time.monotonic()
    build(warehouse, load_settings())
    built = time.monotonic()
    place = folder / "lake" if engine == "filesystem" else database
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    million = 1_000_000 / len(outcomes)
    size = sum(file.stat().st_size for file in files)
    return {
        "engine": engine,
        "runs": len(outcomes),
        "bytes": size,
        "load_seconds": round(loaded - started, 1),
        "build_seconds": round(built - loaded, 1),
        "gigabytes_per_million_runs": round(size * million / 1e9, 1),
        "minutes_per_million_runs": round((built - started) * million / 60, 1),
    }


if __name__ == "__main__":
    main()
