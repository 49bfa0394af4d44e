"""The page for people, read as a file: what it says, what it weighs, what it does when there is little or too much."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from statsig_runs.errors import ConfigurationError
from statsig_runs.packaged import packaged
from statsig_runs.readers.display import duration
from statsig_runs.report import marts, page, summary, words, write_summary_png
from statsig_runs.report.grid import build_grid, build_overdue, say_day
from statsig_runs.report.headline import build_flight_sentence
from statsig_runs.report.marts import Marts
from statsig_runs.report.reported import Volumes, say_loads
from statsig_runs.report.shares import build_shares
from statsig_runs.report.timeline import build_timeline
from statsig_runs.warehouse import Warehouse
from tests.support.published_runs import report
from tests.support.report_runs import (
    HEALTHY,
    LONG_NAME,
    RETRIED_IN_VAIN,
    WRECKER,
    build_published,
    copy_marts,
    day_of,
    opened,
    write_page,
)
from tests.support.written_runs import at, history, payload

TOLD_ERROR = r"QUERY_ERROR: no <b>column</b> `id`; <!channel> \x1b[31m\u202e@here"
AHEAD = ("2026-11-22T06:00:00.000 enqueued", "2026-11-22T07:00:00.000 pulse_complete")


class Reader(HTMLParser):
    """The page as a browser's parser sees it: its tags, and its text without style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", "".join(self.parts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"bdi", "b", "code", "time", "a", "span"}:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if (
            self.tags
            and self.tags[-1][0] in {"style", "script"}
            and self.get_starttag_text() in {"<style>", "<script>"}
        ):
            return
        self.parts.append(data)


def read(published: Path, tmp_path: Path) -> Reader:
    return Reader(write_page(published, tmp_path / "report.html").read_text())


def picture(published: Path) -> str:
    with opened(published) as connection:
        return summary.render_summary(connection)


def draw(published: Path, output: Path) -> Path:
    with opened(published) as connection:
        return write_summary_png(connection, output)


@pytest.fixture(scope="module")
def html(troubled: Path) -> str:
    return write_page(troubled, troubled.with_name("report.html")).read_text()


@pytest.fixture(scope="module")
def seen(html: str) -> Reader:
    return Reader(html)


def section(html: str, name: str) -> str:
    """One section's text."""
    return Reader(html.split(f'<section id="{name}"')[1].split("</section>", maxsplit=1)[0]).text


def test_the_first_sentence_says_how_many_sources_are_in_and_which_is_worst(seen):
    assert (
        "17 of 21 sources are in and complete, through 2026-11-20 at least; failing: Events EU (18 to 22 Nov); "
        "stalled: Billing; recovering: Orders (21 and 22 Nov); not finished yet: First try."
    ) in seen.text
    assert "4 runs are in progress, 1 of them late." in seen.text


def test_each_source_has_its_health_its_hours_and_its_last_landed_date(html):
    text = section(html, "sources")
    assert (
        "Events EU Failing since 2026-11-19 06:21 5 failed dates in a row, 10 errors 122.2 2026-11-17 5 dates overdue "
        "2026-11-17" in text
    )
    assert "Billing Stalled since 2026-11-20 06:50 1 failed date, 0 errors 122.2 2026-11-18 2026-11-17" in text
    assert "Orders Recovering, not in since 2026-11-22 06:21" in text
    assert "First try Not finished yet never 2026-11-21 none yet" in text
    assert text.index("Events EU") < text.index("Billing") < text.index("Orders") < text.index("Support events")


def test_a_run_beyond_its_95th_percentile_is_late(html):
    assert "Orders Orders 2026-11-23 scheduled download 2026-11-23 06:00 Late: 3 h 40 min" in section(html, "now")


def test_a_run_that_was_just_enqueued_has_the_sources_that_it_lists(troubled, tmp_path):
    copy = Path(shutil.copy(troubled, tmp_path / "runs.duckdb"))
    with duckdb.connect(str(copy)) as con:
        con.execute("delete from statsig.fct_source_dates where run_id = 'Orders 2026-11-23 scheduled'")
    text = section(write_page(copy, tmp_path / "report.html").read_text(), "now")
    assert "Orders Orders 2026-11-23 scheduled download" in text


