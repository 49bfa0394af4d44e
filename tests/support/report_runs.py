"""Runs that show everything the page has to say: each health, each outcome, each finding, and names that mean harm."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from statsig_runs.readers.published import use_schemas
from statsig_runs.report import write_report
from statsig_runs.schemas import Schemas
from statsig_runs.simulator.sample_runs import generate_runs
from tests.support.warehouse_of_runs import build, load
from tests.support.written_runs import at, history, payload

AS_OF = at("2026-11-23T09:40:00")
WRECKER = (
    "</script><img src=x onerror=\"window.harmed='yes'\"><b>'quoted'</b> "
    "\u202egnp.exe\u202c \U0001f469\u200d\U0001f469\u200d\U0001f467 \x07"
)
"""Markup, both quotes, right-to-left text, joined emoji and a control character in one name."""
LONG_NAME = "Ω" * 300


def day_of(source: str, day: str, *events: str, run_id: str = "", trigger: str = "scheduled") -> dict:
    """A run of one source for the day before `day`; its events are `minutes status` from `day` 06:00 UTC."""
    start = datetime.fromisoformat(f"{day}T06:00:00")
    told = [f"{(start + timedelta(minutes=int(m))).isoformat()}.000 {status}" for m, status in map(str.split, events)]
    date_stamp = (start - timedelta(days=1)).date().isoformat()
    run_id = run_id or f"{source[:40]} {day} {trigger}"
    buckets = {(source, date_stamp): history(*told)}
    return payload(run_id, [source], [date_stamp], history(*told), buckets, trigger=trigger)


UNTIL_ERROR = ("0 enqueued", "2 started", "9 download_started", "21 download_error")
RETRIED_IN_VAIN = (*UNTIL_ERROR, "24 download_started", "40 download_error")
HEALTHY = (
    *("0 enqueued", "2 started", "9 download_started", "35 download_complete"),
    *("36 metrics_started", "65 metrics_complete", "66 pulse_started", "90 pulse_complete"),
)
RETRIED = (*UNTIL_ERROR, *("24 download_started", "35 download_complete", "36 metrics_started"), *HEALTHY[5:])
RECOVERED_LATE = (*UNTIL_ERROR, *(f"{1600 + n} {e.split()[1]}" for n, e in enumerate(HEALTHY[3:])))


def troubled_runs() -> list[dict]:
    """One source for each health, a late run, and a name that means harm."""
    runs = [day_of("Events EU", f"2026-11-{d:02d}", *HEALTHY) for d in range(10, 19)]
    runs += [day_of("Events EU", f"2026-11-{d:02d}", *RETRIED_IN_VAIN) for d in range(19, 24)]
    runs += [day_of("Orders", f"2026-11-{d:02d}", *HEALTHY) for d in range(8, 22)]
    runs += [day_of("Orders", f"2026-11-{d:02d}", *HEALTHY, run_id=f"again {d}") for d in range(8, 14)]
    runs += [day_of("Orders", "2026-11-22", *UNTIL_ERROR), day_of("Orders", "2026-11-23", *HEALTHY[:3])]
    runs += [day_of("Billing", "2026-11-18", *HEALTHY), day_of("Billing", "2026-11-20", *HEALTHY[:4], "50 no_data")]
    runs += [day_of("First try", "2026-11-23", *HEALTHY[:5])]
    runs += [day_of(WRECKER, f"2026-11-{d}", *HEALTHY) for d in (20, 21, 22)]
    runs += [
        day_of(WRECKER, "2026-11-23", *RETRIED, "91 <i>odd</i>_started", "95 <i>odd</i>_complete", "99 pulse_complete")
    ]
    runs += [day_of(LONG_NAME, "2026-11-22", *RECOVERED_LATE), day_of(LONG_NAME, "2026-11-23", *UNTIL_ERROR)]
    late = day_of("Orders", "2026-11-22", *HEALTHY[:5], run_id="late run", trigger="api")
    return [*runs, late]


def build_published(path: Path, runs: list[dict], as_of: datetime = AS_OF, messages: Iterable[dict] = ()) -> Path:
    """A file with the marts of these runs and messages, as a sync would have published it."""
    load(path, [(run, as_of) for run in runs], messages=[(message, as_of) for message in messages])
    build(path)
    return path


@contextmanager
def opened(published: Path, project: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """A file with marts, opened as a published copy is."""
    with duckdb.connect(str(published), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        use_schemas(connection, Schemas.of_project(project), published)
        yield connection


def write_page(published: Path, output: Path, project: str = "") -> Path:
    with opened(published, project) as connection:
        return write_report(connection, output)


def build_troubled(path: Path) -> Path:
    sample = generate_runs(170, seed=11, until=AS_OF, hostile=True)
    return build_published(path, [*sample, *troubled_runs()])


def copy_marts(published: Path, target: Path, *, keep_source: str | None) -> Path:
    """The same file with the marts of one source alone, and of none of its troubles; or with no row at all."""
    shutil.copy(published, target)
    with duckdb.connect(str(target)) as con:
        con.execute("set timezone = 'UTC'")
        con.execute("use statsig")
        kept = "select run_id from fct_source_dates where source = ? and outcome = 'succeeded' and error_count = 0"
        con.execute(f"create temp table kept as {kept}", [keep_source])
        for mart in ("fct_runs", "fct_run_stages", "fct_source_dates", "fct_stage_attempts", "fct_in_flight_runs"):
            con.execute(f"delete from {mart} where run_id not in (from kept)")
        con.execute("delete from fct_runs where error_count > 0 or effective_outcome <> 'succeeded'")
        for mart in ("source_status", "fct_date_freshness"):
            con.execute(f"delete from {mart} where source is distinct from ?", [keep_source])
        con.execute("delete from dq_findings")
        con.execute("delete from agg_daily where any_error_rate > 0 or failed_count > 0")
    return target
