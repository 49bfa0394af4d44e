"""The generated runs against the contract and against what Statsig's published examples show."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from statsig_runs.contract import AcceptedRun, RejectedRun, read_run
from statsig_runs.simulator.sample_runs import HOSTILE_SOURCES, generate_runs, runs_as_of
from tests.support.run_parts import buckets, moment, statuses

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
OPENAPI = Path(__file__).parent / "data" / "read-ingestion-run.openapi.yaml"


@pytest.fixture(scope="module")
def runs() -> list[dict[str, Any]]:
    return generate_runs(4000, until=NOON)


def read(run: dict[str, Any]) -> AcceptedRun | RejectedRun:
    return read_run(json.dumps(run).encode(), fetched_at=NOON)


def find(runs: list[dict[str, Any]], *history: str) -> list[dict[str, Any]]:
    return [run for run in runs if statuses(run["runHistory"]) == list(history)]


DOWNLOAD_FAILED = (
    "enqueued",
    "started",
    "download_started",
    "download_error",
    "download_started",
    "download_error",
)


def test_the_same_arguments_give_the_same_runs() -> None:
    once, again = (generate_runs(300, seed=7, until=NOON, malformed=3, hostile=True) for _ in range(2))
    assert once == again


def test_another_seed_gives_other_runs() -> None:
    ids, others = ({run["runID"] for run in generate_runs(300, seed=seed, until=NOON)} for seed in (1, 2))
    assert len(ids) == len(others) == 300
    assert ids.isdisjoint(others)


def test_every_run_keeps_the_schema_of_the_openapi_document(runs: list[dict[str, Any]]) -> None:
    document = yaml.safe_load(OPENAPI.read_text())
    schema = document["components"]["schemas"]["IngestionRunDataContractDto"]
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for run in runs[::8] for error in validator.iter_errors(run)] == []
    assert {frozenset(run) for run in runs} == {frozenset(schema["required"])}


def test_every_run_keeps_the_contract(runs: list[dict[str, Any]]) -> None:
    assert [run for run in map(read, runs) if isinstance(run, RejectedRun)] == []


def test_a_run_has_fifty_to_sixty_six_events_on_average(runs: list[dict[str, Any]]) -> None:
    events = sum(len(run["runHistory"]) + sum(map(len, buckets(run).values())) for run in runs)
    assert 50 <= events / len(runs) <= 66


def test_runs_are_listed_newest_first_and_none_is_later_than_the_moment(runs: list[dict[str, Any]]) -> None:
    created = [run["createdAt"] for run in runs]
    assert created == sorted(created, reverse=True)
    latest = max(event["statusTimestamp"] for run in runs for event in run["runHistory"])
    assert "2026-07-01T11:00" < latest <= "2026-07-01T12:00:00.000Z"


def test_histories_are_newest_first_and_begin_when_the_run_was_created(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        for history in (run["runHistory"], *buckets(run).values()):
            times = [event["statusTimestamp"] for event in history]
            assert times == sorted(times, reverse=True)
            assert history[-1]["status"] != "enqueued" or times[-1] == run["createdAt"]
        assert run["runHistory"][-1]["status"] == "enqueued"


def test_the_latest_status_is_the_newest_and_the_update_one_to_two_seconds_earlier(
    runs: list[dict[str, Any]],
) -> None:
    for run in runs:
        newest = run["runHistory"][0]
        assert run["latestStatus"] == newest["status"]
        early = moment(newest) - datetime.fromisoformat(run["lastUpdatedAt"])
        assert run["lastUpdatedAt"] == run["createdAt"] or timedelta(seconds=1) <= early < timedelta(seconds=2)


def test_a_healthy_run_takes_one_to_two_hours_and_fans_out_without_an_error(
    runs: list[dict[str, Any]],
) -> None:
    healthy = find(
        runs,
        *("enqueued", "started", "download_started", "download_complete"),
        *("metrics_started",) * 4,
        "metrics_complete",
        *("pulse_started",) * 2,
        "pulse_complete",
    )
    assert len(healthy) > 2000
    for run in healthy:
        oldest_first = run["runHistory"][::-1]
        took = moment(oldest_first[-1]) - moment(oldest_first[0])
        assert timedelta(hours=1) <= took <= timedelta(hours=2)
        assert moment(oldest_first[7]) - moment(oldest_first[4]) <= timedelta(seconds=30)


def test_both_levels_time_the_same_status_at_most_fifteen_seconds_apart(runs: list[dict[str, Any]]) -> None:
    apart = set()
    for run in runs:
        started = {event["status"]: moment(event) for event in run["runHistory"]}.get("download_complete")
        for history in buckets(run).values():
            seen = {event["status"]: moment(event) for event in history}.get("download_complete")
            if started and seen:
                apart.add(started - seen)
    assert timedelta(0) <= min(apart) < timedelta(seconds=1)
    assert timedelta(seconds=14) < max(apart) <= timedelta(seconds=15)


def test_a_failed_download_is_retried_at_run_level_only(runs: list[dict[str, Any]]) -> None:
    failed = find(runs, *DOWNLOAD_FAILED)
    assert len(failed) > 50
    for run in failed:
        for history in buckets(run).values():
            assert Counter(statuses(history))["download_started"] <= 1
            assert Counter(statuses(history))["download_error"] <= 1


def test_some_failed_downloads_recover_a_day_later_at_source_level_only(runs: list[dict[str, Any]]) -> None:
    recovered = [
        run
        for run in find(runs, *DOWNLOAD_FAILED)
        if {"pulse_complete"} == {source["latestSourceStatus"] for source in run["granularHistory"]}
    ]
    assert len(recovered) > 20
    assert {run["latestStatus"] for run in recovered} == {"download_error"}
    run = recovered[0]
    history = buckets(run)[run["sources"][0], run["dateStamps"][0]]
    assert statuses(history)[:5] == [
        *("enqueued", "started", "download_started", "download_error", "download_complete")
    ]
    waited = moment(history[-5]) - moment(run["runHistory"][0])
    assert timedelta(hours=26, minutes=59) < waited <= timedelta(hours=27)


def test_recomputed_dates_begin_with_their_metrics(runs: list[dict[str, Any]]) -> None:
    recomputed = [history for run in runs for (_, day), history in buckets(run).items() if day not in run["dateStamps"]]
    assert len(recomputed) > 500
    assert {statuses(history)[0] for history in recomputed} == {"metrics_started"}


def test_a_run_that_recomputes_does_so_for_exactly_the_three_days_before(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        extra = {day for _, day in buckets(run)} - set(run["dateStamps"])
        oldest = date.fromisoformat(min(run["dateStamps"]))
        assert extra <= {(oldest - timedelta(days=back)).isoformat() for back in (1, 2, 3)}
        if run["latestStatus"] == "pulse_complete":
            assert len(extra) in {0, 3}


def test_a_status_can_be_missing_at_run_level(runs: list[dict[str, Any]]) -> None:
    unseen = [
        run
        for run in runs
        if run["latestStatus"] == "pulse_complete" and "pulse_started" not in statuses(run["runHistory"])
    ]
    assert len(unseen) > 50
    assert all("pulse_started" in statuses(history) for run in unseen for history in buckets(run).values())


def test_every_status_trigger_and_state_comes_up(runs: list[dict[str, Any]]) -> None:
    assert {run["trigger"] for run in runs} == {"scheduled", "api", "backfill"}
    assert {event["status"] for run in runs for event in run["runHistory"]} == {
        *("enqueued", "started", "download_started", "download_error", "download_complete"),
        *("metrics_started", "metrics_error", "metrics_complete", "pulse_started", "pulse_complete"),
        *("no_data", "cancelled"),
    }
    assert {run["latestStatus"] for run in runs} >= {
        *("metrics_started", "pulse_complete", "download_error", "metrics_error", "no_data", "cancelled"),
    }


def test_malformed_runs_break_the_contract_each_in_another_way() -> None:
    rejected = [run for run in map(read, generate_runs(100, until=NOON, malformed=7)) if isinstance(run, RejectedRun)]
    assert [run.reason.partition(" - at ")[2] or run.reason for run in rejected] == [
        "`$.runHistory[0].statusTimestamp`",
        "Object missing required field `trigger`",
        "`$.sources`",
        "`$.dateStamps[0]`",
        "`$.runHistory[0].statusTimestamp`",
        "`$.latestStatus`",
        "`$.granularHistory[0].statusByDate[0].statuses`",
    ]
    assert len({run.run_id for run in rejected}) == 7


def test_there_are_as_many_malformed_runs_as_asked_for() -> None:
    assert Counter(type(read(run)) for run in generate_runs(50, until=NOON, malformed=11)) == {
        AcceptedRun: 39,
        RejectedRun: 11,
    }
    assert all(isinstance(read(run), RejectedRun) for run in generate_runs(5, until=NOON, malformed=5))


def test_hostile_sources_come_on_request_only(runs: list[dict[str, Any]]) -> None:
    hostile = {source for run in generate_runs(40, until=NOON, hostile=True) for source in run["sources"]}
    assert hostile >= set(HOSTILE_SOURCES)
    assert {source for run in runs for source in run["sources"]}.isdisjoint(HOSTILE_SOURCES)


def test_teams_have_sources_of_their_own_and_more_runs_a_day() -> None:
    two = generate_runs(200, until=NOON, teams=2)
    assert {"Web events", "Web events (team 2)"} <= {source for run in two for source in run["sources"]}
    assert two[-1]["createdAt"] > generate_runs(200, until=NOON)[-1]["createdAt"]


@pytest.mark.parametrize("hours", [0, 1, 5, 30, 80])
def test_the_past_of_todays_runs_is_what_was_seen_in_the_past(hours: int) -> None:
    earlier = NOON - timedelta(hours=hours)
    today = generate_runs(300, until=NOON)
    past = runs_as_of(today, earlier)
    assert past == generate_runs(len(past), until=earlier)
    assert len(past) == 300 - len([run for run in today if run["createdAt"] > earlier.isoformat()])


def test_the_past_keeps_malformed_runs_as_they_are_and_leaves_later_ones_out() -> None:
    runs = generate_runs(100, until=NOON, malformed=10)
    broken = [run for run in runs if isinstance(read(run), RejectedRun)]
    assert [run for run in runs_as_of(runs, NOON) if isinstance(read(run), RejectedRun)] == broken
    assert runs_as_of(runs, NOON - timedelta(days=100)) == []
