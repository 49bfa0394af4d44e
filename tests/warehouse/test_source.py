"""The dlt source in a pipeline of one's own, on a real DuckDB file, against a real server."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from statsig_runs.contract import MissingRun, Outcome, read_run
from statsig_runs.errors import ConfigurationError, NotAuthorisedError
from statsig_runs.simulator import Simulator
from statsig_runs.source import PagedSource, loaded_batch, statsig_ingestion
from statsig_runs.tables import BATCH_TABLES, TOMBSTONE
from tests.support.one_run import NOW, bucket, history, payload

KEY = "console-for-the-tests"


class Warehouse:
    """A pipeline and its DuckDB file."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "statsig_runs.duckdb"
        self.pipeline = dlt.pipeline(
            "test_source",
            destination=dlt.destinations.duckdb(str(self.database)),
            dataset_name="statsig_raw",
            pipelines_dir=str(folder / "pipelines"),
        )

    def load(self, *outcomes: Outcome) -> None:
        self.pipeline.run(loaded_batch(outcomes))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'; set search_path = 'statsig_raw'")
            return connection.execute(sql).fetchall()


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(api_key=KEY) as server:
        yield server


def accept(minutes: int = 0, **changes: Any) -> Outcome:
    return read_run(json.dumps(payload(**changes)).encode(), fetched_at=NOW + timedelta(minutes=minutes))


def count_rows(warehouse: Warehouse) -> dict[str, int]:
    return {table: warehouse.rows(f"select count(*) from {table}")[0][0] for table in BATCH_TABLES}


def ingestion(simulator: Simulator, run_ids: Iterable[str] = (), **options: Any) -> PagedSource:
    return statsig_ingestion(run_ids, base_url=simulator.url, rate_limits="1000/1", **({"api_key": KEY} | options))


def test_all_tables_exist_with_exactly_their_columns_after_a_load_of_nothing(warehouse: Warehouse) -> None:
    warehouse.load()
    columns = warehouse.rows(
        "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'statsig_raw' "
        f"and not starts_with(table_name, '_dlt') and column_name != '{TOMBSTONE}' order by all"
    )
    moment, text = "TIMESTAMP WITH TIME ZONE", "VARCHAR"
    expected = {
        "ingestion_runs": {
            "run_id": text, "latest_status": text, "trigger": text,
            "created_at": moment, "last_updated_at": moment, "fetched_at": moment,
        },
        "ingestion_run_sources": {"run_id": text, "source": text},
        "ingestion_run_date_stamps": {"run_id": text, "date_stamp": "DATE"},
        "run_status_events": {"run_id": text, "event_index": "BIGINT", "status_at": moment, "status": text},
        "source_latest_statuses": {"run_id": text, "source": text, "latest_source_status": text},
        "source_date_status_events": {
            "run_id": text, "source": text, "date_stamp": "DATE",
            "event_index": "BIGINT", "status_at": moment, "status": text,
        },
        "run_payloads": {"run_id": text, "content_hash": text, "fetched_at": moment, "payload": text},
        "rejected_runs": {
            "run_id": text, "content_hash": text, "fetched_at": moment, "reason": text, "payload": text,
        },
        "missing_runs": {"run_id": text, "fetched_at": moment, "message": text},
        "ingestion_status_messages": {
            "message_hash": text, "source_name": text, "ingestion_dataset": text, "ingestion_source": text,
            "date_stamp": "DATE", "status": text, "message": text, "error_message": text, "row_count": "DOUBLE",
            "metric_count": "DOUBLE", "status_at": moment, "first_fetched_at": moment, "payload": text,
        },
        "rejected_status_messages": {
            "message_hash": text, "fetched_at": moment, "reason": text, "payload": text,
        },
    }  # fmt: skip
    assert columns == sorted((t, c, kind) for t, named in expected.items() for c, kind in named.items())


def test_a_run_loaded_again_is_its_latest_state_longer_shorter_or_emptied(warehouse: Warehouse) -> None:
    three = history(("3", "c"), ("2", "b"), ("1", "a"))
    warehouse.load(accept(runHistory=three[1:], sources=["A"]))
    warehouse.load(accept(1, runHistory=three, sources=["A", "B"]))
    assert warehouse.rows("select event_index, status from run_status_events order by all") == [
        (1, "a"), (2, "b"), (3, "c"),
    ]  # fmt: skip
    warehouse.load(accept(2, runHistory=three[2:], sources=["B"], granularHistory=[bucket("B", "2023-12-11")]))
    assert warehouse.rows("select event_index, status from run_status_events") == [(1, "a")]
    assert warehouse.rows("select source from ingestion_run_sources") == [("B",)]
    assert warehouse.rows("select * exclude _dlt_tombstone from source_latest_statuses") == [("r1", "B", "x")]
    warehouse.load(accept(3, runHistory=[], sources=[], dateStamps=[], granularHistory=[]))
    assert count_rows(warehouse) == {
        "ingestion_runs": 1,
        "ingestion_run_sources": 0,
        "ingestion_run_date_stamps": 0,
        "run_status_events": 0,
        "source_latest_statuses": 0,
        "source_date_status_events": 0,
        "run_payloads": 4,
        "rejected_runs": 0,
        "missing_runs": 0,
        "ingestion_status_messages": 0,
        "rejected_status_messages": 0,
    }


