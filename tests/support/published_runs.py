"""A published copy whose figures were worked out by hand, as of 15 March 2024, 09:00 UTC.

Events 1    in: 14 March landed at 03:30
Events 2    failing: in on 14 March at 03:00, since then one download error for 14 March
Metrics     incomplete: twenty runs of one hour, the last on 14 March at 02:00; one more is late, after four hours
HOSTILE, LONG    began at 08:00, never finished

The ingestion status says why 14 March of Events 2 failed, that 10 March of Metrics landed without data, and that its
13 March came with 400 rows, where Wednesdays have 1,000. It loaded 6 March twice.
"""

from __future__ import annotations

import os
import subprocess
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from statsig_runs.warehouse import Warehouse, open_warehouse
from tests.support.warehouse_of_runs import build, load
from tests.support.workplace import COMMAND, PATIENCE, Done
from tests.support.written_runs import at, history, payload

NOW = at("2024-03-15T09:00:00")
HOSTILE = "[red]\x1b[31m<!channel> & `@here`\n\u202eabc"
LONG = "Ω" * 300
HOSTILE_ERROR = "no <b>column</b> `id`;\n<!channel> \x1b[31m\u202e@here " + "x" * 100_000
PATIENT = {
    "SOURCES__STATSIG_RUNS__CHECKS__MAX_HOURS_SINCE_LOAD": "-1",
    "SOURCES__STATSIG_RUNS__CHECKS__MAX_HOURS_SINCE_SUCCESS": "-1",
    "SOURCES__STATSIG_RUNS__CHECKS__MAX_OVERDUE_DATES": "-1",
    "SOURCES__STATSIG_RUNS__CHECKS__MAX_EMPTY_DATES": "-1",
}
"""Settings for a command that runs years after these runs, and is about one thing."""


def all_runs() -> list[tuple[dict, datetime]]:
    runs = [landed(), landed_before(), failed(), late(), begun()]
    return [(run, NOW) for run in [*runs, *(one_hour(days) for days in range(20))]]


def landed() -> dict:
    run = history(
        "2024-03-15T02:00:00.000 enqueued",
        "2024-03-15T02:10:00.000 started",
        "2024-03-15T02:20:00.000 download_started",
        "2024-03-15T03:00:00.000 download_complete",
        "2024-03-15T03:10:00.000 pulse_started",
        "2024-03-15T03:30:00.000 pulse_complete",
    )
    return payload("landed", ["Events 1"], ["2024-03-14"], run, {("Events 1", "2024-03-14"): run})


def landed_before() -> dict:
    run = history("2024-03-14T02:00:00.000 enqueued", "2024-03-14T03:00:00.000 pulse_complete")
    return payload("landed before", ["Events 2"], ["2024-03-13"], run, {("Events 2", "2024-03-13"): run})


def failed() -> dict:
    """It has a field that the contract does not know."""
    run = history(
        "2024-03-15T02:00:00.000 enqueued",
        "2024-03-15T02:10:00.000 download_started",
        "2024-03-15T02:20:00.000 download_error",
    )
    written = payload("failed", ["Events 2"], ["2024-03-14"], run, {("Events 2", "2024-03-14"): run})
    return {**written, "surprise": 1}


def one_hour(days: int) -> dict:
    """So many days before the 14th."""
    day = date(2024, 3, 14) - timedelta(days=days)
    run = history(f"{day}T01:00:00.000 enqueued", f"{day}T02:00:00.000 pulse_complete")
    stamp = str(day - timedelta(days=1))
    return payload(f"metrics {day:%m-%d}", ["Metrics"], [stamp], run, {("Metrics", stamp): run})


def late() -> dict:
    run = history("2024-03-15T05:00:00.000 enqueued", "2024-03-15T05:10:00.000 download_started")
    return payload("late", ["Metrics"], ["2024-03-14"], run, {("Metrics", "2024-03-14"): run})


def begun() -> dict:
    run = history("2024-03-15T08:00:00.000 enqueued", "2024-03-15T08:10:00.000 metrics_started")
    buckets = {(source, "2024-03-14"): run for source in (HOSTILE, LONG)}
    return payload("begun", [HOSTILE, LONG], ["2024-03-14"], run, buckets)


def all_messages() -> list[tuple[dict, datetime]]:
    told = [
        report("Events 2", "2024-03-14", "QUERY_ERROR", error_message=HOSTILE_ERROR),
        report("Metrics", "2024-03-10", "LOADED_EMPTY_DATA"),
        *(
            report("Metrics", day, "IMPORT_SUCCESSFUL", rowCount=1000)
            for day in ("2024-02-21", "2024-02-28", "2024-03-06")
        ),
        report("Metrics", "2024-03-06", "IMPORT_SUCCESSFUL", hour=3, rowCount=1000),
        report("Metrics", "2024-03-13", "IMPORT_SUCCESSFUL", rowCount=400),
    ]
    return [(message, NOW) for message in told]


def report(source: str, day: str, status: str, hour: int = 2, **more: object) -> dict:
    """A message of the ingestion status, told the day after at so many hours."""
    told_at = at(f"{day}T00:00:00") + timedelta(days=1, hours=hour)
    stamps = {"ds": f"{day}T00:00:00.000Z", "timestamp": f"{told_at:%Y-%m-%dT%H:%M:%S}.000Z"}
    return {"source_name": source, "status": status, "message": None, **stamps, **more}


def publish(
    database: Path,
    runs: list[tuple[dict, datetime]],
    messages: list[tuple[dict, datetime]] | None = None,
    *,
    with_load: bool = True,
) -> Warehouse:
    """Load, model and publish these runs and messages, with one record of the loader."""
    warehouse = open_warehouse(database)
    warehouse.prepare()
    load(database, runs, messages=messages or [])
    if with_load:
        with duckdb.connect(str(database)) as connection:
            connection.execute("""
                create table statsig_raw.sync_loads as
                select
                    'load 1' as load_id, timestamptz '2024-03-15 08:59:00+00' as started_at,
                    timestamptz '2024-03-15 09:01:00+00' as finished_at,
                    9::bigint as new_count, 1::bigint as changed_count,
                    0::bigint as unchanged_count, 2::bigint as rejected_count, 0::bigint as missing_count,
                    0::bigint as failed_count, 1234::bigint as request_count, 5::bigint as retry_count,
                    0::bigint as rate_limited_count, 1.5 as fetch_seconds, 0.5 as load_seconds, 2.5 as model_seconds,
                    0.25 as publish_seconds
            """)
    build(database)
    warehouse.publish()
    return warehouse


def run_command(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> Done:
    """Run the installed command in a folder, for a user whose home it is."""
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **environment},
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