def test_every_figure_says_its_mart_and_as_of_when(html):
    marts = {
        "sources": "statsig.source_status",
        "now": "statsig.fct_in_flight_runs",
        "dates": "statsig.fct_date_freshness",
        "errors": "statsig.agg_daily",
        "durations": "statsig.fct_run_stages and statsig.fct_runs",
        "slow": "statsig.fct_runs",
        "runs": "statsig.fct_stage_attempts and statsig.fct_source_dates",
        "findings": "statsig.dq_findings",
    }
    assert re.findall(r'<section id="(\w+)"', html) == list(marts)
    for name, models in marts.items():
        assert section(html, name).endswith(f"From {models}, as of 2026-11-23 09:40")


def test_a_newest_day_that_goes_on_is_called_open(html):
    assert "The newest point is a day that is not over." in section(html, "errors")


def test_a_cell_of_the_grid_tells_outcome_and_landing_lag(html):
    row = re.search(r"<bdi>Events EU</bdi></th>(<td class=\w .*)</tr>", html)
    cells = re.findall(r'<td class=(\w) aria-label="([^"]*)">', row[1])
    # 7 to 22 November; the run for the 17th ended on the 18th at 07:30, and the 17th at 08:00
    assert len(cells) == 16
    assert cells[:2] == [("n", "nothing expected"), ("n", "nothing expected")]
    assert cells[10] == ("s", "landed 30 min before the day ended, 1 run")
    # a day's lag is 30 minutes less than nothing, and 2 hours are allowed on top of it
    overdue = [f"failed; not landed, 1 run; overdue since 2026-11-{day} 09:30 UTC" for day in range(19, 24)]
    assert cells[11:] == [("f", words) for words in overdue]


def test_the_dates_say_what_is_overdue_and_what_a_date_is(html):
    text = section(html, "dates")
    assert "Overdue: Events EU (18 to 22 Nov), Orders (21 and 22 Nov)." in text
    assert "A date is a day of UTC\N{MINUS SIGN}8: it ends at 08:00 UTC of the next day." in text


@pytest.mark.parametrize(
    ("ended_at", "told"),
    [
        ("2026-11-22T08:00:00", "UTC\N{MINUS SIGN}8: it ends at 08:00 UTC of the next day."),
        ("2026-11-21T18:30:00", "UTC+5:30: it ends at 18:30 UTC of the same day."),
        ("2026-11-22T00:00:00", "UTC and ends at midnight."),
    ],
)
def test_a_date_is_a_day_of_the_zone_that_the_marts_were_built_with(ended_at, told):
    assert say_day(date(2026, 11, 21), at(ended_at)) == f"A date is a day of {told}"


def of_date(**changes):
    """A row of `fct_date_freshness`: a date that landed in its first run."""
    landed = {
        "source": "Orders", "date_stamp": date(2026, 11, 20), "run_count": 1, "latest_outcome": "succeeded",
        "landing_lag_seconds": 5400.0, "is_landed": True, "state": "landed", "is_expected": True,
        "expected_by": at("2026-11-21T12:00:00"), "is_overdue": False,
        "row_count": None, "error_status": None, "error_message": None, "is_error_open": None,
        "load_count": None,
    }  # fmt: skip
    return landed | changes


ERROR = {"error_status": "QUERY_ERROR", "error_message": "no such column;\n line 2", "is_error_open": True}


