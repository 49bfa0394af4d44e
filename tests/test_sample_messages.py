"""The made-up ingestion status: it follows from the runs that are shown, and says no more than they do."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest

from statsig_runs.simulator import STATUS_PATH, Simulator
from statsig_runs.simulator.sample_messages import tell_messages
from statsig_runs.simulator.sample_runs import generate_runs
from tests.support.one_run import bucket, payload

RUNS = generate_runs(300, until=datetime(2026, 7, 1, 12, tzinfo=UTC), malformed=3)


def test_each_event_of_a_source_and_date_is_told_in_the_words_of_the_api() -> None:
    events = [("4", "download_complete"), ("3", "download_started"), ("2", "download_error"), ("1", "enqueued")]
    told = tell_messages(payload(granularHistory=[bucket("A", "2023-12-11", *events)]))
    assert [(each["timestamp"][-2:-1], each["status"]) for each in told] == [
        ("1", "IMPORT_SCHEDULED"),
        ("2", "QUERY_ERROR"),
        ("3", "IMPORT_STARTED"),
        ("4", "IMPORT_SUCCESSFUL"),
    ]
    assert {(each["ds"], each["source_name"]) for each in told} == {("2023-12-11T00:00:00.000Z", "A")}
    assert [each.get("error_message", "")[:3] for each in told] == ["", "SQL", "", ""]
    assert told[3]["rowCount"] > 0


def test_there_are_failed_days_empty_days_and_days_of_few_rows() -> None:
    told = [message for run in RUNS for message in tell_messages(run)]
    assert {"IMPORT_SUCCESSFUL", "LOADED_EMPTY_DATA", "QUERY_ERROR"} <= {each["status"] for each in told}
    assert {each["rowCount"] for each in told if each["status"] == "LOADED_EMPTY_DATA"} == {0}
    assert all(each["status"].endswith("ERROR") for each in told if "error_message" in each)


def get(url: str) -> list[dict[str, str]]:
    request = urllib.request.Request(url, headers={"STATSIG-API-KEY": "console-abc"})
    with urllib.request.urlopen(request) as answer:
        found: list[dict[str, str]] = json.load(answer)
        return found


def test_days_and_filters_choose_what_is_answered_newest_first() -> None:
    with Simulator(RUNS) as simulator:
        address = f"{simulator.url}{STATUS_PATH}?startDate=2026-06-28&endDate=2026-06-29"
        found = get(address)
        assert {each["ds"][:10] for each in found} == {"2026-06-28", "2026-06-29"}
        times = [each["timestamp"] for each in found]
        assert times == sorted(times, reverse=True)
        metrics = get(f"{address}&dataset=metrics&status=IMPORT_STARTED")
        assert {(each["ingestion_dataset"], each["status"]) for each in metrics} == {("Metrics", "IMPORT_STARTED")}
        with pytest.raises(urllib.error.HTTPError, match="400"):
            get(f"{simulator.url}{STATUS_PATH}?startDate=2026-06-28")
        simulator.status_shape = "off"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(address)
