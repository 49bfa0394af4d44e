"""Rebuilding from payloads: from the database's own, from archives of every form, without a request."""

import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest

from statsig_runs.contract import MissingRun, RejectedRun, read_run
from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.job.progress import LogWatch
from statsig_runs.job.replay import rebuild
from statsig_runs.job.summary import Summary
from statsig_runs.plan import Progress
from statsig_runs.settings import Settings, load_settings
from statsig_runs.status_messages import read_message
from statsig_runs.tables import BATCH_TABLES
from statsig_runs.warehouse import Warehouse, open_warehouse
from statsig_runs.warehouse.loader import Loader
from tests.support.one_run import NOW, history, payload


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = open_warehouse(tmp_path / "statsig_runs.duckdb")
    warehouse.prepare()
    return warehouse


@pytest.fixture
def settings() -> Settings:
    return load_settings()


def load(warehouse: Warehouse, *runs: dict[str, Any], hours: float = 0) -> None:
    loader = Loader(dlt.destinations.duckdb(str(warehouse.database)), warehouse.schemas, warehouse.state)
    outcomes = [read_run(json.dumps(run).encode(), fetched_at=NOW + timedelta(hours=hours)) for run in runs]
    loader.load(outcomes, Progress())


def rows(warehouse: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(warehouse.database), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'; set search_path = 'statsig_raw'")
        return connection.execute(sql).fetchall()


def content(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all raw tables, apart from technical columns."""
    return {
        table: rows(warehouse, f"select columns(c -> c not like '\\_dlt%' escape '\\') from {table} order by all")
        for table in BATCH_TABLES
    }


def replay(
    warehouse: Warehouse, settings: Settings, archive: Path | None = None, fetched_at: datetime | None = None
) -> Summary:
    summary = Summary(NOW)
    loader = Loader(dlt.destinations.duckdb(str(warehouse.database)), warehouse.schemas, warehouse.state)
    rebuild(loader, settings, summary, LogWatch(), archive, fetched_at)
    return summary


def test_a_replay_of_the_databases_own_payloads_changes_nothing(warehouse: Warehouse, settings: Settings) -> None:
    three = history(("3", "pulse_complete"), ("2", "started"), ("1", "enqueued"))
    load(warehouse, payload(runHistory=three), payload(runID="r2", sources=[]), payload(runID="bad", trigger=1))
    load(warehouse, payload(runHistory=three[1:]), hours=1)
    load(warehouse, payload(runHistory=three), hours=2)  # back to what it was first
    before = content(warehouse)
    summary = replay(warehouse, settings)
    assert content(warehouse) == before
    assert (summary.new, summary.changed, summary.unchanged, summary.rejected, summary.requests) == (0, 0, 2, 1, 0)


MESSAGES = [
    {"ds": "2026-01-01T00:00:00Z", "source_name": "A", "status": "QUERY_ERROR", "error_message": "no such column"},
    {"ds": "2026-01-02", "source_name": "A", "status": "IMPORT_SUCCESSFUL", "rowCount": 7},
    {"ds": "soon", "source_name": "A", "status": "IMPORT_STARTED"},
]
LOADED = [("A", date(2026, 1, 1), "QUERY_ERROR", None), ("A", date(2026, 1, 2), "IMPORT_SUCCESSFUL", 7.0)]
SHOWN = "select source_name, date_stamp, status, row_count from ingestion_status_messages order by date_stamp"


def test_a_replay_rebuilds_the_messages_of_the_ingestion_status(warehouse: Warehouse, settings: Settings) -> None:
    load(warehouse, payload())
    loader = Loader(dlt.destinations.duckdb(str(warehouse.database)), warehouse.schemas, warehouse.state)
    loader.load([read_message(json.dumps(each).encode(), fetched_at=NOW) for each in MESSAGES], Progress())
    before = content(warehouse)
    assert rows(warehouse, SHOWN) == LOADED
    with duckdb.connect(str(warehouse.database)) as connection:
        connection.execute("update statsig_raw.ingestion_status_messages set status = 'damaged', date_stamp = null")
        # as an older version stored what this one reads
        connection.execute(
            "insert into statsig_raw.rejected_status_messages "
            "(message_hash, fetched_at, reason, payload) "
            "select message_hash, first_fetched_at, 'x', payload "
            "from statsig_raw.ingestion_status_messages"
        )
    replay(warehouse, settings)
    assert content(warehouse) == before


@pytest.mark.parametrize(
    "archive",
    [
        b"\n".join(json.dumps(each).encode() for each in MESSAGES),
        json.dumps(MESSAGES, indent=1).encode(),
        json.dumps({"message": "ok", "data": MESSAGES, "pagination": {"nextPage": None}}).encode(),
        b"\n".join(
            json.dumps({"message_hash": "h", "payload": json.dumps(each), "first_fetched_at": NOW.isoformat()}).encode()
            for each in MESSAGES
        ),
    ],
    ids=["a message a line", "the bare array", "the envelope", "rows of the raw table"],
)
def test_an_archive_of_the_ingestion_status_is_replayed_in_every_form(
    warehouse: Warehouse, settings: Settings, tmp_path: Path, archive: bytes
) -> None:
    file = tmp_path / "status.json"
    file.write_bytes(archive)
    summary = replay(warehouse, settings, file, NOW)
    assert rows(warehouse, SHOWN) == LOADED
    assert rows(warehouse, "select distinct first_fetched_at from ingestion_status_messages") == [(NOW,)]
    assert rows(warehouse, "select count(*) from rejected_status_messages") == [(1,)]
    assert rows(warehouse, "select count(*) from rejected_runs") == [(0,)]
    assert (summary.messages, summary.rejected_messages, summary.exit_code) == (2, 1, 4)
    again = replay(warehouse, settings, file, NOW + timedelta(days=1))
    assert (again.messages, again.rejected_messages) == (0, 0)
    earlier = replay(warehouse, settings, file, NOW - timedelta(days=1))
    assert earlier.messages == (0 if b"first_fetched_at" in archive else 2)
    assert rows(warehouse, "select count(*) from ingestion_status_messages") == [(2,)]


def test_a_replay_rebuilds_tables_that_were_damaged(warehouse: Warehouse, settings: Settings) -> None:
    load(warehouse, payload())
    before = content(warehouse)
    with duckdb.connect(str(warehouse.database)) as connection:
        connection.execute("update statsig_raw.run_status_events set status = 'damaged', event_index = 9")
        connection.execute("delete from statsig_raw.ingestion_run_sources")
    replay(warehouse, settings)
    assert content(warehouse) == before


@pytest.mark.parametrize(
    "dropped",
    ["statsig_raw.run_status_events", "statsig_raw.rejected_runs", "statsig_raw_staging.ingestion_run_sources"],
)
def test_a_replay_makes_tables_that_were_dropped_which_a_load_does_not(
    warehouse: Warehouse, settings: Settings, dropped: str
) -> None:
    load(warehouse, payload())
    load(warehouse, payload(runID="r2"))
    before = content(warehouse)
    with duckdb.connect(str(warehouse.database)) as connection:
        connection.execute(f"drop table {dropped}")
    with pytest.raises(StorageError, match="`statsig-runs replay` makes tables that are missing anew"):
        load(warehouse, payload(runID="r2", latestStatus="other"))
    with warehouse.writing() as loader:
        rebuild(loader, settings, Summary(NOW), LogWatch())
    load(warehouse, payload(runID="r2"))
    assert content(warehouse) | {"run_payloads": []} == before | {"run_payloads": []}


def test_the_record_of_loads_is_made_anew_by_a_replay_too(warehouse: Warehouse, settings: Settings) -> None:
    record = Summary(NOW).to_load()
    loader = Loader(dlt.destinations.duckdb(str(warehouse.database)), warehouse.schemas, warehouse.state)
    load(warehouse, payload())
    loader.record(record)
    with duckdb.connect(str(warehouse.database)) as connection:
        connection.execute("drop table statsig_raw.sync_loads")
    rebuild(loader, settings, Summary(NOW), LogWatch())
    loader.record(record)
    assert rows(warehouse, "select count(*) from sync_loads") == [(1,)]


def test_a_run_that_was_missing_after_its_last_payload_stays_missing(warehouse: Warehouse, settings: Settings) -> None:
    load(warehouse, payload(), payload(runID="back"))
    gone = [MissingRun(run_id, NOW + timedelta(hours=1), "not found") for run_id in ("r1", "back", "never seen")]
    Loader(dlt.destinations.duckdb(str(warehouse.database)), warehouse.schemas, warehouse.state).load(gone, Progress())
    load(warehouse, payload(runID="back"), hours=2)
    before = content(warehouse)
    assert [run_id for run_id, _, _ in before["missing_runs"]] == ["never seen", "r1"]
    replay(warehouse, settings)
    assert content(warehouse) == before


def test_a_run_whose_newest_payload_was_refused_is_rebuilt_from_the_last_good_one(
    warehouse: Warehouse, settings: Settings
) -> None:
    load(warehouse, payload(latestStatus="good"))
    load(warehouse, payload(latestStatus=7), hours=1)
    with duckdb.connect(str(warehouse.database)) as connection:
        connection.execute("delete from statsig_raw.ingestion_runs")
    replay(warehouse, settings)
    assert rows(warehouse, "select latest_status, fetched_at from ingestion_runs") == [("good", NOW)]


def test_what_was_refused_and_is_accepted_now_leaves_rejected_runs(warehouse: Warehouse, settings: Settings) -> None:
    body = json.dumps(payload()).encode()
    accepted = read_run(body, fetched_at=NOW)
    refused = RejectedRun("r1", NOW, accepted.content_hash, "an older contract knew better", accepted.payload)
    loader = Loader(dlt.destinations.duckdb(str(warehouse.database)), warehouse.schemas, warehouse.state)
    loader.load([refused], Progress())
    replay(warehouse, settings)
    assert rows(warehouse, "select run_id from ingestion_runs") == [("r1",)]
    assert rows(warehouse, "select * from rejected_runs") == []


@pytest.mark.parametrize("compressed", [False, True])
def test_an_archive_may_hold_runs_answers_and_rows(
    warehouse: Warehouse, settings: Settings, tmp_path: Path, *, compressed: bool
) -> None:
    lines = [
        json.dumps(payload()),
        json.dumps({"message": "ok", "data": payload(runID="r2")}),
        json.dumps({"fetched_at": "2025-05-05 10:00:00+00", "payload": json.dumps(payload(runID="r3"))}),
        json.dumps({"fetched_at": "2025-05-05T10:00:00Z", "payload": payload(runID="r4")}),
        "",
        "no JSON at all",
    ]
    archive = tmp_path / ("old.ndjson.gz" if compressed else "old.ndjson")
    text = "\n".join(lines).encode()
    archive.write_bytes(gzip.compress(text) if compressed else text)
    summary = replay(warehouse, settings, archive, NOW)
    assert rows(warehouse, "select run_id, fetched_at from ingestion_runs order by all") == [
        ("r1", NOW),
        ("r2", NOW),
        ("r3", datetime(2025, 5, 5, 10, tzinfo=UTC)),
        ("r4", datetime(2025, 5, 5, 10, tzinfo=UTC)),
    ]
    assert (summary.new, summary.rejected) == (4, 1)


def test_an_older_payload_is_kept_but_does_not_replace_a_newer_state(
    warehouse: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    load(warehouse, payload(latestStatus="new"))
    archive = tmp_path / "old.ndjson"
    archive.write_text(json.dumps(payload(latestStatus="old")))
    replay(warehouse, settings, archive, NOW - timedelta(days=1))
    assert rows(warehouse, "select latest_status, fetched_at from ingestion_runs") == [("new", NOW)]
    assert rows(warehouse, "select count(*) from run_payloads") == [(2,)]


def test_an_older_sight_of_a_payload_does_not_replace_a_newer_one(
    warehouse: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    load(warehouse, payload(latestStatus="first"), hours=1)
    load(warehouse, payload(latestStatus="now"), hours=3)
    archive = tmp_path / "old.ndjson"
    lines = [(0, "now"), (2.5, "first"), (2, "first"), (0, "first")]
    archive.write_text(
        "\n".join(
            json.dumps({"fetched_at": str(NOW + timedelta(hours=hours)), "payload": payload(latestStatus=status)})
            for hours, status in lines
        )
    )
    replay(warehouse, settings, archive)
    assert rows(warehouse, "select payload ->> 'latestStatus', fetched_at from run_payloads order by 2") == [
        ("first", NOW + timedelta(hours=2.5)),
        ("now", NOW + timedelta(hours=3)),
    ]


def test_a_damaged_archive_says_what_was_kept(warehouse: Warehouse, settings: Settings, tmp_path: Path) -> None:
    archive = tmp_path / "cut.ndjson.gz"
    archive.write_bytes(gzip.compress(json.dumps(payload()).encode())[:-20])
    with pytest.raises(StorageError, match="is damaged"):
        replay(warehouse, settings, archive)


@pytest.mark.parametrize(
    ("pack", "harm"),
    [
        (gzip.compress, lambda whole: whole[:-3000]),
        (gzip.compress, lambda whole: whole[:-3000] + b"\xff" * 3000),
        (lambda content: pa.Codec("zstd").compress(content, asbytes=True), lambda whole: whole[:-3000]),
    ],
)
def test_what_comes_before_the_damage_of_an_archive_is_loaded(
    warehouse: Warehouse,
    settings: Settings,
    tmp_path: Path,
    pack: Callable[[bytes], bytes],
    harm: Callable[[bytes], bytes],
) -> None:
    lines = [
        json.dumps(payload(runID=f"r{number}", note=hashlib.sha256(bytes(number)).hexdigest()))
        for number in range(2000)
    ]
    archive = tmp_path / "cut.ndjson"
    archive.write_bytes(harm(pack("\n".join(lines).encode())))
    with pytest.raises(StorageError, match="is damaged"):
        replay(warehouse, settings, archive)
    [(found,)] = rows(warehouse, "select count(*) from ingestion_runs")
    assert 1000 < found < 2000


def test_an_archive_of_something_else_is_refused_in_one_line_and_leaves_nothing(
    warehouse: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    load(warehouse, payload())
    rows_of_pandas = "\n".join(json.dumps({"fetched_at": 1746439200000, "payload": payload()}) for _ in range(3))
    page = json.dumps({"status": 404, "message": "not found"}, indent=1)
    archive = tmp_path / "else"
    for content, told in (
        ("run_id,status\n" + "a,b\n" * 1000, "no JSON, neither by itself nor with the lines around it - in line 1"),
        (rows_of_pandas, "`fetched_at` must be a text such as 2025-05-05T10:00:00Z, or not be there - in line 1"),
        (
            page,
            "neither a run with its `runID`, nor a message, an answer of the API or a row of run_payloads - in line 1",
        ),
    ):
        archive.write_text(content)
        with pytest.raises(ConfigurationError) as refusal:
            replay(warehouse, settings, archive)
        assert str(refusal.value) == (
            f"The archive {archive} holds no runs: {told} of the archive. Wanted is JSON in UTF-8, plain, as .gz or as "
            ".zst: runs, messages of the ingestion status, answers of the API or rows of run_payloads, one a line, as "
            "an array, or one after the other."
        )
    assert rows(warehouse, "select count(*) from rejected_runs") == [(0,)]


@pytest.mark.parametrize("content", ["\n \n", "[]", '{"message": "Listed", "data": []}'])
def test_an_archive_without_a_run_is_said_to_be_empty(
    warehouse: Warehouse, settings: Settings, tmp_path: Path, content: str
) -> None:
    archive = tmp_path / "empty.ndjson"
    archive.write_text(content)
    with pytest.raises(ConfigurationError, match="is empty"):
        replay(warehouse, settings, archive)


def test_nothing_to_replay_is_said(warehouse: Warehouse, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing to replay"):
        replay(warehouse, settings)
    with pytest.raises(ConfigurationError, match="does not exist"):
        replay(warehouse, settings, tmp_path / "nowhere.ndjson")
