"""How long the models take, and how much memory, beside DuckDB's own time for one plain window query over the events.

Raw tables are written in SQL: some 50 events a run, in one run-level history and four buckets, one run in seven with a
failed download that is tried again. Each build is a process of its own, timed whole, start of Python included.
Processor time is told as well: on a machine with other work it says more than the clock.

    python bench/models.py                        10,000 runs: the first build, again, and a build in a warm process
    python bench/models.py --runs 200000          a full refresh and its peak memory
    python bench/models.py --runs 1000000 --changed 100
                                                  with a history of a million runs, what a sync does after 100 changed
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import duckdb

SMOOTH = (
    ("enqueued", 0), ("started", 90), ("download_started", 400), ("download_complete", 900),
    ("metrics_started", 950), ("metrics_started", 965), ("metrics_started", 980), ("metrics_complete", 2000),
    ("pulse_started", 2100), ("pulse_complete", 4000),
)  # fmt: skip
RETRIED = (*SMOOTH[:3], ("download_error", 500), ("download_started", 700), *SMOOTH[3:])

BUILD = """
import resource, sys, time
from pathlib import Path
from statsig_runs.cli.commands import collect_rarely
from statsig_runs.models import build_models, keep_renewal
collect_rarely()  # as the command does
for _ in range(int(sys.argv[2])):
    started, processor = time.perf_counter(), time.process_time()
    build = build_models(Path(sys.argv[1]), full_refresh="--full" in sys.argv)
    print(f"  in process {time.perf_counter() - started:6.2f} s, processor {time.process_time() - processor:6.2f} s")
keep_renewal(build.renewal, Path(sys.argv[1]).parent, "bench", {})
slowest = sorted(build.node_seconds.items(), key=lambda node: -node[1])[:8]
print("  slowest: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest))
print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")
"""

RENEW = """
import resource, sys, time
from pathlib import Path
from statsig_runs.models import renew, take_renewal
from statsig_runs.schemas import Schemas
from statsig_runs.warehouse.destinations import open_destination
folder = Path(sys.argv[1]).parent
loader = open_destination("duckdb", Path(sys.argv[1])).loader(Schemas.of_project(), folder / "state")
loader.repair()
started, processor = time.perf_counter(), time.process_time()
with loader.connected():
    assert renew(take_renewal(folder, "bench", {}), loader.sql)
print(f"  in process {time.perf_counter() - started:6.2f} s, processor {time.process_time() - processor:6.2f} s")
print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")
"""

TABLES = """
set timezone = 'UTC';
set preserve_insertion_order = false;
create schema statsig_raw;
use statsig_raw;
create table ingestion_runs as
select
    cast(cast(md5(cast(i as varchar)) as uuid) as varchar) as run_id,
    'pulse_complete' as latest_status,
    if(i % 10 = 0, 'backfill', 'scheduled') as trigger,
    timestamptz '2016-01-01 00:00:00+00' + i * interval 5 minute as created_at,
    created_at + interval 1 hour as last_updated_at,
    created_at + interval 48 hour as fetched_at
from range(?) as numbers (i);
create table ingestion_run_sources as
select run_id, source from ingestion_runs cross join (values ('Events'), ('Metrics')) as sources (source);
create table ingestion_run_date_stamps as
select run_id, cast(created_at as date) - cast(n as integer) as date_stamp
from ingestion_runs cross join range(1, 3) as days (n);
create table events (is_retried boolean, event_index bigint, status varchar, seconds bigint);
insert into events values {events};
create table run_status_events as
select run_id, event_index, created_at + seconds * interval 1 second as status_at, status
from ingestion_runs join events on (hash(run_id) % 7 = 0) = is_retried;
create table source_date_status_events as
select run_id, source, date_stamp, event_index, status_at + interval 7 milliseconds as status_at, status
from run_status_events join ingestion_run_sources using (run_id) join ingestion_run_date_stamps using (run_id);
create table source_latest_statuses as
select run_id, source, 'pulse_complete' as latest_source_status from ingestion_run_sources;
create table run_payloads as
select run_id, 'first' as content_hash, fetched_at, '{{}}' as payload from ingestion_runs;
drop table events;
"""

CHANGE = """
update statsig_raw.ingestion_runs
set fetched_at = fetched_at + interval 1 hour, last_updated_at = last_updated_at + interval 1 hour
where run_id in (select run_id from statsig_raw.ingestion_runs order by hash(run_id) limit ?)
"""

PEER = """
select count(*), sum(n) from (
    select row_number() over (partition by run_id, source, date_stamp order by event_index) as n
    from statsig_raw.source_date_status_events
)
"""


def write_raw_tables(database: Path, runs: int) -> int:
    rows = [
        (kind, number, *event)
        for kind, events in ((False, SMOOTH), (True, RETRIED))
        for number, event in enumerate(events, 1)
    ]
    values = ", ".join(f"({kind}, {number}, '{status}', {seconds})" for kind, number, status, seconds in rows)
    with duckdb.connect(str(database)) as con:
        for statement in TABLES.format(events=values).split(";\n"):
            con.execute(statement, [runs] if "?" in statement else [])
        con.execute("checkpoint")
        (count,) = con.execute(
            "select (select count(*) from run_status_events) + (select count(*) from source_date_status_events)"
        ).fetchone() or (0,)
    return int(count)


def change(database: Path, runs: int) -> None:
    with duckdb.connect(str(database)) as con:
        con.execute(CHANGE, [runs])


def measure(program: str, database: Path, title: str, *arguments: str) -> None:
    print(title, flush=True)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, str(database), *arguments], check=True)
    print(f"  whole process {time.perf_counter() - started:6.2f} s", flush=True)


def time_peer(database: Path) -> None:
    with duckdb.connect(str(database), read_only=True) as con:
        started = time.perf_counter()
        con.execute(PEER).fetchall()
        print(f"Peer: one plain window query over the events, {time.perf_counter() - started:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--changed", type=int, default=0)
    parser.add_argument("--database", type=Path, help="keep the database here, and use it if it exists")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = options.database or Path(folder) / "bench.duckdb"
        with ProcessPoolExecutor(1) as apart:  # a build's peak memory begins with that of the process that starts it
            if not database.exists():
                events = apart.submit(write_raw_tables, database, options.runs).result()
                print(f"{options.runs:,} runs, {events:,} events", flush=True)
            apart.submit(time_peer, database).result()
        measure(BUILD, database, "Full refresh", "1", "--full")
        measure(BUILD, database, "Nothing changed, by dbt", "3")
        if options.changed:
            with ProcessPoolExecutor(1) as apart:
                apart.submit(change, database, options.changed).result()
            measure(RENEW, database, f"{options.changed} runs changed, as a sync does")
        print(f"Database {database.stat().st_size / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
