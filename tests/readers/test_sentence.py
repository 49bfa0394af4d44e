"""The first sentence: is the data in, and complete? Told as stories, each with what it must say and must not."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from rich.cells import cell_len

from statsig_runs.readers.display import wrap
from statsig_runs.readers.health import HEALTH_WORDS
from statsig_runs.readers.sentence import as_text, build_answer, build_sentence, say_dates
from tests.support.published_runs import HOSTILE, LONG
from tests.support.written_runs import at

AS_OF = at("2026-11-25T09:40:00")


def source(
    name: str,
    health: str = "healthy",
    *overdue: str,
    through: str | None = "2026-11-24",
    started: str = "2026-01-02T09:00:00",
) -> dict:
    dates = [{"date_stamp": date.fromisoformat(day)} for day in overdue]
    complete = date.fromisoformat(through) if through else None
    return {
        "source": name,
        "health": health,
        "overdue_dates": dates,
        "empty_dates": [],
        "complete_through_date": complete,
        "last_started_at": at(started),
    }


def sentence(*sources: dict, named: int = 4) -> str:
    return as_text(build_sentence(AS_OF, sources, named=named))


def test_it_says_how_many_are_in_through_which_date_and_which_dates_are_missing():
    complete = [source(f"Source {n}", through="2026-11-23" if n == 3 else "2026-11-24") for n in range(10)]
    assert sentence(
        source("Experiment metrics", "incomplete", "2026-11-16", "2026-11-17"),
        source("Support events", "incomplete", "2026-11-09", "2026-11-22"),
        *complete,
    ) == (
        "10 of 12 sources are in and complete, through 2026-11-23 at least; "
        "incomplete: Experiment metrics (16 and 17 Nov), Support events (9 and 22 Nov)."
    )


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ([], "No run names a source yet."),
        ([source("Orders")], "Orders is in and complete, through 2026-11-24."),
        ([source("Orders", "never_finished", through=None)], "Orders is not finished yet."),
        ([source("Orders", "failing")], "Orders is failing."),
        ([source("Orders", "incomplete", "2026-11-17")], "Orders is incomplete (17 Nov)."),
        ([source("Orders", through="2026-01-31")], "Orders has been silent for over 30 days."),
        (
            [source("Orders", through="2026-01-31", started="2026-11-25T03:00:00")],
            "Orders has been without a new date for over 30 days.",
        ),
        ([source("A"), source("B")], "Both sources are in and complete, through 2026-11-24 at least."),
        ([source(name) for name in "ABC"], "All 3 sources are in and complete, through 2026-11-24 at least."),
        (
            [source("A", "failing", "2026-11-24"), source("B", "recovering")],
            "None of 2 sources is in and complete; failing: A (24 Nov); recovering: B.",
        ),
        (
            [source("A", "stalled"), source("B", "never_finished"), source("C")],
            "1 of 3 sources is in and complete, through 2026-11-24; stalled: A; not finished yet: B.",
        ),
    ],
)
def test_it_fits_every_number_of_sources(sources: list[dict], told: str):
    assert sentence(*sources) == told


def test_a_source_that_has_retired_does_not_drag_the_date_into_the_past():
    assert sentence(source("A"), source("B", through="2026-11-23"), source("Old", through="2026-03-01")) == (
        "2 of 3 sources are in and complete, through 2026-11-23 at least; silent for over 30 days: Old."
    )


def test_a_date_that_landed_without_data_is_never_passed_over():
    empty = [date(2026, 11, 20), date(2026, 11, 21)]
    assert sentence(source("A") | {"empty_dates": empty}) == (
        "A is in and complete, through 2026-11-24; empty: A (20 and 21 Nov)."
    )
    assert sentence(source("A", "failing") | {"empty_dates": empty[:1]}) == "A is failing; empty: A (20 Nov)."
    assert sentence(source("A", "failing"), source("B"), source("C") | {"empty_dates": empty}, named=1) == (
        "2 of 3 sources are in and complete, through 2026-11-24 at least; failing: A; empty: C (20 and 21 Nov)."
    )
    assert sentence(*(source(name) | {"empty_dates": empty[:1]} for name in "ABC"), named=2) == (
        "All 3 sources are in and complete, through 2026-11-24 at least; empty: A (20 Nov), B (20 Nov) and 1 more."
    )


def test_a_weekly_source_is_in_through_its_last_week():
    assert sentence(source("Daily"), source("Weekly", through="2026-11-22")) == (
        "Both sources are in and complete, through 2026-11-22 at least."
    )


def test_nothing_is_said_of_all_where_one_has_no_date_to_show():
    assert sentence(source("A"), source("B", through=None)) == "Both sources are in and complete."


def test_the_worst_come_first_and_what_is_not_named_is_counted():
    sources = [
        *(source(f"F{n}", "failing") for n in range(3)),
        *(source(f"I{n}", "incomplete", "2026-11-20") for n in range(3)),
        source("N", "never_finished"),
    ]
    assert sentence(*sources) == (
        "None of 7 sources is in and complete; failing: F0, F1, F2; incomplete: I0 (20 Nov) and 2 more; "
        "not finished yet: 1 source."
    )
    assert sentence(*sources, named=2) == (
        "None of 7 sources is in and complete; failing: F0, F1 and 1 more; incomplete: 3 sources; "
        "not finished yet: 1 source."
    )


def test_every_source_is_counted_once_whatever_its_health():
    sources = [source(health, health) for health in HEALTH_WORDS]
    told = sentence(*sources, named=9)
    assert told.startswith("1 of 6 sources is in and complete")
    assert [word for word in HEALTH_WORDS.values() if told.count(f"; {word}: ") != 1] == ["healthy"]


def test_a_hostile_name_is_escaped_and_a_long_one_cut():
    told = sentence(source(HOSTILE, "failing"), source(LONG, "stalled"))
    assert "\x1b" not in told
    assert "\n" not in told
    assert "Ω" * 39 + "…" in told


def test_it_is_whole_in_lines_of_eighty_columns():
    names = ["日本語のイベント" * 9, LONG, HOSTILE, "Support events", *(f"Source {n}" for n in range(50))]
    days = [f"2026-11-{day:02}" for day in range(1, 23, 3)]
    told = sentence(*(source(name, "incomplete", *days) for name in names))
    lines = wrap(told, 79)
    assert " ".join(lines) == told
    assert max(map(cell_len, lines)) <= 79
    assert told.endswith("Support events (1, 4, 7 Nov and 5 more) and 50 more.")


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ("11-22", "22 Nov"),
        ("11-16 11-17", "16 and 17 Nov"),
        ("11-16 11-17 11-18", "16 to 18 Nov"),
        ("11-09 11-22", "9 and 22 Nov"),
        ("11-09 11-16 11-22", "9, 16 and 22 Nov"),
        ("11-03 11-09 11-10 11-11 11-22", "3, 9 to 11 and 22 Nov"),
        ("10-31 11-01", "31 Oct and 1 Nov"),
        ("10-30 10-31 11-01 11-05", "30 Oct to 1 Nov and 5 Nov"),
        ("11-01 11-03 11-05 11-07 11-09", "1, 3, 5 Nov and 2 more"),
        ("11-01 11-03 11-04 11-07", "1, 3, 4 Nov and 1 more"),
    ],
)
def test_dates_are_told_as_one_would_say_them(days: str, told: str):
    assert say_dates([date.fromisoformat(f"2026-{day}") for day in days.split()], 2026) == told


def test_another_year_is_named():
    new_year = date(2026, 1, 1)
    assert say_dates([new_year - timedelta(days=2), new_year + timedelta(days=1)], 2026) == "30 Dec 2025 and 2 Jan"
    week = [new_year + timedelta(days=n) for n in range(-2, 3)]
    assert say_dates(week, 2026) == "30 Dec 2025 to 3 Jan"
    assert say_dates(week[:2], 2026) == "30 and 31 Dec 2025"


def test_before_the_first_run_there_is_nothing_to_count():
    assert as_text(build_sentence(None, [])) == "No run is loaded yet."


def test_what_cannot_be_known_any_more_comes_first():
    def told(hours: float, max_hours: float | None) -> str:
        return as_text(build_answer(AS_OF, [source("A"), source("B")], AS_OF + timedelta(hours=hours), max_hours))

    known = "Both sources are in and complete, through 2026-11-24 at least."
    assert told(26, 26) == told(999, None) == told(999, -1) == known
    assert told(27, 26) == f"Unknown, no sync has fetched a run for 27 h 00 min; as of then: {known}"
    assert told(-49, None) == (
        "Unknown, the newest fetch is 2 d 1 h in the future, so a clock is or was wrong; as of that fetch: " + known
    )
