"""A DuckDB file with raw tables, filled from payloads as the loader fills them, and read back mart by mart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from statsig_runs import tables
from statsig_runs.contract import AcceptedRun, RejectedRun, read_run
from statsig_runs.flatten import build_tables
from statsig_runs.models import Definitions, Renewal
from statsig_runs.status_messages.message import StatusMessage, read_message
from tests import oracle
from tests.support.marts import KEYS

RAW, MARTS = "statsig_raw", "statsig"
TOLERANCE_SECONDS = 1e-6
TOLERANCE_SHARE = 1e-15
"""Of a number: a float has no microseconds left where an implausible time makes a duration of thousands of years."""


def accept(payload: dict, fetched_at: datetime) -> AcceptedRun:
    run = read_run(json.dumps(payload).encode(), fetched_at=fetched_at)
    assert isinstance(run, AcceptedRun), run
    return run


def accept_message(message: dict, fetched_at: datetime) -> StatusMessage:
    read = read_message(json.dumps(message).encode(), fetched_at=fetched_at)
    assert isinstance(read, StatusMessage), read
    return read


def load(
    database: Path,
    fetched: Iterable[tuple[dict, datetime]],
    rejected: Iterable[RejectedRun] = (),
    messages: Iterable[tuple[dict, datetime]] = (),
) -> None:
    """Replace all rows of these runs and messages, as the loader does; others stay."""
    told = [accept_message(message, at) for message, at in messages]
    batch = build_tables([accept(payload, at) for payload, at in fetched], rejected, messages=told)
    database.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(database)) as con:
        con.execute("set timezone = 'UTC'")
        con.execute(f"create schema if not exists {RAW}")
        for name, rows in batch.items():
            columns = [c for c in rows.column_names if c != tables.TOMBSTONE]
            con.register("batch", rows)
            live = f"where {tables.TOMBSTONE} is null" if tables.TOMBSTONE in rows.column_names else ""
            chosen = ", ".join(columns)
            con.execute(f"create table if not exists {RAW}.{name} as select {chosen} from batch limit 0")
            keys = ", ".join(tables.BATCH_TABLES[name].replaced_by)
            con.execute(f"delete from {RAW}.{name} where ({keys}) in (select ({keys}) from batch)")
            con.execute(f"insert into {RAW}.{name} select {chosen} from batch {live}")
            con.unregister("batch")


def message_rows(messages: Iterable[tuple[dict, datetime]]) -> list[oracle.Row]:
    """The rows that these messages have in their table, for the second opinion."""
    return [asdict(each) for each in {m.message_hash: m for m in (accept_message(*of) for of in messages)}.values()]


def build_by_oracle(_database: Path, fetched: Iterable[tuple[dict, datetime]]) -> dict[str, list[oracle.Row]]:
    """The same marts from the second opinion, which needs no file."""
    return oracle.build_marts(fetched)


def build_by_sql(database: Path, fetched: Iterable[tuple[dict, datetime]]) -> dict[str, list[oracle.Row]]:
    """Load these runs into a file and build the marts there with dbt."""
    load(database, fetched)
    build(database)
    return read_marts(database)


def build(database: Path, chosen: oracle.Settings | None = None, *, full_refresh: bool = False) -> Renewal:
    """Build the marts with the thresholds chosen; returns what can spare the next build."""
    from statsig_runs.models import build_models

    return build_models(database, definitions=definitions_of(chosen), full_refresh=full_refresh).renewal


def definitions_of(chosen: oracle.Settings | None = None) -> Definitions:
    """The thresholds as the models take them."""
    chosen = chosen or oracle.Settings()
    return Definitions(
        settle_hours=chosen.settle_hours,
        terminal_success_statuses=chosen.terminal_success,
        day_utc_offset_hours=chosen.day_utc_offset_hours,
        overdue_grace_hours=chosen.overdue_grace_hours,
        completeness_days=chosen.completeness_days,
        volume_drop_ratio=chosen.volume_drop_ratio,
    )


def read_marts(database: Path, names: Iterable[str] = oracle.MARTS) -> dict[str, list[oracle.Row]]:
    """Every mart as plain rows, timestamps in UTC."""
    with duckdb.connect(str(database), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        return {name: read_rows(con, f"select * from {MARTS}.{name}") for name in names}


def read_rows(con: duckdb.DuckDBPyConnection, query: str) -> list[oracle.Row]:
    result = con.execute(query)
    columns = [column[0] for column in result.description or ()]
    return [dict(zip(columns, map(in_utc, row), strict=True)) for row in result.fetchall()]


def in_utc(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def differences(mart: str, expected: list[oracle.Row], actual: list[oracle.Row]) -> list[str]:
    """One line for each row too few, too many or twice, and for each value that differs."""
    keys = KEYS[mart]
    if mart == "dq_findings":  # which runs, sources and dates have findings is what counts, not their words
        keys = tuple(key for key in keys if key != "detail")
        actual = [{k: row[k] for k in keys} for row in {key_of(row, keys): row for row in actual}.values()]
    wanted = {key_of(row, keys): row for row in expected}
    given = {key_of(row, keys): row for row in actual}
    found = [] if len(given) == len(actual) else [f"{mart}: {len(actual)} rows, {len(given)} keys"]
    found += [f"{mart} {key}: row missing" for key in wanted.keys() - given.keys()]
    found += [f"{mart} {key}: row too many" for key in given.keys() - wanted.keys()]
    for key in wanted.keys() & given.keys():
        want, have = wanted[key], given[key]
        found += [f"{mart} {key}: column {c} missing" for c in want.keys() - have.keys()]
        found += [f"{mart} {key}: column {c} too many" for c in have.keys() - want.keys()]
        found += [
            f"{mart} {key}: {column}: expected {want[column]!r}, got {have[column]!r}"
            for column in want.keys() & have.keys()
            if not is_same(want[column], have[column])
        ]
    return sorted(found)


def key_of(row: oracle.Row, keys: tuple[str, ...]) -> tuple[object, ...]:
    return tuple(str(row[k]) if row[k] is not None else None for k in keys)


def is_same(want: object, have: Any) -> bool:
    if isinstance(want, bool) or have is None or want is None or not isinstance(want, int | float):
        return type(want) is type(have) and want == have
    tolerance = max(TOLERANCE_SECONDS, TOLERANCE_SHARE * abs(want))
    return not isinstance(have, bool) and abs(float(have) - want) <= tolerance


def assert_marts_are(
    database: Path,
    world: Iterable[tuple[dict, datetime]],
    messages: Iterable[tuple[dict, datetime]] = (),
    chosen: oracle.Settings | None = None,
) -> None:
    """Compare every mart with what the second opinion makes of these runs and messages."""
    world = list(world)
    expected, actual = oracle.build_marts(world, chosen, message_rows(messages)), read_marts(database)
    found = [line for mart in oracle.MARTS for line in differences(mart, expected[mart], actual[mart])]
    assert not found, explain(found, world)


def explain(found: list[str], fetched: Iterable[tuple[dict, datetime]]) -> str:
    """The differences, and the payloads of the runs they name (the first few)."""
    lines = [f"{len(found)} differences, the first:", *found[:12]]
    text = "\n".join(found)
    named = [(p, at) for p, at in fetched if f"'{p['runID']}'" in text]
    for payload, fetched_at in named[:3]:
        lines.append(f"payload fetched at {fetched_at.isoformat()}: {json.dumps(payload, ensure_ascii=False)}")
    return "\n".join(lines)