@pytest.mark.parametrize(
    ("row", "cell"),
    [
        (of_date(), ("s", "landed 1 h 30 min after the day ended, 1 run")),
        (
            of_date(run_count=2, latest_outcome="stalled"),
            ("a", "landed 1 h 30 min after the day ended, 2 runs; its newest run: stalled"),
        ),
        (
            of_date(run_count=2, latest_outcome="in_progress", landing_lag_seconds=None),
            ("b", "landed, 2 runs; its newest run: in progress"),
        ),
        (
            of_date(state="missing", is_landed=False, run_count=0, latest_outcome=None, is_overdue=True),
            ("m", "missing; no run has it; overdue since 2026-11-21 12:00 UTC"),
        ),
        (
            of_date(state="awaited", is_landed=False, run_count=0, latest_outcome=None),
            ("w", "awaited; no run has it; expected by 2026-11-21 12:00 UTC"),
        ),
        (
            of_date(state="in_progress", is_landed=False, latest_outcome="in_progress", is_expected=False),
            ("p", "in progress; not landed, 1 run"),
        ),
        (of_date(row_count=12_345.0), ("s", "landed 1 h 30 min after the day ended, 1 run; 12,345 rows imported")),
        (of_date(row_count=1e300), ("s", "landed 1 h 30 min after the day ended, 1 run")),
        (
            of_date(state="empty", row_count=7.0),
            ("e", "landed 1 h 30 min after the day ended, 1 run; no data came"),
        ),
        (
            of_date(state="failed", is_landed=False, latest_outcome="failed", is_expected=False) | ERROR,
            ("f", "failed; not landed, 1 run; QUERY_ERROR: no such column;\N{NO-BREAK SPACE}line 2"),
        ),
        # what was loaded after its error, and failed in a later stage, has not failed for that error
        (
            of_date(state="failed", is_landed=False, latest_outcome="failed", is_expected=False)
            | {**ERROR, "is_error_open": False},
            ("f", "failed; not landed, 1 run"),
        ),
        (of_date() | ERROR, ("s", "landed 1 h 30 min after the day ended, 1 run")),
    ],
)
def test_a_cell_looks_as_its_date_is_and_a_landed_one_stays_landed(row, cell):
    [block] = build_grid([row], ["Orders"], row["date_stamp"], row["date_stamp"])["blocks"]
    assert block["lines"] == [("Orders", [cell])]


def test_a_date_that_was_never_asked_for_did_not_land_and_one_that_is_awaited_has_time():
    days = [date(2026, 11, day) for day in (19, 20, 21)]
    nobody = {"is_landed": False, "run_count": 0, "latest_outcome": None}
    rows = [
        of_date(date_stamp=days[0]),
        of_date(date_stamp=days[1], state="missing", is_overdue=True, **nobody),
        of_date(date_stamp=days[2], state="awaited", **nobody),
    ]
    grid = build_grid(rows, ["Orders"], days[0], days[2])
    assert [(block["missing"], block["due"]) for block in grid["blocks"]] == [(1, 2)]
    assert [words for _, words in grid["keys"]] == ["landed", "missing: no run has it", "awaited"]


def test_the_sources_with_the_most_overdue_dates_are_named_and_the_others_counted():
    def source(name, *days):
        return {"source": name, "overdue_dates": [{"date_stamp": date(2026, 11, day)} for day in days]}

    few = [source(f"Events {n}", 9) for n in range(1, 8)]
    told = "".join(value for _, value in build_overdue([*few, source("Calm"), source("Orders", 16, 17)], 2026))
    assert told.startswith("Orders (16 and 17 Nov), Events 1 (9 Nov), Events 2 (9 Nov)")
    assert told.endswith("Events 5 (9 Nov) and 2 more sources")
    assert build_overdue([source("Calm")], 2026) == []


def test_the_largest_part_of_the_time_is_said_be_it_a_wait():
    way = {"way": ["download", "metrics"], "run_count": 12, "seconds": 7200.0}
    [shares] = build_shares(
        [
            way | {"stage": "download", "duration_seconds": 1200.0, "wait_seconds": None},
            way | {"stage": "metrics", "duration_seconds": 1200.0, "wait_seconds": 4800.0},
        ]
    )
    assert shares.title == "12 runs through download, metrics."
    assert shares.sentence == "Most of it: wait before metrics, 1 h 20 min of 2 h 00 min (67%)."
    assert shares.parts == ["download 20 min", "wait before metrics 1 h 20 min", "metrics 20 min"]
    assert shares.bars == [("d", 0.0, 16.67), ("wait", 16.67, 66.67), ("m", 83.33, 16.67)]
    assert shares.note == ""


def test_stages_that_overlap_are_said_to_and_parts_that_do_not_add_up_as_well():
    way = {"way": ["download", "metrics"], "run_count": 2, "seconds": 3600.0}
    download = way | {"stage": "download", "duration_seconds": 1800.0, "wait_seconds": None}
    overlapping = way | {"stage": "metrics", "duration_seconds": 1200.0, "wait_seconds": -60.0}
    [shares] = build_shares([download, overlapping])
    assert shares.note == "Half of the runs or more start metrics before the stage ahead has ended."
    [shares] = build_shares([download])
    assert shares.note == "The median run takes 1 h 00 min in all: medians of parts do not add up to it."
    assert build_shares([download | {"duration_seconds": None}]) == []


