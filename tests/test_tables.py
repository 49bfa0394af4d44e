"""Runs to flat tables: keys, order of events, duplicates, emptied lists."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from statsig_runs.contract import AcceptedRun, MissingRun, RejectedRun, read_run
from statsig_runs.flatten import build_tables
from statsig_runs.tables import BATCH_TABLES, TOMBSTONE
from tests.support.one_run import NOW, bucket, history, payload


def accept(fetched_at: datetime = NOW, **changes: Any) -> AcceptedRun:
    outcome = read_run(json.dumps(payload(**changes)).encode(), fetched_at=fetched_at)
    assert isinstance(outcome, AcceptedRun), outcome
    return outcome


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows without tombstones and technical columns."""
    columns = [name for name in table.column_names if name != TOMBSTONE]
    return [tuple(row[name] for name in columns) for row in table.to_pylist() if not row.get(TOMBSTONE)]


def tombstones(table: pa.Table) -> list[str]:
    return [row["run_id"] for row in table.to_pylist() if row.get(TOMBSTONE)]


def test_every_table_comes_with_its_columns_even_when_empty() -> None:
    tables = build_tables([])
    assert {name: table.schema for name, table in tables.items()} == {
        name: table.schema for name, table in BATCH_TABLES.items()
    }
    assert all(table.num_rows == 0 for table in tables.values())


def test_a_moment_is_kept_to_the_microsecond_at_the_edges_of_the_calendar_too() -> None:
    moments = [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "2023-12-13T02:30:55.992001Z",
        "2262-04-11T23:47:16.854776Z",
        "9999-12-31T23:59:59.999999Z",
    ]
    tables = build_tables([accept(runID=str(number), createdAt=text) for number, text in enumerate(moments)])
    assert [row[3].isoformat().replace("+00:00", "Z") for row in rows(tables["ingestion_runs"])] == moments


def test_events_are_numbered_oldest_first() -> None:
    run = accept(runHistory=history(("3", "c"), ("1", "a"), ("2", "b")))
    events = rows(build_tables([run])["run_status_events"])
    assert [(row[1], row[3]) for row in events] == [(1, "a"), (2, "b"), (3, "c")]


def test_events_of_one_instant_keep_the_reverse_of_the_listed_order() -> None:
    run = accept(runHistory=history(("5", "newest"), ("1", "third"), ("1", "second"), ("1", "first")))
    statuses = [row[3] for row in rows(build_tables([run])["run_status_events"])]
    assert statuses == ["first", "second", "third", "newest"]


def test_timestamps_keep_milliseconds_of_years_far_apart() -> None:
    run = accept(
        createdAt="1969-12-31T23:59:59.999Z",
        lastUpdatedAt="2199-01-01T00:00:00.001Z",
    )
    row = rows(build_tables([run])["ingestion_runs"])[0]
    assert row[3] == datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    assert row[4] == datetime(2199, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)


def test_a_source_and_date_that_stands_twice_is_one_bucket_with_the_events_of_both() -> None:
    run = accept(
        granularHistory=[
            bucket("A", "2023-12-11", ("3", "c"), ("1", "a"), latest="c"),
            bucket("A", "2023-12-11", ("2", "b"), latest="b"),
        ]
    )
    tables = build_tables([run])
    day = date(2023, 12, 11)
    assert [(row[1], row[2], row[3], row[5]) for row in rows(tables["source_date_status_events"])] == [
        ("A", day, 1, "a"),
        ("A", day, 2, "b"),
        ("A", day, 3, "c"),
    ]
    assert rows(tables["source_latest_statuses"]) == [("r1", "A", "c")]


def test_a_list_that_names_a_source_twice_is_one_row() -> None:
    tables = build_tables([accept(sources=["A", "B", "A"], dateStamps=["2023-12-11", "2023-12-11"])])
    assert rows(tables["ingestion_run_sources"]) == [("r1", "A"), ("r1", "B")]
    assert rows(tables["ingestion_run_date_stamps"]) == [("r1", date(2023, 12, 11))]


def test_a_run_without_rows_leaves_a_tombstone_in_each_list() -> None:
    tables = build_tables([accept(sources=[], dateStamps=[], runHistory=[], granularHistory=[])])
    emptied = [name for name, table in tables.items() if tombstones(table)]
    assert emptied == [
        "ingestion_run_sources",
        "ingestion_run_date_stamps",
        "missing_runs",
        "run_status_events",
        "source_date_status_events",
        "source_latest_statuses",
    ]
    assert all(tombstones(tables[name]) == ["r1"] for name in emptied)


def test_a_bucket_without_statuses_has_no_events_but_its_source_is_known() -> None:
    tables = build_tables([accept(granularHistory=[bucket("A", "2023-12-11", latest="enqueued")])])
    assert rows(tables["source_date_status_events"]) == []
    assert tombstones(tables["source_date_status_events"]) == ["r1"]
    assert rows(tables["source_latest_statuses"]) == [("r1", "A", "enqueued")]


def test_a_run_that_comes_twice_is_flattened_as_it_was_fetched_last_and_keeps_both_payloads() -> None:
    newer = accept(NOW + timedelta(minutes=1), latestStatus="new")
    older = accept(NOW, latestStatus="old")
    tables = build_tables([newer, older])
    assert [row[1] for row in rows(tables["ingestion_runs"])] == ["new"]
    assert len(rows(tables["run_payloads"])) == 2


def test_a_payload_seen_again_is_one_row_with_its_newest_fetch() -> None:
    later = NOW + timedelta(hours=1)
    table = build_tables([accept(NOW), accept(later)])["run_payloads"]
    assert [row[2] for row in rows(table)] == [later]


def test_refused_and_missing_runs_reach_their_tables_only() -> None:
    refused = RejectedRun("r2", NOW, "hash", "reason", "{}")
    missing = MissingRun("r3", NOW, "runID r3 not found")
    tables = build_tables([], [refused], [missing])
    filled = {name: rows(table) for name, table in tables.items() if table.num_rows}
    assert filled == {
        "rejected_runs": [("r2", "hash", NOW, "reason", "{}")],
        "missing_runs": [("r3", NOW, "runID r3 not found")],
    }


def test_hostile_texts_pass_unchanged() -> None:
    name = "Robert'); drop table runs;-- \u202e\U0001f600 <b>" + "x" * 300
    tables = build_tables([accept(sources=[name])])
    assert rows(tables["ingestion_run_sources"]) == [("r1", name)]