def test_the_same_payload_again_adds_no_row_and_moves_the_fetch_time(warehouse: Warehouse) -> None:
    warehouse.load(accept())
    before = count_rows(warehouse)
    warehouse.load(accept(5))
    assert count_rows(warehouse) == before
    later = NOW + timedelta(minutes=5)
    assert warehouse.rows("select fetched_at from ingestion_runs") == [(later,)]
    assert warehouse.rows("select fetched_at from run_payloads") == [(later,)]


def test_other_runs_are_left_alone(warehouse: Warehouse) -> None:
    warehouse.load(accept(), accept(runID="r2"))
    warehouse.load(accept(1, sources=[]))
    assert warehouse.rows("select run_id, source from ingestion_run_sources") == [("r2", "Events 1")]


def test_a_run_that_turns_up_is_missing_no_longer_and_one_that_goes_missing_is_kept(warehouse: Warehouse) -> None:
    warehouse.load(MissingRun("r1", NOW, "runID r1 not found"))
    warehouse.load(accept(1))
    assert warehouse.rows("select run_id from missing_runs") == []
    warehouse.load(MissingRun("r1", NOW + timedelta(hours=1), "runID r1 not found"))
    assert warehouse.rows("select run_id from missing_runs") == [("r1",)]
    assert warehouse.rows("select run_id from ingestion_runs") == [("r1",)]


def test_the_documents_example_arrives_by_id(warehouse: Warehouse, simulator: Simulator) -> None:
    example = openapi_example()
    simulator.runs.add(example)
    warehouse.pipeline.run(ingestion(simulator, [example["runID"]], discover=False))
    assert count_rows(warehouse) == {
        "ingestion_runs": 1,
        "ingestion_run_sources": 2,
        "ingestion_run_date_stamps": 1,
        "run_status_events": 6,
        "source_latest_statuses": 2,
        "source_date_status_events": 8,
        "run_payloads": 1,
        "rejected_runs": 0,
        "missing_runs": 0,
        "ingestion_status_messages": 0,
        "rejected_status_messages": 0,
    }
    assert warehouse.rows("select status_at from run_status_events where event_index = 6") == [
        (datetime(2023, 12, 13, 2, 44, 24, 865000, tzinfo=UTC),)
    ]


def test_the_whole_list_is_read_and_a_malformed_run_stops_no_other(warehouse: Warehouse, simulator: Simulator) -> None:
    for number in range(25):
        simulator.runs.add(payload(runID=f"r{number}", createdAt=f"2023-12-13T02:30:{number:02}.000Z"))
    simulator.runs.add(payload(runID="bad", trigger=None))
    warehouse.pipeline.run(ingestion(simulator, ["nowhere"]))
    counts = count_rows(warehouse)
    assert (counts["ingestion_runs"], counts["rejected_runs"], counts["missing_runs"]) == (25, 1, 1)


def test_messages_of_the_ingestion_status_come_with_the_list_and_stay_as_they_were_loaded_first(
    warehouse: Warehouse, simulator: Simulator
) -> None:
    simulator.runs.add(payload(granularHistory=[bucket("A", "2023-12-11", ("2", "download_error"), ("1", "enqueued"))]))
    columns = "source_name, date_stamp, status, error_message is not null"
    for _ in range(2):
        warehouse.pipeline.run(ingestion(simulator))
        loaded = warehouse.rows(f"select {columns} from ingestion_status_messages order by status_at")
        assert loaded == [
            ("A", date(2023, 12, 11), "IMPORT_SCHEDULED", False),
            ("A", date(2023, 12, 11), "QUERY_ERROR", True),
        ]
        first = warehouse.rows("select distinct first_fetched_at from ingestion_status_messages")
        assert len(first) == 1
    asked = [entry for entry in simulator.log if "/status?" in entry.path]
    before = warehouse.rows("select fetched_at > first_fetched_at from ingestion_runs, ingestion_status_messages")
    assert set(before) == {(True,)}  # the runs were fetched again, the messages are those of the first time
    warehouse.pipeline.run(ingestion(simulator, status=False))
    warehouse.pipeline.run(ingestion(simulator, ["r1"], discover=False))
    assert asked == [entry for entry in simulator.log if "/status?" in entry.path]