def test_every_finding_has_words():
    models = packaged("sql").joinpath("models/marts/dq_findings.sql").read_text()
    assert set(re.findall(r"'(\w+)' as finding", models)) == set(words.FINDING_WORDS)


def test_a_failed_runs_timeline_names_each_attempt(html):
    run = html.split("<code><bdi>Events EU 2026-11-22 scheduled</bdi></code> <bdi>scheduled</bdi>")[1].split(
        "</table>"
    )[0]
    told = "failed queue 2 min download failed after 12 min download retry failed after 16 min"
    assert Reader(run).text.count(told) == 2


def test_a_run_in_progress_is_drawn_however_old_it_is(troubled, tmp_path, monkeypatch):
    monkeypatch.setattr(marts, "LAST_RUNS", 4)
    html = write_page(troubled, tmp_path / "report.html").read_text()
    listed = html.split("<h3>The last 4 runs, and all that are in progress</h3>")[1].split("<h3>")[0]
    # two of the newest four are in progress, and two older ones
    assert re.findall(r"<span class=.what.>([^<]*)<", listed) == [
        *["in progress"] * 2,
        *["succeeded"] * 2,
        *["in progress"] * 2,
    ]


def test_a_slow_or_retried_run_is_named_by_its_sources_and_linked_to_its_timeline(html):
    text = section(html, "slow")
    assert "Ω… 2026-11-22 06:00 succeeded recovered 26 h 44 min 0 1" in text
    assert "Events EU 2026-11-22 06:00 failed 40 min 1 2" in text
    links = re.findall(r'<a class="who" href="#(run\d+)"', html)
    assert len(links) == 20
    assert all(f'id="{link}"' in html for link in links)


def test_every_failed_run_is_drawn(html, troubled):
    with duckdb.connect(str(troubled), read_only=True) as con:
        query = "select run_id from statsig.fct_runs where effective_outcome in ('failed', 'partial', 'stalled')"
        failed = [run_id for (run_id,) in con.execute(query).fetchall()]
    ids = Reader(html.split('<section id="runs"')[1].split("</section>")[0]).text
    assert len(failed) == 21
    assert [run_id for run_id in failed if words.shorten(run_id, 80) not in ids] == []
    assert "21 runs failed in whole or in part since 2026-11-08" in ids


