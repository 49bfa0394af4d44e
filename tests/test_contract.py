"""What the contract accepts, and the reasons it gives for what it refuses."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from statsig_runs.contract import AcceptedRun, RejectedRun, hash_payload, read_run
from tests.support.one_run import NOW, payload


def read(run: Any, run_id: str | None = None) -> AcceptedRun | RejectedRun:
    body = run if isinstance(run, bytes) else json.dumps(run).encode()
    return read_run(body, fetched_at=NOW, run_id=run_id)


def refusal(run: Any, run_id: str | None = None) -> RejectedRun:
    outcome = read(run, run_id)
    assert isinstance(outcome, RejectedRun)
    return outcome


def test_a_run_keeps_its_milliseconds_and_its_dates() -> None:
    outcome = read(payload())
    assert isinstance(outcome, AcceptedRun)
    assert outcome.run.createdAt == datetime(2023, 12, 13, 2, 30, 55, 992000, tzinfo=UTC)
    assert outcome.run.dateStamps == [date(2023, 12, 11)]
    assert outcome.fetched_at == NOW


def test_an_offset_is_the_same_moment_in_utc() -> None:
    outcome = read(payload(createdAt="2023-12-13T04:30:55.992+02:00"))
    assert isinstance(outcome, AcceptedRun)
    assert outcome.run.createdAt == datetime(2023, 12, 13, 2, 30, 55, 992000, tzinfo=UTC)


@pytest.mark.parametrize("name", list(payload()))
def test_a_missing_field_is_named(name: str) -> None:
    run = payload()
    del run[name]
    assert refusal(run).reason == f"Object missing required field `{name}`"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"runID": 7}, "Expected `str`, got `int` - at `$.runID`"),
        ({"runID": ""}, "Expected `str` of length >= 1 - at `$.runID`"),
        ({"createdAt": None}, "Expected `datetime`, got `null` - at `$.createdAt`"),
        ({"createdAt": "yesterday"}, "Invalid RFC3339 encoded datetime - at `$.createdAt`"),
        (
            {"createdAt": "2023-12-13T02:30:55.992"},
            "Expected `datetime` with a timezone component - at `$.createdAt`",
        ),
        (
            {"createdAt": "0001-01-01T00:00:00+14:00"},
            "a time outside the years 1 to 9999 (UTC) - at `$.createdAt`",
        ),
        (
            {"createdAt": "9999-12-31T23:59:59-14:00"},
            "a time outside the years 1 to 9999 (UTC) - at `$.createdAt`",
        ),
        ({"dateStamps": ["2023-02-30"]}, "Invalid RFC3339 encoded date - at `$.dateStamps[0]`"),
        ({"sources": None}, "Expected `array`, got `null` - at `$.sources`"),
        (
            {"runHistory": [{"statusTimestamp": None, "status": "x"}]},
            "Expected `datetime`, got `null` - at `$.runHistory[0].statusTimestamp`",
        ),
        (
            {"granularHistory": [{"source": "s", "latestSourceStatus": "x", "statusByDate": [{"statuses": []}]}]},
            "Object missing required field `dateStamp` - at `$.granularHistory[0].statusByDate[0]`",
        ),
    ],
)
def test_a_refusal_names_the_path(changes: dict[str, Any], reason: str) -> None:
    assert refusal(payload(**changes)).reason == reason


def test_unknown_fields_are_accepted_and_kept_in_the_payload() -> None:
    outcome = read(payload(costInCredits=12))
    assert isinstance(outcome, AcceptedRun)
    assert json.loads(outcome.payload)["costInCredits"] == 12


def test_the_answer_to_another_id_is_refused_under_the_id_asked_for() -> None:
    outcome = refusal(payload(runID="other"), run_id="mine")
    assert outcome.run_id == "mine"
    assert outcome.reason == "asked for another run, got 'other' - at `$.runID`"


def test_a_refused_element_of_a_page_goes_by_the_id_it_claims() -> None:
    assert refusal({"runID": "r9"}).run_id == "r9"
    assert refusal({"runID": 9}).run_id == ""


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"[" * 100_000, b'{"runID":"\\ud800"}'])
def test_no_text_whatever_raises(body: bytes) -> None:
    assert refusal(body).reason


def test_a_nul_character_is_refused_since_no_database_stores_it() -> None:
    assert "U+0000" in refusal(payload(sources=["a\0b"])).reason


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert isinstance(read(payload(sources=["\\u0000"])), AcceptedRun)


def test_two_texts_of_the_same_meaning_have_the_same_hash() -> None:
    run = payload(extra=1)
    reordered = dict(reversed(run.items()))
    assert hash_payload(json.dumps(run).encode()) == hash_payload(json.dumps(reordered, indent=2).encode())


def test_another_order_of_a_list_is_another_payload() -> None:
    assert hash_payload(b'{"sources":["a","b"]}') != hash_payload(b'{"sources":["b","a"]}')
