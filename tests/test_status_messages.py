"""The ingestion status: what its messages are, which days are asked for, and that nothing of it hampers anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from statsig_runs.api import ConsoleApi, transport
from statsig_runs.contract import read_run
from statsig_runs.fetch import Unread
from statsig_runs.simulator import STATUS_PATH, Reply, Simulator
from statsig_runs.simulator.faults import reply_error, reply_json
from statsig_runs.status_messages import (
    Message,
    RejectedMessage,
    StatusFetch,
    StatusMessage,
    StatusProgress,
    read_message,
)
from statsig_runs.status_messages.plan import Window, cut, ranges
from tests.support.fetches import KEY, QUICK
from tests.support.one_run import payload

NOW = datetime(2026, 1, 20, 3, tzinfo=UTC)
PUBLISHED = {  # Statsig's own example
    "message": "Your job for events ingestion completed successfully",
    "timestamp": "2023-09-07T00:50:07.941Z",
    "ingestion_dataset": "events",
    "ingestion_source": None,
    "status": "BACKFILL_STARTED",
}


def read(message: Any) -> Message:
    return read_message(json.dumps(message).encode(), fetched_at=NOW)


def test_the_published_example_is_read_though_it_has_no_source_name() -> None:
    message = read(PUBLISHED)
    assert isinstance(message, StatusMessage)
    assert (message.ingestion_dataset, message.status) == ("events", "BACKFILL_STARTED")
    assert message.message == "Your job for events ingestion completed successfully"
    assert message.status_at == datetime(2023, 9, 7, 0, 50, 7, 941000, tzinfo=UTC)
    assert (message.source_name, message.ingestion_source, message.date_stamp, message.row_count) == (None,) * 4
    assert (message.first_fetched_at, json.loads(message.payload)) == (NOW, PUBLISHED)


def test_the_hash_is_of_the_canonical_json_whatever_its_order_and_white_space() -> None:
    turned = dict(reversed(PUBLISHED.items()))
    assert read(turned) != read(PUBLISHED)
    assert read(turned).message_hash == read(PUBLISHED).message_hash
    # printf '{"status":"A"}' | sha256sum
    assert read({"status": "A"}).message_hash == "3d6bdaad6471e00c60afede4b7a95afe69a55ea41189cb2a36962498ae05bdc5"


@pytest.mark.parametrize(
    "ds",
    [
        "2026-01-05",
        "2026-01-05T00:00:00.000Z",
        "2026-01-05T23:59:59-11:00",
        "2026-01-05T00:00:00+14:00",
        "2026-01-05 08:00:00",
        "2026-01-05T25:61:00Z",
        "20260105",
    ],
)
def test_ds_is_the_date_that_it_names_whatever_its_time_and_zone(ds: str) -> None:
    message = read({"ds": ds})
    assert isinstance(message, StatusMessage)
    assert message.date_stamp == date(2026, 1, 5)


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"ds": "yesterday"}, "$.ds"),
        ({"ds": "2026-02-30"}, "$.ds"),
        ({"ds": "2026-01-0512"}, "$.ds"),
        ({"ds": ""}, "$.ds"),
        ({"ds": 20260105}, "$.ds"),
        ({"timestamp": "2026-01-05T00:00:00"}, "$.timestamp"),
        ({"timestamp": "soon"}, "$.timestamp"),
        ({"timestamp": 1}, "$.timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "$.timestamp"),
        ([1], "Expected `object`, got `array`"),
        (None, "Expected `object`, got `null`"),
        ("text", "Expected `object`, got `str`"),
        ({"status": "a\0b"}, "U+0000"),
    ],
)
def test_what_is_no_message_is_rejected_and_says_where(message: Any, place: str) -> None:
    refused = read(message)
    assert isinstance(refused, RejectedMessage)
    assert place in refused.reason
    assert json.loads(refused.payload) == message


def test_half_a_surrogate_pair_is_rejected_by_its_field() -> None:
    refused = read_message(b'{"status": "A", "error_message": "\\ud83d"}', fetched_at=NOW)
    assert isinstance(refused, RejectedMessage)
    assert refused.reason == "half of a surrogate pair, which is no character - at `$.error_message`"


@pytest.mark.parametrize(
    ("said", "counted"),
    [(7, 7.0), (0, 0.0), (2.5, 2.5), (None, None), ("7", None), (True, None), ([7], None), (10**400, None)],
)
def test_a_count_is_a_number_or_stays_in_the_payload_alone(said: Any, counted: float | None) -> None:
    message = read({"rowCount": said, "metricCount": said})
    if isinstance(message, StatusMessage):
        assert (message.row_count, message.metric_count) == (counted, counted)
    else:
        assert said == 10**400  # no parser of JSON in this house holds such a number
    assert str(said).lower() in message.payload.lower() or said is None


def test_unknown_fields_words_and_kinds_are_kept_and_long_texts_stay_whole() -> None:
    odd = {"status": "NEVER_HEARD_OF", "source_name": 7, "shard": {"n": [1]}, "error_message": "x" * 100_000}
    message = read(odd)
    assert isinstance(message, StatusMessage)
    assert (message.status, message.source_name, message.error_message) == ("NEVER_HEARD_OF", None, "x" * 100_000)
    assert json.loads(message.payload) == odd


def test_days_are_cut_into_windows_of_thirty_the_newest_first() -> None:
    days = range(date(2025, 11, 1).toordinal(), date(2026, 1, 10).toordinal())
    assert [str(window) for window in cut(days)] == [
        "2025-12-11 to 2026-01-09",
        "2025-11-11 to 2025-12-10",
        "2025-11-01 to 2025-11-10",
    ]
    assert ranges(days) == (Window(date(2025, 11, 1), date(2026, 1, 10)),)
    assert ranges([]) == ()


class Passes:
    """Passes over one server, each with the progress that the one before left."""

    def __init__(self, server: Simulator, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.progress = StatusProgress()
        self.oldest: datetime | None = None
        self.came: list[Message] = []
        self.unread: list[str] = []

    def run(self, now: datetime = NOW, most: int | None = None, runs: tuple[datetime, ...] = ()) -> list[str]:
        """One pass; what was asked for, as `first..end`. `runs`: when the runs of the same sync were created."""
        before = len(self.server.log)
        self.came, self.unread = [], []
        with ConsoleApi(
            KEY,
            base_url=self.server.url,
            rate_limits="10000/1",
            limiter_dir=self.folder,
            patience=QUICK,
            max_requests=most,
        ) as api:
            fetch = StatusFetch(api, self.progress, now=now, settle_days=14, oldest=lambda: self.oldest, secret=KEY)
            for created in runs:
                fetch.note(read_run(json.dumps(payload(createdAt=created.isoformat())).encode(), fetched_at=now))
            for each in fetch:
                if isinstance(each, Unread):
                    self.unread.append(each.what)
                else:
                    self.came.append(each)
        self.progress = StatusProgress.from_state(json.loads(json.dumps(fetch.progress.to_state())))
        return [days_of(entry.path) for entry in list(self.server.log)[before:]]


def days_of(path: str) -> str:
    query = parse_qs(urlsplit(path).query)
    return f"{query['startDate'][0]}..{query['endDate'][0]}"


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator(api_key=KEY) as simulator:
        yield simulator


@pytest.fixture
def passes(server: Simulator, tmp_path: Path) -> Passes:
    return Passes(server, tmp_path)


NEWEST = "2026-01-06..2026-01-21"


def test_the_first_pass_goes_back_to_the_oldest_run_and_later_ones_ask_once(passes: Passes) -> None:
    asked = passes.run(runs=(datetime(2025, 11, 20, tzinfo=UTC), NOW))
    assert asked == [NEWEST, "2025-12-07..2026-01-06", "2025-11-18..2025-12-07"]
    passes.oldest = datetime(2025, 11, 20, tzinfo=UTC)
    assert passes.run(NOW + timedelta(hours=1)) == [NEWEST]


def test_runs_younger_than_the_settle_window_make_it_shorter(passes: Passes) -> None:
    passes.oldest = NOW - timedelta(days=3)
    assert passes.run() == ["2026-01-15..2026-01-21"]


def test_an_implausible_run_leads_nowhere(passes: Passes) -> None:
    assert passes.run(runs=(datetime(1970, 1, 2, tzinfo=UTC), NOW - timedelta(days=20))) == [
        NEWEST,
        "2025-12-29..2026-01-06",
    ]


def test_days_that_nobody_asked_for_are_made_up_for(passes: Passes) -> None:
    passes.oldest = NOW - timedelta(days=5)
    passes.run()
    assert passes.run(NOW + timedelta(days=30)) == ["2026-02-05..2026-02-20", "2026-01-20..2026-02-05"]
    passes.oldest = NOW - timedelta(days=25)  # older runs became known
    assert passes.run(NOW + timedelta(days=30)) == ["2026-02-05..2026-02-20", "2025-12-24..2026-01-13"]


def test_what_few_requests_cut_off_is_gone_on_with_in_turn_with_the_newest_days(passes: Passes) -> None:
    passes.oldest = datetime(2025, 11, 20, tzinfo=UTC)
    asked = [passes.run(most=1) for _ in range(5)]
    assert asked == [[NEWEST], ["2025-12-07..2026-01-06"], [NEWEST], ["2025-11-18..2025-12-07"], [NEWEST]]


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"ds": "2026-01-15", "status": "ERROR", "error_message": str(number), **fields} for number in range(count)]


@pytest.mark.parametrize("answer", [rows(2), {"message": "ok", "data": rows(2)}])
def test_both_shapes_bring_the_same_messages(server: Simulator, passes: Passes, answer: Any) -> None:
    server.script = lambda *_: reply_json(200, answer)
    passes.run()
    assert [each.error_message for each in passes.came if isinstance(each, StatusMessage)] == ["0", "1"]
    assert {each.fetched_at.tzinfo for each in passes.came} == {UTC}


def page(data: list[Any], link: str | None) -> Reply:
    return reply_json(200, {"message": "ok", "data": data, "pagination": {"nextPage": link}})


def test_next_pages_are_followed_on_the_same_origin(server: Simulator, passes: Passes) -> None:
    link = f"{STATUS_PATH}?startDate=2026-01-06&endDate=2026-01-21&page=2"
    server.script = lambda path, _: page(rows(2), None) if "page=2" in path else page(rows(1), link)
    assert passes.run() == [NEWEST, NEWEST]
    assert len(passes.came) == 2  # one of them stands on both pages
    server.script = lambda *_: page(rows(1), "https://elsewhere.invalid/console/v1/ingestion/status?page=2")
    assert passes.run() == [NEWEST]
    assert passes.unread == ["ingestion status of 2026-01-06 to 2026-01-20"]
    assert len(passes.came) == 1


def test_pages_without_end_are_not_followed_for_ever(server: Simulator, passes: Passes) -> None:
    numbers = iter(range(10_000))
    server.script = lambda *_: page(
        rows(1), f"{STATUS_PATH}?startDate=2026-01-06&endDate=2026-01-21&page={next(numbers)}"
    )
    assert len(passes.run()) == 4
    assert len(passes.came) == 1
    server.script = lambda *_: page([], f"{STATUS_PATH}?startDate=2026-01-06&endDate=2026-01-21")
    assert len(passes.run()) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_a_refused_endpoint_is_told_once_and_tried_again_after_a_day(
    server: Simulator, passes: Passes, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.script = lambda *_: reply_error(status, f"not for {KEY}")
    assert passes.run() == [NEWEST]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"({status}: not for console-***)" in caplog.text
    assert passes.run(NOW + timedelta(hours=12)) == []
    assert passes.run(NOW + timedelta(days=1)) == ["2026-01-07..2026-01-22"]
    assert len(caplog.records) == 1
    assert (passes.came, passes.unread) == ([], [])
    server.script = None
    assert passes.run(NOW + timedelta(days=2)) == ["2026-01-08..2026-01-23", "2026-01-06..2026-01-08"]
    assert (passes.progress.refusal, passes.progress.pending) == (0, ())


def test_an_endpoint_that_is_down_is_told_and_its_days_are_asked_for_again(server: Simulator, passes: Passes) -> None:
    passes.oldest = datetime(2025, 8, 1, tzinfo=UTC)
    server.script = lambda *_: reply_error(500, "no")
    assert len(set(passes.run())) == 3  # windows in a row
    assert passes.unread[0] == "ingestion status of 2026-01-06 to 2026-01-20"
    assert passes.progress.pending == (Window(date(2025, 7, 30), date(2026, 1, 21)),)
    server.script = None
    passes.run()
    assert passes.progress.pending == ()


def test_days_that_the_api_refuses_are_told_and_not_asked_for_again(server: Simulator, passes: Passes) -> None:
    passes.oldest = NOW - timedelta(days=20)
    server.script = lambda path, _: reply_error(400, "too old") if "startDate=2025" in path else None
    passes.run()
    assert passes.unread == ["ingestion status of 2025-12-29 to 2026-01-05"]
    assert passes.run() == [NEWEST]


def test_an_answer_over_the_size_limit_is_asked_for_by_day(
    server: Simulator, passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", 10_000)
    passes.oldest = NOW - timedelta(days=1)
    long = {"2026-01-17..2026-01-21": 3, "2026-01-18..2026-01-19": 2}

    def answer(path: str, _: int) -> Reply:
        return reply_json(200, rows(1, message="x" * 6_000 * long.get(days_of(path), 1), source_name=days_of(path)))

    server.script = answer
    days = ["2026-01-20..2026-01-21", "2026-01-19..2026-01-20", "2026-01-18..2026-01-19", "2026-01-17..2026-01-18"]
    assert passes.run() == ["2026-01-17..2026-01-21", *days]
    assert [each.source_name for each in passes.came if isinstance(each, StatusMessage)] == [
        days[0],
        days[1],
        days[3],
    ]
    assert passes.unread == ["ingestion status of 2026-01-18"]


def test_a_refused_key_ends_it_and_is_no_error_of_the_runs(server: Simulator, passes: Passes) -> None:
    passes.oldest = datetime(2025, 8, 1, tzinfo=UTC)
    server.script = lambda *_: reply_error(401, f"Key: {KEY}")
    assert passes.run() == [NEWEST]
    assert passes.unread == ["ingestion status of 2026-01-06 to 2026-01-20"]


def test_the_key_is_taken_out_of_messages_and_of_what_is_rejected(server: Simulator, passes: Passes) -> None:
    hostile = [{"ds": "2026-01-15", "error_message": f"<b>{KEY}</b>"}, {"ds": f"x {KEY}"}, KEY]
    server.script = lambda *_: reply_json(200, hostile)
    passes.run()
    assert len(passes.came) == 3
    assert not [each for each in passes.came if KEY in str(each)]
    [message] = [each for each in passes.came if isinstance(each, StatusMessage)]
    assert message.error_message == "<b>console-***</b>"