@pytest.fixture(scope="module")
def reported(published: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of runs that the ingestion status has spoken of."""
    folder = tmp_path_factory.mktemp("reported")
    return write_page(published.published.file, folder / "report.html").read_text()


def test_a_source_that_is_not_healthy_has_its_reason_and_an_empty_date_is_named(reported):
    text = section(reported, "sources")
    assert (
        r"1 failed date, 1 error 14 Mar: QUERY_ERROR: no <b>column</b> `id`; <!channel> \x1b[31m\u202e@here xx" in text
    )
    assert "Metrics Incomplete empty: 10 Mar 31.0" in text


def test_rows_of_each_date_are_drawn_and_drops_and_empty_dates_are_marked(reported):
    text = section(reported, "rows").replace("\N{EN DASH}", "-")
    assert "Rows of each date as the ingestion status reports them, Wed 21 Feb to Thu 14 Mar." in text
    # nobody has said how many rows Events 2 has
    charts = reported.split('<section id="rows"')[1].split("</section>")[0]
    assert re.findall(r"<h3><bdi>([^<]*)", charts) == ["Metrics"]
    keys = re.findall(r'<span class="key ([^"]*)">([^<]*)', charts)
    assert keys == [
        ("busy", "rows"),
        ("bad", "far fewer than usual"),
        ("bad cross", "empty"),
        ("ink dashed", "usual on that weekday"),
    ]
    assert "Wed 6 Mar 1,000 - 2 Thu 7 Mar - - -" in text
    assert "Sun 10 Mar - - 0" in text
    assert "Wed 13 Mar 400 1,000 1" in text


def test_what_was_loaded_again_is_counted_by_source(reported):
    text = section(reported, "rows")
    assert "5 loads of 4 sources and dates, 1 of them again. What is loaded again is billed again." in text
    assert "Metrics 4 5 1 2024-03-06, 2 times From statsig.fct_source_date_reports" in text
    assert 'aria-label="landed 6 h 00 min before the day ended, 1 run; 1,000 rows imported; loaded 2 times"' in reported


def test_each_load_of_its_own_date_is_no_load_again():
    def loads(load_count, date_count):
        return say_loads(Volumes(days={}, more=0, loads=[], date_count=date_count, load_count=load_count))

    assert loads(1, 1) == "1 load of 1 source and date: each was loaded once."
    assert loads(1_204, 12) == "1,204 loads of 12 sources and dates, 1,192 of them again."


def test_a_failed_run_has_the_messages_of_its_failed_dates_while_it_ran(reported):
    run = Reader(reported.split("<code><bdi>failed</bdi></code>")[1].split("</details>")[0]).text
    assert run.count("_ERROR") == 1
    assert (
        r"2024-03-15 02:00 Events 2 14 Mar QUERY_ERROR: no <b>column</b> `id`; <!channel> \x1b[31m\u202e@here x" in run
    )
    assert len(run) < 800


def test_the_errors_of_a_failed_run_come_before_its_other_messages_and_those_of_other_hours_and_dates_do_not(tmp_path):
    runs = [day_of("Orders", f"2026-11-{day}", *HEALTHY) for day in (20, 21)]
    runs.append(day_of("Orders", "2026-11-22", *RETRIED_IN_VAIN))  # 06:00 to 06:40, for the 21st
    told = [report("Orders", "2026-11-21", f"STEP_{n}", 6, message=f"step {n}") for n in range(6)]
    told += [
        report(" ORDERS\n", "2026-11-21", "QUERY_ERROR", 6, error_message="no such column"),
        report("Orders", "2026-11-21", "EARLY_ERROR", 5),
        report("Orders", "2026-11-21", "LATE_ERROR", 7),
        report("Orders", "2026-11-20", "OTHER_ERROR", 30),
    ]
    published = build_published(tmp_path / "statsig_runs.duckdb", runs, messages=told)
    html = write_page(published, tmp_path / "report.html").read_text()
    [listed] = re.findall(r'<ul class="messages">.*?</ul>', html, re.DOTALL)
    text = Reader(listed).text
    assert "2026-11-22 06:00 Orders 21 Nov QUERY_ERROR: no such column" in text
    assert text.count("STEP_") == 4
    assert "and 2 more messages" in text
    assert [word for word in ("EARLY", "LATE", "OTHER") if word in text] == []


def test_without_a_word_of_the_ingestion_status_the_page_has_no_section_for_it(html):
    assert 'href="#rows"' not in html
    assert 'class="messages"' not in html


def test_findings_are_told_in_words(html):
    text = section(html, "findings")
    assert "Level mismatch 3 findings in 3 runs, newest 2026-11-" in text
    assert "Runs whose own history ends otherwise than their sources and dates." in text


def test_a_hostile_name_is_text_and_never_markup(html, seen):
    assert WRECKER.replace("\x07", "\ufffd") in "".join(seen.parts)
    assert "<script>alert('run')</script>" in seen.text
    assert LONG_NAME in "".join(seen.parts)
    tags = [tag for tag, _ in seen.tags]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert "iframe" not in tags
    assert html.count("</script>") == 1
    assert [name for _, attrs in seen.tags for name in attrs if name.startswith("on") or name == "style"] == []


def test_the_page_refers_to_nothing_outside_itself(seen):
    references = [v for _, attrs in seen.tags for name in ("src", "href", "action", "data") if (v := attrs.get(name))]
    assert {reference[0] for reference in references} == {"#", "d"}
    assert [reference for reference in references if not reference.startswith("#")] == ["data:,"]


def test_the_policy_admits_the_pages_own_style_and_script_and_nothing_else(html, seen):
    def digest(tag: str) -> str:
        content = html.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
        return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    (policy,) = [a["content"] for _, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest('style')}'; script-src 'sha256-{digest('script')}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_a_page_that_would_weigh_too_much_says_which_runs_it_leaves_out(troubled, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE_BYTES", 215_000)
    text = read(troubled, tmp_path).text
    assert (tmp_path / "report.html").stat().st_size <= 217_000
    drawn = int(re.search(r"The newest (\d+) are drawn", text)[1])
    assert 0 < drawn < 15
    assert "select * from statsig.fct_runs where effective_outcome in ('failed', 'partial', 'stalled')" in text


def test_a_year_of_daily_data_weighs_at_most_2_mb(tmp_path):
    first = date(2025, 11, 23)
    days = [(first + timedelta(days=n)).isoformat() for n in range(365)]
    # of ten sources, each fails on every seventh day
    runs = [
        day_of(f"Daily source {number}", day, *(HEALTHY if (n + number) % 7 else RETRIED_IN_VAIN))
        for number in range(10)
        for n, day in enumerate(days)
    ]
    published = build_published(tmp_path / "statsig_runs.duckdb", runs)
    output = write_page(published, tmp_path / "report.html")
    assert output.stat().st_size <= 2_000_000
    text = output.read_text()
    assert "week of Mon 16 Nov" in text
    # the oldest week begins on the Monday before the year that is shown; the axis names the same day
    first_axis = re.search(r'<section id="errors".*?<svg.*?</svg>', text, re.DOTALL)[0]
    assert re.search(r"week of Mon 17 Nov</th>", text)
    assert ">17 Nov</text>" in first_axis
    # the first run's date is a day older than the year that is shown
    assert len(re.findall(r"<td class=[sf] ", text)) == 10 * 364
    assert "522 runs failed in whole or in part since 2025-11-23" in text
    assert "are drawn</b>, so that" not in text


def test_before_the_first_run_the_page_says_what_to_do(troubled, tmp_path):
    empty = copy_marts(troubled, tmp_path / "empty.duckdb", keep_source=None)
    text = read(empty, tmp_path).text
    assert "No run is loaded yet." in text
    assert "Run statsig-runs sync" in text


def test_a_newest_day_that_is_over_is_not_called_open(tmp_path):
    runs = [day_of("Orders", "2026-11-22", *HEALTHY)]
    text = read(build_published(tmp_path / "statsig_runs.duckdb", runs), tmp_path).text
    assert "Shown: 1 run created 2026-11-22." in text
    assert "By the day in which a run was created" in text
    assert "that is not over" not in text


def test_one_source_without_a_failure_has_a_page_that_says_so(troubled, tmp_path):
    one = copy_marts(troubled, tmp_path / "one.duckdb", keep_source="Support events")
    text = read(one, tmp_path).text
    assert "Support events is in and complete, through 2026-11-21. Nothing is running." in text
    assert "No run has failed in this time." in text
    assert "No run has failed since" in text
    assert "No run has needed a retry." in text
    assert "Nothing is in progress." in text
    assert "Nothing to report: every status is known" in text


def test_the_summary_is_a_picture_1200_points_wide_at_double_density(troubled, tmp_path):
    output = draw(troubled, tmp_path / "summary.png")
    head = output.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(head[16:20], "big") == 2400


def test_the_summary_shows_names_as_text_and_the_worst_first(troubled, monkeypatch):
    monkeypatch.setattr(summary, "SOURCES", 19)
    svg = picture(troubled)
    headline = " ".join(re.findall(r'font-size="36" font-weight="bold">([^<]*)<', svg))
    assert headline == (
        "17 of 21 sources are in and complete, through 2026-11-20 at least; failing: Events EU (18 to 22 Nov); "
        "stalled: Billing; recovering: Orders (21 and 22 Nov); not finished yet: First try."
    )
    assert svg.index("Failing since 19 Nov 06:21") < svg.index("Stalled since 20 Nov 06:50")
    assert "&lt;/script&gt;&lt;img src=x onerror" in svg
    assert "and 2 more sources, all in" in svg
    assert "<img" not in svg


def test_the_summary_names_as_many_sources_as_it_has_room_for_and_ends_its_sentence():
    def headline(name: str) -> str:
        source = {"health": "failing", "overdue_dates": [], "empty_dates": [], "complete_through_date": None}
        sources = [{**source, "source": f"{name} {n}"} for n in range(7)]
        lines = summary._headline(Marts(schema="statsig", as_of=at("2026-11-23T09:40:00"), sources=sources))
        assert len(lines) <= 4
        return " ".join(lines)

    beginning = "None of 7 sources is in and complete; failing:"
    assert headline("Orders") == f"{beginning} Orders 0, Orders 1, Orders 2, Orders 3 and 3 more."
    assert headline("Ω" * 60) == f"{beginning} {'Ω' * 39}…, {'Ω' * 39}…, {'Ω' * 39}… and 4 more."


def test_the_summary_says_of_its_hours_that_they_are_since_the_last_success(troubled):
    svg = picture(troubled)
    assert re.findall(r">(Last success|122.2 h ago|never)<", svg) == ["Last success", *["122.2 h ago"] * 2, "never"]


def test_the_summary_draws_each_look_of_a_date_and_no_two_alike(troubled, tmp_path):
    looks = [
        *(("landed", each) for each in ("succeeded", "failed", "in_progress")),
        *(("empty", "succeeded"), ("failed", "failed"), ("stalled", "stalled"), ("in_progress", "in_progress")),
        *(("missing", None), ("awaited", None)),
    ]
    one = copy_marts(troubled, tmp_path / "one.duckdb", keep_source="Events EU")
    with duckdb.connect(str(one)) as connection:
        connection.execute("delete from statsig.fct_date_freshness where date_stamp < date '2026-11-14'")
        for day, (state, newest) in enumerate(looks, start=14):
            connection.execute(
                "update statsig.fct_date_freshness set state = $1, is_landed = $1 in ('landed', 'empty'), "
                "latest_outcome = $2 where date_stamp = make_date(2026, 11, $3)",
                [state, newest, day],
            )
        assert connection.execute("select count(*) from statsig.fct_date_freshness").fetchone() == (len(looks),)
    cells = re.findall(r'<g transform="translate\(\d+ \d+\)">(<rect .*?)</g>', picture(one))
    assert (len(cells), len(set(cells))) == (14, len(looks) + 1)  # a date that nobody expects has a look as well


def test_a_date_stamp_far_ahead_does_not_end_the_grid(tmp_path):
    runs = [day_of("Orders", f"2026-11-{day}", *HEALTHY) for day in (21, 22)]
    ahead = payload("ahead", ["Orders"], ["2226-11-21"], history(*AHEAD), {("Orders", "2226-11-21"): history(*AHEAD)})
    published = build_published(tmp_path / "statsig_runs.duckdb", [*runs, ahead])
    html = write_page(published, tmp_path / "report.html").read_text()
    assert re.findall(r'abbr="([\d-]+)"', html) == ["2026-11-20", "2026-11-21"]
    assert ">Sat 21 Nov</text>" in picture(published)


def test_the_summary_before_the_first_run_is_a_picture_too(troubled, tmp_path):
    empty = copy_marts(troubled, tmp_path / "empty.duckdb", keep_source=None)
    assert draw(empty, tmp_path / "summary.png").read_bytes().startswith(b"\x89PNG")


def test_without_marts_the_error_says_to_sync(tmp_path):
    duckdb.connect(str(tmp_path / "bare.duckdb")).close()
    with pytest.raises(ConfigurationError, match=r"has no schema 'statsig'.*`statsig-runs sync` first"):
        write_page(tmp_path / "bare.duckdb", tmp_path / "report.html")


def test_another_projects_marts_are_shown_under_its_name(troubled, tmp_path):
    copy = Path(shutil.copy(troubled, tmp_path / "project.duckdb"))
    with duckdb.connect(str(copy)) as con:
        con.execute("create schema statsig_web")
        for (mart,) in con.execute("select table_name from duckdb_tables() where schema_name = 'statsig'").fetchall():
            con.execute(f"create table statsig_web.{mart} as from statsig.{mart}")
        con.execute("create schema statsig_raw_web")
        raw = "select table_name from duckdb_tables() where schema_name = 'statsig_raw'"
        for (table,) in con.execute(raw).fetchall():
            con.execute(f"create table statsig_raw_web.{table} as from statsig_raw.{table}")
    html = write_page(copy, tmp_path / "report.html", project="web").read_text()
    assert "statsig_web.source_status" in html
    assert "<title>web: 17 of 21 sources" in html
    assert ">Statsig ingestion runs of web<" in html
    with opened(copy, "web") as con:
        assert ">STATSIG INGESTION RUNS OF WEB ·" in summary.render_summary(con)


def test_a_page_that_cannot_be_written_leaves_no_draft(troubled, tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_page(troubled, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("running", "late", "unjudged", "sentence"),
    [
        (0, 0, 0, "Nothing is running."),
        (1, 0, 0, "1 run is in progress and on time."),
        (1, 1, 0, "1 run is in progress and late."),
        (1, 0, 1, "1 run is in progress; too few have finished to tell what is late."),
        (3, 2, 0, "3 runs are in progress, 2 of them late."),
        (3, 2, 1, "3 runs are in progress, 2 of them late."),
        (3, 0, 0, "3 runs are in progress, none of them late."),
        (3, 0, 1, "3 runs are in progress, none of them late as far as can be told."),
        (3, 0, 3, "3 runs are in progress; too few have finished to tell what is late."),
    ],
)
def test_the_second_sentence_counts_what_runs_and_what_is_late(running, late, unjudged, sentence):
    marts = Marts(schema="statsig", as_of=None, in_flight_count=running, late_count=late, unjudged_count=unjudged)
    assert build_flight_sentence(marts) == sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0 s"),
        (119, "119 s"),
        (720, "12 min"),
        (3900, "1 h 05 min"),
        (97_200, "27 h 00 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(seconds, text):
    assert duration(seconds) == text


def test_a_name_is_cut_between_its_characters_and_ends_in_an_ellipsis():
    assert words.shorten("Events EU", 9) == "Events EU"
    assert words.shorten("Events EU 2", 9) == "Events E…"
    assert words.shorten("ab\U0001f469\u200d\U0001f469", 5) == "ab\U0001f469\u200d\U0001f469"
    assert words.shorten("ab\U0001f469\u200d\U0001f469 and more", 5) == "ab\U0001f469…"
    assert words.shorten("bell \x07") == "bell \ufffd"


def test_a_grid_of_many_sources_goes_back_less_far_and_says_so():
    names = [f"Source {n}" for n in range(100)]
    grid = build_grid([], names, date(2025, 11, 23), date(2026, 11, 22))
    assert grid["is_cut"]
    assert grid["first"] == date(2026, 9, 14)
    assert [block["title"] for block in grid["blocks"]] == ["", "1 to 18 October 2026", "14 to 30 September 2026"]


def attempt(stage: str, started: str | None, ended: str | None, kind: str = "first", outcome: str = "complete") -> dict:
    begin, end = (at(f"2026-11-{moment}:00") if moment else None for moment in (started, ended))
    return {
        "run_id": "1",
        "source": None,
        "date_stamp": None,
        "stage": stage,
        "kind": kind,
        "started_at": begin,
        "ended_at": end,
        "seen_at": begin or end,
        "attempt_seconds": (end - begin).total_seconds() if begin and end else None,
        "outcome": outcome,
        "restart_count": 0,
    }


RUN = {
    "run_id": "1",
    "created_at": at("2026-11-20T06:00:00"),
    "last_event_at": None,
    "outcome": "succeeded",
    "effective_outcome": "succeeded",
    "total_seconds": 100_800.0,
}


def test_a_long_wait_is_drawn_short_and_told():
    attempts = [
        attempt("download", "20T06:00", "20T07:00", outcome="error"),
        attempt("pulse", "21T09:00", "21T10:00"),
    ]
    drawn = build_timeline(RUN, attempts, [], at("2026-11-23T00:00:00"))
    # two busy hours share what the wait's 6 percent leave
    assert [(bar["x"], bar["width"]) for bar in drawn["lines"][0]["bars"]] == [(0, 47), (53, 47)]
    assert drawn["waits"] == [(50.0, "26 h 00 min")]
    assert [bar["text"] for bar in drawn["lines"][0]["bars"]] == [
        "download failed after 1 h 00 min",
        "pulse 1 h 00 min",
    ]


def test_an_attempt_without_a_start_is_a_sliver_at_its_end_and_an_open_one_lasts_until_the_fetch():
    attempts = [
        attempt("download", None, "20T06:30", kind="unopened"),
        attempt("pulse", "20T06:30", None, outcome="running"),
    ]
    drawn = build_timeline(RUN, attempts, [], at("2026-11-20T07:30:00"))
    first, second = drawn["lines"][0]["bars"]
    assert (first["width"], first["text"]) == (0.4, "download complete, start unseen")
    assert (second["x"], second["width"], second["text"]) == (0, 100, "pulse running for 1 h 00 min")


def test_a_run_of_many_sources_shows_those_that_did_not_succeed_first_and_counts_the_rest():
    buckets = [
        {"source": f"S{n}", "date_stamp": date(2026, 11, 20), "outcome": "failed" if n > 35 else "succeeded"}
        for n in range(40)
    ]
    drawn = build_timeline(RUN, [], buckets, at("2026-11-20T07:30:00"))
    assert [line["source"] for line in drawn["lines"][:6]] == [None, "S36", "S37", "S38", "S39", "S0"]
    assert (len(drawn["lines"]), drawn["hidden"]) == (31, 10)
