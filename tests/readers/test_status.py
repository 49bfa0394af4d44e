"""`statsig-runs status`: is today's data in, and if not, since when and why."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from statsig_runs.readers.published import reading
from statsig_runs.readers.status import Status, answer, lines, read_status, to_json
from statsig_runs.warehouse import Warehouse
from tests.support.published_runs import HOSTILE, HOSTILE_ERROR, LONG, NOW, run_command
from tests.support.written_runs import at

PUBLISHED = at("2024-03-15T09:01:00")
SOON = NOW + timedelta(minutes=12)


@pytest.fixture(scope="module")
def status(published: Warehouse) -> Status:
    with reading(published) as connection:
        return read_status(connection, PUBLISHED)


def screen(status: Status, now: datetime = SOON, max_hours: float | None = 26) -> list[str]:
    return [line for line, _ in lines(status, now, max_hours)]


def test_the_screen_answers_first_and_then_says_since_when_and_why(status: Status):
    assert screen(status) == [
        "1 of 5 sources is in and complete, through 2024-03-14; failing: Events 2;",
        r"incomplete: Metrics (14 Mar); not finished yet: [red]\x1b[31m<!channel> &",
        r"`@here`\n\u20…, ΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ…; empty: Metrics (10",
        "Mar).",
        "As of 2024-03-15 09:00 UTC, 12 min ago; published 2024-03-15 09:01 UTC.",
        "",
        "SOURCE                      HEALTH            LAST SUCCESS     COMPLETE THROUGH",
        "Events 2                    failing           30 h 12 min ago  2024-03-13",
        "  unsuccessful once: download_error for 2024-03-14, run failed",
        r"  why: QUERY_ERROR: no <b>column</b> `id`; <!channel> \x1b[31m\u202e@here xxxx…",
        "Metrics                     incomplete        31 h 12 min ago  2024-03-13",
        "  overdue: 14 Mar, since 2024-03-15 04:00 UTC",
        "  empty: 10 Mar, landed without data",
        r"[red]\x1b[31m<!channel> &…  not finished yet  -                -",
        "  nothing of it has finished yet",
        "ΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ…  not finished yet  -                -",
        "  nothing of it has finished yet",
        "Events 1                    healthy           5 h 42 min ago   2024-03-14",
        "",
        "In flight: 2, 1 late.",
        "STARTED (UTC)     STAGE     FOR         USUALLY     LATE  SOURCES",
        "2024-03-15 05:00  download  4 h 00 min  1 h 00 min  yes   Metrics",
        r"2024-03-15 08:00  metrics   1 h 00 min  -           -     [red]\x1b[31m<!chan…",
        "",
        "Last load 2024-03-15 08:59 UTC: 9 new, 1 changed, 2 rejected; 1,234 requests.",
    ]


def test_every_line_fits_eighty_columns_whatever_it_tells(status: Status):
    overdue = [
        {"date_stamp": date(2023, 12, day), "expected_by": NOW, "state": "missing"} for day in (*range(1, 9, 2), 31)
    ]
    long = {**status.sources[0], "source": "日本" * 40, "health": "never_finished", "overdue_dates": overdue}
    flight = {
        **status.in_flight[0],
        "current_stage": "日本" * 20,
        "elapsed_seconds": 172_000,
        "expected_p50_seconds": 172_000,
        "sources": ["日本" * 40],
    }
    shown = screen(replace(status, sources=[long, *status.sources], in_flight=[flight]), NOW + timedelta(hours=15))
    assert [line for line in [*screen(status), *shown] if cell_len(line) > 80] == []
    assert "  overdue: 1, 3, 5 Dec 2023 and 2 more, the first since 2024-03-15 09:00 UTC" in shown


def test_what_is_bad_is_red_and_what_is_well_is_green(status: Status):
    styles = {line.partition("  ")[0]: style for line, style in lines(status, SOON)}
    assert {name: styles[name] for name in ("Events 2", "Metrics", "Events 1", "2024-03-15 05:00")} == {
        "Events 2": "bold red",
        "Metrics": "bold red",
        "Events 1": "green",
        "2024-03-15 05:00": "bold red",
    }


def test_why_is_said_of_the_date_that_is_called_unsuccessful_and_another_date_is_named(status: Status):
    failing = {**status.sources[0], "reason_message": "no such table"}

    def told(**changes: object) -> str:
        [line] = [line for line in screen(replace(status, sources=[failing | changes])) if "no such table" in line]
        return line

    other = {"reason_date_stamp": date(2023, 12, 31)}
    assert told() == "  why: QUERY_ERROR: no such table"
    assert told(**other) == "  reported for 31 Dec 2023: QUERY_ERROR: no such table"
    # a bucket that failed before the newest success is called by nobody
    assert told(health="incomplete", consecutive_failures=0) == "  reported for 14 Mar: QUERY_ERROR: no such table"


def test_a_date_that_landed_without_data_is_not_told_in_green(status: Status):
    healthy = {**status.sources[-1], "empty_dates": [date(2024, 3, 13)]}
    first, style = next(lines(replace(status, sources=[healthy]), SOON))
    assert first == "Events 1 is in and complete, through 2024-03-14; empty: Events 1 (13 Mar)."
    assert style == "yellow"


def test_old_data_is_no_answer(status: Status):
    later = NOW + timedelta(hours=80)
    assert answer(status, later, 26).startswith(
        "Unknown, no sync has fetched a run for 3 d 8 h; as of then: 1 of 5 sources is in and complete, through "
    )
    assert next(lines(status, later, 26))[1] == "bold red"
    assert answer(status, later, 80).startswith("1 of 5 sources is in and complete")
    assert answer(status, later, -1).startswith("1 of 5 sources is in and complete")


def test_a_newest_fetch_in_the_future_is_no_answer_for_ever(status: Status):
    before = NOW - timedelta(days=400)
    shown = list(lines(status, before, 26))
    assert shown[0][0].startswith("Unknown, the newest fetch is 400 d 0 h in the future, so a clock is or was")
    assert shown[0][1] == "bold red"
    assert "As of 2024-03-15 09:00 UTC, which is in the future; published 2024-03-15 09:01 UTC." in [
        line for line, _ in shown
    ]
    assert answer(status, before, -1).startswith("Unknown, the newest fetch is")
    assert [line for line, _ in shown if re.search(r"-\d+ (min|h|d)", line)] == []
    content = to_json(status, before, 26)
    assert (content["is_in_future"], content["is_old"]) == (True, False)
    assert to_json(status, SOON, 26)["is_in_future"] is False


def test_a_clock_that_is_a_little_behind_the_one_that_fetched_is_no_fault(status: Status):
    shown = screen(status, NOW - timedelta(minutes=4))
    assert [line.partition(";")[0] for line in shown if line.startswith("As of")] == [
        "As of 2024-03-15 09:00 UTC, 0 s ago"
    ]


def test_one_screen_is_enough_for_many_sources_and_runs(status: Status):
    healthy = status.sources[-1]
    many = replace(
        status,
        sources=[{**healthy, "source": f"Source {n}"} for n in range(40)],
        in_flight=[{**status.in_flight[0], "is_late": False}] * 30,
    )
    shown = screen(many)
    assert shown[0] == "All 40 sources are in and complete, through 2024-03-14 at least."
    assert "and 28 more, 28 of them healthy: --json shows all" in shown
    assert "and 25 more: --json shows all" in shown
    assert len(shown) <= 30


def test_without_runs_it_says_what_to_do(without_runs: Warehouse):
    with reading(without_runs) as connection:
        empty = read_status(connection, PUBLISHED)
    assert screen(empty) == [
        "No run is loaded yet. Run `statsig-runs sync`; where it ran, see what it",
        "logged.",
        "The copy is empty, published 2024-03-15 09:01 UTC.",
    ]
    assert to_json(empty, SOON, 26) == {
        "answer": "No run is loaded yet. Run `statsig-runs sync`; where it ran, see what it logged.",
        "is_old": False,
        "is_in_future": False,
        "now": "2024-03-15T09:12:00.000Z",
        "as_of": None,
        "published_at": "2024-03-15T09:01:00.000Z",
        "sources": [],
        "in_flight": [],
        "last_load": None,
        "origin": None,
    }


def test_json_has_names_and_figures_whole(status: Status):
    content = json.loads(json.dumps(to_json(status, SOON, 26), allow_nan=False))
    assert content["sources"][0] == {
        "source": "Events 2",
        "health": "failing",
        "last_run_id": "failed",
        "last_started_at": "2024-03-15T02:00:00.000Z",
        "last_succeeded_at": "2024-03-14T03:00:00.000Z",
        "last_failed_at": "2024-03-15T02:20:00.000Z",
        "consecutive_failures": 1,
        "errors_since_last_success": 1,
        "hours_since_success": 30.0,
        "final_status": None,
        "latest_landed_date": "2024-03-13",
        "overdue_date_count": 0,
        "oldest_overdue_date": None,
        "complete_through_date": "2024-03-13",
        "last_error_message": HOSTILE_ERROR,
        "last_error_status": "QUERY_ERROR",
        "overdue_dates": [],
        "empty_dates": [],
        "volume_drops": [],
        "reason_date_stamp": "2024-03-14",
        "reason_status": "QUERY_ERROR",
        "reason_message": HOSTILE_ERROR,
        "troubled_since": "2024-03-15T02:20:00.000Z",
        "unsuccessful_run_id": "failed",
        "unsuccessful_date_stamp": "2024-03-14",
        "unsuccessful_status": "download_error",
    }
    assert content["sources"][1]["overdue_dates"] == [
        {"date_stamp": "2024-03-14", "expected_by": "2024-03-15T04:00:00.000Z", "state": "in_progress"}
    ]
    assert content["sources"][1]["empty_dates"] == ["2024-03-10"]
    assert content["sources"][1]["volume_drops"] == [{"date_stamp": "2024-03-13", "row_count": 400.0, "ratio": 0.4}]
    assert {source["source"] for source in content["sources"]} == {"Events 1", "Events 2", "Metrics", HOSTILE, LONG}
    assert content["in_flight"][0] == {
        "run_id": "late",
        "created_at": "2024-03-15T05:00:00.000Z",
        "current_stage": "download",
        "elapsed_seconds": 14400.0,
        "expected_p50_seconds": 3600.0,
        "expected_p95_seconds": 3600.0,
        "is_late": True,
        "expected_at": "2024-03-15T06:00:00.000Z",
        "sources": ["Metrics"],
    }
    assert content["last_load"]["started_at"] == "2024-03-15T08:59:00.000Z"


def test_the_command_prints_plain_text_where_nobody_looks(folder: Path):
    done = run_command(folder, "status")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Unknown, no sync has fetched a run for ")
    assert "\x1b" not in done.out


def test_the_command_prints_colours_for_people_and_a_hostile_name_brings_none(folder: Path):
    done = run_command(folder, "status", FORCE_COLOR="1", TERM="xterm-256color")
    assert (done.code, done.err) == (0, "")
    assert "\x1b[1;31mEvents 2 " in done.out
    assert "\x1b[32mEvents 1 " in done.out
    assert r"[red]\x1b[31m<!channel> &…" in re.sub(r"\x1b\[[0-9;]*m", "", done.out)


def test_the_command_prints_json_for_the_database_named(folder: Path, tmp_path: Path):
    done = run_command(tmp_path, "status", "--json", "--database", str(folder / "data" / "statsig_runs.duckdb"))
    assert (done.code, done.err) == (0, "")
    content = json.loads(done.out)
    assert (content["as_of"], content["is_old"], len(content["sources"])) == ("2024-03-15T09:00:00.000Z", True, 5)


def test_the_command_says_what_to_do_before_the_first_sync(tmp_path: Path):
    done = run_command(tmp_path, "status")
    assert (done.code, done.out) == (2, "")
    assert "Nothing has been published" in done.err
    assert "Run `statsig-runs sync` first" in done.err
