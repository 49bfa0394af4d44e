"""What is read of sources and runs in flight: times that cannot be decide nothing, and errors explain what they caused.

As of 3 March 2026, 18:00 UTC. Each source has landed each day of six weeks but for what its story says.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from statsig_runs.readers.health import read_in_flight, read_sources
from statsig_runs.readers.published import Row, reading
from tests.support.published_runs import publish, report
from tests.support.written_runs import at, history, payload

NOW = at("2026-03-03T18:00:00")
LAST = date(2026, 3, 2)
GOOD = ("enqueued", "download_started", "download_complete", "pulse_started", "pulse_complete")
BAD = ("enqueued", "download_started", "download_error")

Told = tuple[dict[str, Any], datetime]
Seen = tuple[dict[str, Row], list[Row]]


def run_of(source: str, day: date, statuses: tuple[str, ...], run_id: str = "", **more: Any) -> Told:
    """A run of one date, enqueued two hours after its end, one status each ten minutes."""
    begun = datetime.combine(day + timedelta(days=1), at("2026-03-03T10:00:00").time())
    told = [f"{begun + timedelta(minutes=10 * n):%Y-%m-%dT%H:%M:%S} {status}" for n, status in enumerate(statuses)]
    written = payload(
        run_id or f"{source} {day}", [source], [str(day)], history(*told), {(source, str(day)): history(*told)}
    )
    return written | more, NOW


def landed(source: str, *without: date) -> list[Told]:
    days = (LAST - timedelta(days=n) for n in range(42))
    return [run_of(source, day, GOOD) for day in days if day not in without]


def stories() -> list[Told]:
    early, hole = date(2026, 2, 10), date(2026, 2, 27)
    of_2099 = {"createdAt": "2099-01-01T00:00:00.000Z"}
    of_1970 = history("1970-01-01T00:00:00 download_error", "2026-03-03T10:20:00 download_error")
    gone = payload("gone", ["Listed"], ["2026-03-01"], history("2026-03-02T17:59:00 enqueued"), {})
    began_late = payload("begun", ["Listed"], ["2026-03-02"], history("2026-03-03T17:59:00 enqueued"), {})
    return [
        *landed("Failed of 2099", LAST),
        run_of("Failed of 2099", LAST, BAD),
        run_of("Failed of 2099", early, BAD, "failed of 2099", **of_2099),
        *landed("Landed of 2099", LAST, early),
        run_of("Landed of 2099", LAST, BAD),
        run_of("Landed of 2099", early, GOOD, "landed of 2099", **of_2099),
        *landed("Error of 1970", LAST),
        (
            payload("of 1970", ["Error of 1970"], [str(LAST)], of_1970, {("Error of 1970", str(LAST)): of_1970})
            | {"createdAt": "2026-03-03T10:00:00.000Z"},
            NOW,
        ),
        *landed("Old error", hole),
        *landed("Failed again"),
        run_of("Failed again", LAST, BAD, "again", createdAt="2026-03-03T16:00:00.000Z"),
        (began_late, NOW),
        (gone, at("2026-03-02T18:00:00")),
    ]


def messages() -> list[Told]:
    told = [
        report("Failed of 2099", "2026-03-02", "QUERY_ERROR", hour=10, error_message="of today"),
        report("Failed of 2099", "2026-02-10", "QUERY_ERROR", error_message="of long ago"),
        report("Old error", "2026-02-01", "AUTHENTICATION_ERROR", hour=20, error_message="of a date that landed"),
        report("Failed again", "2026-03-02", "QUERY_ERROR", hour=17, error_message="of the second run"),
    ]
    return [(message, NOW) for message in told]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The sources by name, and the runs in flight."""
    warehouse = publish(tmp_path_factory.mktemp("health") / "statsig_runs.duckdb", stories(), messages())
    with duckdb.connect(str(warehouse.database)) as connection:
        connection.execute("insert into statsig_raw.missing_runs (run_id, fetched_at) values ('gone', now())")
    warehouse.publish()
    with reading(warehouse) as connection:
        return {row["source"]: row for row in read_sources(connection)}, read_in_flight(connection)


def test_a_failed_run_of_a_year_to_come_is_not_why_a_source_fails(seen: Seen) -> None:
    source = seen[0]["Failed of 2099"]
    assert (source["health"], source["unsuccessful_date_stamp"]) == ("failing", LAST)
    assert (source["reason_date_stamp"], source["reason_message"]) == (LAST, "of today")
    assert source["troubled_since"] == at("2026-03-03T10:20:00")


def test_a_success_of_a_year_to_come_does_not_hide_since_when_a_source_fails(
    seen: Seen,
) -> None:
    source = seen[0]["Landed of 2099"]
    assert (source["health"], source["troubled_since"]) == ("failing", at("2026-03-03T10:20:00"))


def test_an_error_of_1970_is_not_since_when_a_source_fails(seen: Seen) -> None:
    source = seen[0]["Error of 1970"]
    assert (source["health"], source["troubled_since"]) == ("failing", at("2026-03-03T10:20:00"))


def test_the_error_of_a_date_that_landed_does_not_explain_another_that_is_overdue(
    seen: Seen,
) -> None:
    source = seen[0]["Old error"]
    assert (source["health"], source["oldest_overdue_date"]) == ("incomplete", date(2026, 2, 27))
    assert source["reason_message"] is None


def test_the_error_of_a_date_that_landed_explains_the_run_that_failed_for_it(
    seen: Seen,
) -> None:
    source = seen[0]["Failed again"]
    assert (source["health"], source["unsuccessful_run_id"]) == ("failing", "again")
    assert source["reason_message"] == "of the second run"


def test_a_run_in_flight_has_the_sources_that_it_lists_and_one_that_the_api_forgot_is_none(
    seen: Seen,
) -> None:
    assert [(row["run_id"], row["sources"]) for row in seen[1]] == [("begun", ["Listed"])]
