"""`statsig-runs status`: is today's data in, and if not, since when and why."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from statsig_runs.readers.published import reading
from statsig_runs.readers.status import Status, answer, lines, read_status, to_json
from statsig_runs.warehouse import Warehouse
from tests.support.published_runs import HOSTILE, LONG, NOW, run_command
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
        (
            "1 of 5 sources are in, up to 2024-03-14; failing: Events 2; incomplete: Metrics; never finished: "
            r"[red]\x1b[31m<!channel> &…, ΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ…."
        ),
        "As of 2024-03-15 09:00 UTC, 12 min ago; published 2024-03-15 09:01 UTC.",
        "",
        "SOURCE                      HEALTH          LAST SUCCESS      AGO   LANDED",
        "Events 2                    failing         2024-03-14 03:00  30 h  2024-03-13",
        "  unsuccessful once: download_error for 2024-03-14, run failed",
        "Metrics                     incomplete      2024-03-14 02:00  31 h  2024-03-13",
        "  1 overdue, the oldest 2024-03-14",
        r"[red]\x1b[31m<!channel> &…  never finished  -                 -     -",
        "  nothing of it has finished yet",
        "ΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ…  never finished  -                 -     -",
        "  nothing of it has finished yet",
        "Events 1                    healthy         2024-03-15 03:30  6 h   2024-03-14",
        "",
        "In flight: 2, 1 late.",
        "STARTED (UTC)     STAGE     FOR     USUALLY  LATE  SOURCES",
        "2024-03-15 05:00  download  4 h     60 min   yes   Metrics",
        r"2024-03-15 08:00  metrics   60 min  -        -     [red]\x1b[31m<!channel> &…",
        "",
        "Last load 2024-03-15 08:59 UTC: 9 new, 1 changed, 2 rejected; 1,234 requests.",
    ]


def test_all_but_the_answer_fits_eighty_columns(status: Status):
    assert [line for line in screen(status)[1:] if cell_len(line) > 80] == []


def test_what_is_bad_is_red_and_what_is_well_is_green(status: Status):
    styles = {line.partition("  ")[0]: style for line, style in lines(status, SOON)}
    assert {name: styles[name] for name in ("Events 2", "Metrics", "Events 1", "2024-03-15 05:00")} == {
        "Events 2": "bold red",
        "Metrics": "bold red",
        "Events 1": "green",
        "2024-03-15 05:00": "bold red",
    }


def test_old_data_is_no_answer(status: Status):
    later = NOW + timedelta(hours=80)
    assert screen(status, later)[0].startswith(
        "Unknown, no sync has fetched a run for 3 d; before that 1 of 5 sources were in, up to 2024-03-14; failing: E"
    )
    assert next(lines(status, later, 26))[1] == "bold red"
    assert answer(status, later, 80).startswith("1 of 5 sources are in")
    assert answer(status, later, -1).startswith("1 of 5 sources are in")


def test_a_newest_fetch_in_the_future_is_no_answer_for_ever(status: Status):
    before = NOW - timedelta(days=400)
    shown = list(lines(status, before, 26))
    assert shown[0][0].startswith(
        "Unknown, the newest fetch is 400 d in the future, so a clock is or was wrong; by that fetch 1 of 5 "
    )
    assert shown[0][1] == "bold red"
    assert shown[1][0] == "As of 2024-03-15 09:00 UTC, which is in the future; published 2024-03-15 09:01 UTC."
    assert answer(status, before, -1).startswith("Unknown, the newest fetch is")
    assert [line for line, _ in shown if re.search(r"-\d+ (min|h|d)", line)] == []
    content = to_json(status, before, 26)
    assert (content["is_in_future"], content["is_old"]) == (True, False)
    assert to_json(status, SOON, 26)["is_in_future"] is False


def test_a_clock_that_is_a_little_behind_the_one_that_fetched_is_no_fault(status: Status):
    assert screen(status, NOW - timedelta(minutes=4))[1].startswith("As of 2024-03-15 09:00 UTC, 0 min ago;")


def test_one_screen_is_enough_for_many_sources_and_runs(status: Status):
    healthy = status.sources[-1]
    many = replace(
        status,
        sources=[{**healthy, "source": f"Source {n}"} for n in range(40)],
        in_flight=[{**status.in_flight[0], "is_late": False}] * 30,
    )
    shown = screen(many)
    assert shown[0] == "40 of 40 sources are in, up to 2024-03-14 at least."
    assert "and 28 more, 28 of them healthy: --json shows all" in shown
    assert "and 25 more: --json shows all" in shown
    assert len(shown) <= 30


def test_more_than_three_names_are_counted(status: Status):
    failing = [{**status.sources[0], "source": f"Source {n}"} for n in range(5)]
    assert answer(replace(status, sources=failing), SOON) == (
        "0 of 5 sources are in; failing: Source 0, Source 1, Source 2, 2 more."
    )


def test_without_runs_it_says_what_to_do(without_runs: Warehouse):
    with reading(without_runs) as connection:
        empty = read_status(connection, PUBLISHED)
    assert screen(empty) == [
        "No run is loaded yet. Run `statsig-runs sync`; where it ran, see what it logged.",
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
        "unsuccessful_run_id": "failed",
        "unsuccessful_date_stamp": "2024-03-14",
        "unsuccessful_status": "download_error",
    }
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
