"""What the contract accepts, and the reasons it gives for what it refuses."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statsig_runs.contract import AcceptedRun, RejectedRun, hash_payload, read_run
from statsig_runs.flatten import build_tables
from tests.support.one_run import NOW, payload

OFF_THE_CALENDAR = "a time outside the years 1 to 9999 (UTC)"
NO_DATE = "no date: neither `2023-12-11`, nor `20231211`, nor a date-time"


def bucket_at(moment: str) -> dict[str, Any]:
    events = [{"statusTimestamp": moment, "status": "x"}]
    by_date = [{"dateStamp": "2023-12-11", "statuses": events}]
    return {"source": "s", "latestSourceStatus": "x", "statusByDate": by_date}


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
            f"{OFF_THE_CALENDAR} - at `$.createdAt`",
        ),
        (
            {"createdAt": "9999-12-31T23:59:59-14:00"},
            f"{OFF_THE_CALENDAR} - at `$.createdAt`",
        ),
        ({"lastUpdatedAt": "0001-01-01T00:00:00+00:01"}, f"{OFF_THE_CALENDAR} - at `$.lastUpdatedAt`"),
        (
            {"runHistory": [{"statusTimestamp": "9999-12-31T23:59:59-00:01", "status": "x"}]},
            f"{OFF_THE_CALENDAR} - at `$.runHistory[0].statusTimestamp`",
        ),
        (
            {"granularHistory": [bucket_at("2023-12-13T00:00:00Z"), bucket_at("0001-01-01T00:00:00+14:00")]},
            f"{OFF_THE_CALENDAR} - at `$.granularHistory[1].statusByDate[0].statuses[0].statusTimestamp`",
        ),
        ({"dateStamps": ["2023-12-11", "2023-02-30"]}, f"{NO_DATE} - at `$.dateStamps[1]`"),
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


@pytest.mark.parametrize("hidden", ["\\u0030001-01-01T00:00:00+14:00", "0001\\u002d01-01T00:00:00+14:00"])
def test_no_escape_hides_a_time_off_the_calendar(hidden: str) -> None:
    body = json.dumps(payload()).replace("2023-12-13T02:32:33.118Z", hidden)
    assert OFF_THE_CALENDAR in refusal(body.encode()).reason


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T14:00:00+14:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.9999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("9999-12-31t23:59:59.999999999+00:00", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("9999-12-31T10:00:00-13:59", datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
        ("2023-12-13T02:30:55.9999999Z", datetime(2023, 12, 13, 2, 30, 56, tzinfo=UTC)),
    ],
)
def test_a_time_at_the_edge_of_the_calendar_is_kept(text: str, moment: datetime) -> None:
    outcome = read(payload(createdAt=text, lastUpdatedAt=text, runHistory=[{"statusTimestamp": text, "status": "x"}]))
    assert isinstance(outcome, AcceptedRun)
    run = outcome.run
    assert run.createdAt == run.lastUpdatedAt == run.runHistory[0].statusTimestamp == moment
    assert text in outcome.payload


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    local=st.datetimes() | st.sampled_from([datetime.min, datetime.max, datetime.max.replace(microsecond=0)]),  # noqa: DTZ901
    minutes=st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_a_time_is_accepted_if_the_calendar_of_utc_has_it(local: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    text = local.replace(tzinfo=zone).isoformat()
    outcome = read(payload(createdAt=text, lastUpdatedAt=text, runHistory=[{"statusTimestamp": text, "status": "x"}]))
    try:
        moment = local - timedelta(minutes=minutes)
    except OverflowError:
        assert isinstance(outcome, RejectedRun)
        assert outcome.reason == f"{OFF_THE_CALENDAR} - at `$.createdAt`"
    else:
        table = build_tables([outcome])["run_status_events"] if isinstance(outcome, AcceptedRun) else None
        assert table is not None
        assert table.to_pylist()[0]["status_at"] == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2023-12-11",
        "20231211",
        "2023-12-11T00:00:00Z",
        "2023-12-11T23:59:59.999-08:00",
        "2023-12-11T24:00",
        "2023-12-11 05:00:00+0530",
        "2023-12-11t05:00:00.1234567z",
    ],
)
def test_a_date_stamp_is_the_date_that_is_written(text: str) -> None:
    by_date = [{"dateStamp": text, "statuses": []}]
    source = {"source": "s", "latestSourceStatus": "x", "statusByDate": by_date}
    outcome = read(payload(dateStamps=[text], granularHistory=[source]))
    assert isinstance(outcome, AcceptedRun)
    assert outcome.run.dateStamps == [date(2023, 12, 11)]
    assert outcome.run.granularHistory[0].statusByDate[0].dateStamp == date(2023, 12, 11)


@pytest.mark.parametrize(
    "text",
    ["", "today", "11/12/2023", "2023-12", "2023-12-11T", "2023-12-11T99:00", "2023-W50-1", "2023-345", " 2023-12-11",
     "2023-12-11\n", "0000-12-11", "20231311", "\u0662\u0660\u0662\u06631211", "2023-12-11T05:00:00 UTC", "1702252800"],
)  # fmt: skip
def test_a_date_stamp_in_another_form_is_refused(text: str) -> None:
    assert refusal(payload(dateStamps=[text])).reason == f"{NO_DATE} - at `$.dateStamps[0]`"


@pytest.mark.parametrize(
    ("stamp", "kind"),
    [(None, "null"), (20231211, "int"), (True, "bool"), (1.5, "float"), ([], "array"), ({}, "object")],
)
def test_a_date_stamp_that_is_no_text_is_refused_as_msgspec_refuses_a_text(stamp: Any, kind: str) -> None:
    assert refusal(payload(dateStamps=[stamp])).reason == f"Expected `str`, got `{kind}` - at `$.dateStamps[0]`"


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


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (b'"x\\ud800y"', "half of a surrogate pair, which is no character - at `$.trigger`"),
        (b'"\\uDFFF"', "half of a surrogate pair, which is no character - at `$.trigger`"),
        (b"NaN", "JSON is malformed: invalid character (byte 0) - at `$.trigger`"),
        (b"[" * 2_000 + b"]" * 2_000, "Expected `str`, got `array` - at `$.trigger`"),
        (b'"\xff"', "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte - at `$.trigger`"),
        (b'"a\0b"', "JSON is malformed: invalid character (byte 2) - at `$.trigger`"),
    ],
)
def test_a_run_that_cannot_be_decoded_is_kept_under_its_id_with_the_field_to_blame(found: bytes, reason: str) -> None:
    refused = refusal(json.dumps(payload(runID="mine")).encode().replace(b'"scheduled"', found))
    assert refused.run_id == "mine"
    assert refused.reason == reason
    assert len(refused.content_hash) == 64
    refused.payload.encode()  # half of a pair would fail, as it does in a database
    assert "\0" not in refused.payload


@pytest.mark.parametrize(
    "unknown", [b"[" * 100_000 + b"]" * 100_000, b"1e999", b"9" * 5_000, b'"\\ud800"', b"Infinity"]
)
def test_an_unknown_field_that_cannot_be_decoded_refuses_its_run_with_a_reason(unknown: bytes) -> None:
    refused = refusal(
        json.dumps(payload(runID="mine", extra=0)).encode().replace(b'"extra": 0', b'"extra": ' + unknown)
    )
    assert refused.run_id == "mine"
    assert refused.reason


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