def test_a_wrong_key_is_said_at_once_and_shown_nowhere(
    warehouse: Warehouse, simulator: Simulator, tmp_path: Path
) -> None:
    wrong = "console-wrong-and-secret"
    with pytest.raises(Exception) as raised:  # noqa: PT011  dlt wraps it
        warehouse.pipeline.run(ingestion(simulator, ["r1"], api_key=wrong))
    causes = []
    error: BaseException | None = raised.value
    while error:
        causes.append(error)
        error = error.__cause__ or error.__context__
    assert any(isinstance(cause, NotAuthorisedError) for cause in causes)
    assert not any(wrong in f"{cause!r} {cause}" for cause in causes)
    assert not any(wrong.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_without_a_key_the_error_says_where_to_put_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATSIG_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as raised:
        statsig_ingestion(["r1"])
    for place in ("STATSIG_API_KEY", "SOURCES__STATSIG_RUNS__API_KEY", str(tmp_path / ".dlt" / "secrets.toml")):
        assert place in str(raised.value)


def openapi_example() -> dict[str, Any]:
    import yaml

    document = yaml.safe_load((Path(__file__).parents[1] / "data" / "read-ingestion-run.openapi.yaml").read_text())
    answer = document["paths"]["/console/v1/ingestion/runs/{id}"]["get"]["responses"]["200"]
    return answer["content"]["application/json"]["example"]["data"]


def requests(simulator: Simulator) -> list[str]:
    """What was asked for since the last look: page numbers, ids, and `status`."""
    parts = [entry.path.removeprefix("/console/v1/ingestion/") for entry in simulator.log]
    simulator.log.clear()
    return ["status" if part.startswith("status") else re.split("page=|/", part)[1] for part in parts]


def add_forty_runs(simulator: Simulator) -> None:
    """One a day, r31 on the last day of December and r40 to r32 in January."""
    for number in range(40):
        created = datetime(2023, 12, 1, 9, tzinfo=UTC) + timedelta(days=number)
        simulator.runs.add(payload(runID=f"r{number + 1}", createdAt=created.isoformat(timespec="milliseconds")))


@pytest.mark.parametrize("chosen", [(), ("ingestion_runs", "run_payloads")])
def test_a_limit_counts_pages_and_what_lies_beyond_is_not_asked_for(
    warehouse: Warehouse, simulator: Simulator, chosen: tuple[str, ...]
) -> None:
    add_forty_runs(simulator)
    everything = ingestion(simulator)
    source = everything.with_resources(*chosen) if chosen else everything
    warehouse.pipeline.run(source.add_limit(2))
    assert requests(simulator) == ["1", "2"]
    assert warehouse.rows("select count(*), min(created_at)::date from ingestion_runs") == [(20, date(2023, 12, 21))]


def test_a_limit_on_ids_leaves_out_those_that_nobody_was_about_to_ask_for(
    warehouse: Warehouse, simulator: Simulator
) -> None:
    add_forty_runs(simulator)
    ids = [f"r{number}" for number in range(1, 301)]  # most of them unknown
    warehouse.pipeline.run(ingestion(simulator, ids, discover=False).add_limit(1))
    assert 10 <= len(requests(simulator)) < 150
    runs, missing = warehouse.rows("select count(*) from ingestion_runs union all select count(*) from missing_runs")
    assert runs[0] + missing[0] == 10


@pytest.mark.parametrize(
    "since",
    [
        date(2024, 1, 1),
        datetime(2024, 1, 1),  # noqa: DTZ001  what is given without a zone is in UTC
        datetime(2024, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_paging_stops_at_a_page_of_runs_that_were_all_created_before_since(
    warehouse: Warehouse, simulator: Simulator, since: date
) -> None:
    add_forty_runs(simulator)
    warehouse.pipeline.run(ingestion(simulator, since=since, status=False))
    assert requests(simulator) == ["1", "2"]
    assert warehouse.rows("select count(*) from ingestion_runs where created_at >= '2024-01-01'") == [(9,)]


def test_requests_end_at_their_limit_and_one_of_them_is_for_the_ingestion_status(
    warehouse: Warehouse, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    add_forty_runs(simulator)
    warehouse.pipeline.run(ingestion(simulator, max_requests=3))
    assert requests(simulator) == ["1", "2", "3"]
    assert "stopped at the limit of 3 requests; the rest was not read" in caplog.messages
    warehouse.pipeline.run(ingestion(simulator, max_requests=4))
    assert requests(simulator) == ["1", "2", "3", "status"]
    warehouse.pipeline.run(ingestion(simulator, ["r1", "r2"], max_requests=2, discover=False))
    assert sorted(requests(simulator)) == ["r1", "r2"]


def test_no_request_at_all_is_no_limit_to_ask_for(simulator: Simulator) -> None:
    with pytest.raises(ConfigurationError, match="max_requests is 0"):
        ingestion(simulator, max_requests=0)


def test_a_source_run_again_asks_again(warehouse: Warehouse, simulator: Simulator) -> None:
    simulator.runs.add(payload(runID="a"))
    source = ingestion(simulator, iter(["a"]), discover=False)
    warehouse.pipeline.run(source)
    simulator.runs.add(payload(runID="a", latestStatus="news"))
    warehouse.pipeline.run(source)
    assert warehouse.rows("select run_id, latest_status from ingestion_runs") == [("a", "news")]


def test_one_id_given_as_a_text_is_one_id(warehouse: Warehouse, simulator: Simulator) -> None:
    simulator.runs.add(payload(runID="abc"))
    warehouse.pipeline.run(ingestion(simulator, "abc", discover=False))
    assert warehouse.rows("select run_id from ingestion_runs") == [("abc",)]
    assert len(simulator.log) == 1
