"""Which page comes next, when a list has told enough, and what is left to the next sync."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from statsig_runs.listing import Listing
from statsig_runs.plan import Gap, KnownRun, ListedRun, Progress

NOW = datetime(2026, 1, 31, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)
"""When the last sync was done with the top of the list."""
DONE = Progress(as_of=BEFORE)
DAY = timedelta(days=1)


def listed(*days_old: float, hash_: str = "h") -> list[ListedRun]:
    """Runs named after their age in days."""
    return [ListedRun(f"r{days}", hash_, NOW - timedelta(days=days)) for days in days_old]


def known(runs: list[ListedRun], *, settled: bool = True, fetched_at: datetime = BEFORE) -> dict[str, KnownRun]:
    return {run.run_id: KnownRun(run.run_id, run.content_hash, fetched_at, settled) for run in runs}


def take(
    listing: Listing, runs: Sequence[ListedRun], before: dict[str, KnownRun] | None = None, *, is_last: bool = False
) -> int | None:
    """Read the page that is asked for; returns the next one."""
    listing.take(runs, before or {}, is_last=is_last, fetched_at=NOW)
    return listing.page


def test_a_reading_ends_at_a_page_of_settled_unchanged_runs() -> None:
    listing = Listing(DONE)
    young, old = listed(1, 2), listed(20, 21)
    assert listing.page == 1
    assert take(listing, young, known(young, settled=False)) == 2
    assert take(listing, old, known(old)) is None
    assert listing.progress == Progress(as_of=NOW)


def test_a_changed_run_keeps_the_reading_going() -> None:
    before, now = listed(20, 21), listed(20, 21, hash_="other")
    assert take(Listing(DONE), now, known(before)) == 2


def test_an_unknown_run_keeps_the_reading_going() -> None:
    runs = listed(20, 21)
    assert take(Listing(DONE), runs, known(runs[:1])) == 2


def test_runs_that_are_known_because_they_were_asked_for_by_name_tell_nothing_of_those_below() -> None:
    runs = listed(20, 21)
    assert take(Listing(DONE), runs, known(runs, fetched_at=BEFORE + timedelta(seconds=1))) == 2


def test_a_first_reading_goes_to_the_end_whatever_is_known() -> None:
    listing = Listing(Progress())
    runs = listed(20, 21)
    assert take(listing, runs, known(runs)) == 2
    assert take(listing, listed(30), is_last=True) is None
    assert listing.progress == Progress(as_of=NOW)


def test_a_list_that_is_oldest_first_is_read_to_its_end() -> None:
    listing = Listing(DONE)
    for number, runs in enumerate((listed(30, 29), listed(28, 27), listed(26, 25)), start=2):
        assert take(listing, runs, known(runs)) == number


def test_a_list_in_no_order_is_read_to_its_end() -> None:
    listing = Listing(DONE)
    for number in range(2, 5):
        runs = listed(*(number * 100 + days for days in (20, 28, 23, 29, 21, 27, 30)))
        assert take(listing, runs, known(runs)) == number


def test_one_run_out_of_order_and_one_of_an_odd_time_change_no_order() -> None:
    listing = Listing(DONE)
    runs = [*listed(20, 21, 22, 23.1, 23, 24, 25), ListedRun("go", "h", None)]
    assert take(listing, runs, known(runs)) is None


def test_an_order_that_shows_late_is_waited_for() -> None:
    listing = Listing(DONE)
    same = [ListedRun("a", "h", NOW - timedelta(days=30)), ListedRun("b", "h", NOW - timedelta(days=30))]
    assert take(listing, same, known(same)) == 2
    falling = listed(40, 41)
    assert take(listing, falling, known(falling)) is None


def test_runs_pushed_on_to_the_next_page_do_not_look_like_a_change_of_order() -> None:
    listing = Listing(DONE)
    take(listing, listed(20, 21))
    shifted = listed(20, 21, 22)
    assert take(listing, shifted, known(shifted)) is None


def test_refused_runs_neither_end_a_reading_nor_hold_it_up() -> None:
    runs = [*listed(20), ListedRun("bad", "h", None), *listed(21)]
    assert take(Listing(DONE), runs, known(runs)) is None
    assert take(Listing(DONE), [ListedRun("bad", "h", None)]) == 2


def test_full_reads_every_page() -> None:
    runs = listed(20, 21)
    assert take(Listing(DONE, full=True), runs, known(runs)) == 2


def test_since_ends_the_reading_at_a_page_of_older_runs_and_leaves_the_rest() -> None:
    listing = Listing(Progress(), since=NOW - 10 * DAY)
    assert take(listing, listed(1, 2)) == 2
    assert take(listing, listed(9, 11)) == 3
    assert take(listing, listed(12, 13)) is None
    assert listing.progress == Progress(as_of=NOW, gaps=(Gap(4, oldest=NOW - 13 * DAY),))


def test_what_since_left_out_stays_to_be_read_by_a_sync_without_it() -> None:
    cut = Progress(as_of=BEFORE, gaps=(Gap(10, oldest=NOW - 50 * DAY),))
    listing = Listing(cut, since=NOW - 30 * DAY)
    top = listed(20, 21)
    assert take(listing, top, known(top)) is None
    assert listing.progress.gaps == cut.gaps
    listing = Listing(cut)
    assert take(listing, top, known(top)) == 10


def test_a_reading_that_was_cut_short_is_gone_on_with_after_the_top() -> None:
    first = Listing(Progress())
    assert take(first, listed(40, 41)) == 2
    assert take(first, listed(50, 51)) == 3
    progress = first.progress
    assert progress == Progress(as_of=NOW, gaps=(Gap(3, oldest=NOW - 51 * DAY),))
    second = Listing(progress)
    top = listed(40, 41)
    assert second.page == 1
    assert take(second, top, known(top)) == 3
    assert take(second, listed(60, 61)) == 4
    assert take(second, listed(70, 71), is_last=True) is None
    assert second.progress == Progress(as_of=NOW)


def test_what_is_new_at_the_top_is_read_before_a_gap() -> None:
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(40),)))
    assert take(listing, listed(1, 2)) == 2
    old = listed(20, 21)
    assert take(listing, old, known(old)) == 40
    assert take(listing, listed(80, 81), is_last=True) is None
    assert listing.progress.is_complete


def test_pages_of_runs_that_may_have_changed_are_read_after_the_gap_and_none_twice() -> None:
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(3),)))
    first, second, third = listed(1, 2), listed(3, 4), listed(20, 21)
    assert take(listing, first, known(first, settled=False)) == 3
    assert take(listing, listed(5, 6), is_last=False) == 4
    assert take(listing, third, is_last=True) == 2
    assert take(listing, second, known(second, settled=False)) is None
    assert listing.progress == Progress(as_of=NOW)


def test_a_later_reading_that_was_cut_short_ends_at_what_was_known_before_it() -> None:
    long_ago = NOW - 5 * DAY
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(5, as_of=long_ago),)))
    top, its_own, new, before = listed(30, 31), listed(39, 40), listed(45, 46), listed(50, 51)
    assert take(listing, top, known(top)) == 5
    assert take(listing, its_own, known(its_own)) == 6
    assert take(listing, new) == 7
    assert take(listing, before, known(before, fetched_at=long_ago)) is None
    assert listing.progress == Progress(as_of=NOW)


def test_a_full_reading_that_was_cut_short_goes_on_to_the_end() -> None:
    listing = Listing(DONE, full=True)
    runs = listed(20, 21)
    take(listing, runs, known(runs))
    assert listing.progress == Progress(as_of=NOW, gaps=(Gap(2, oldest=NOW - 21 * DAY),))


def test_a_top_that_is_long_leaves_the_gap_its_turn_and_becomes_one_itself() -> None:
    cut = Progress(as_of=BEFORE, gaps=(Gap(9, as_of=None, oldest=NOW - 50 * DAY),))
    listing = Listing(cut, most_at_top=2)
    assert take(listing, listed(1, 2)) == 2
    assert take(listing, listed(3, 4)) == 9
    assert take(listing, listed(51, 52)) == 10
    assert listing.progress == Progress(
        as_of=NOW, gaps=(Gap(3, as_of=BEFORE, oldest=NOW - 4 * DAY), Gap(10, oldest=NOW - 52 * DAY))
    )


def test_a_sync_of_one_request_may_spend_it_on_the_gap() -> None:
    cut = Progress(as_of=BEFORE, gaps=(Gap(9),), is_turn_of_rest=True)
    listing = Listing(cut)
    assert listing.page == 9
    listing.take(listed(50), {}, is_last=False, fetched_at=NOW)
    assert listing.progress == Progress(as_of=BEFORE, gaps=(Gap(10, oldest=NOW - 50 * DAY),))


def test_a_top_that_reads_through_a_gap_has_closed_it() -> None:
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(2, as_of=BEFORE - DAY),)))
    old = listed(40, 41)
    assert take(listing, listed(1, 2)) == 2
    assert take(listing, listed(3, 4)) == 3
    assert listing.progress.gaps == (Gap(3, as_of=BEFORE - DAY, oldest=NOW - 4 * DAY),)
    assert take(listing, old, known(old, fetched_at=BEFORE - DAY)) == 4
    assert take(listing, listed(50), is_last=True) is None
    assert listing.progress == Progress(as_of=NOW)


def test_a_page_that_cannot_be_read_is_passed_and_remembered_with_the_runs_below_it() -> None:
    listing = Listing(Progress())
    assert take(listing, listed(1, 2)) == 2
    listing.fail()
    assert listing.page == 3
    assert take(listing, listed(5, 6)) == 4
    assert take(listing, listed(7), is_last=True) is None
    bad = Gap(2, oldest=NOW - 2 * DAY, below=("r5", "r6"), is_bad=True)
    assert listing.progress == Progress(as_of=NOW, gaps=(bad,))


def test_a_page_that_could_not_be_read_comes_last_and_is_well_once_the_runs_below_it_come() -> None:
    bad = Gap(2, oldest=NOW - 2 * DAY, below=("r5", "r6"), is_bad=True)
    listing = Listing(Progress(as_of=BEFORE, gaps=(bad,)))
    top = listed(20, 21)
    assert take(listing, top, known(top)) == 2
    assert listing.is_bad
    assert take(listing, listed(21, 3)) == 3
    assert not listing.is_bad
    assert take(listing, listed(4, 5)) is None
    assert listing.progress == Progress(as_of=NOW)


def test_a_page_that_still_cannot_be_read_stays_a_gap_wherever_it_has_moved() -> None:
    bad = Gap(2, oldest=NOW - 2 * DAY, below=("r5", "r6"), is_bad=True)
    listing = Listing(Progress(as_of=BEFORE, gaps=(bad,)))
    assert take(listing, listed(0.1, 0.2)) == 2
    two = listed(1, 2)
    assert take(listing, two, known(two)) == 3
    listing.fail()
    assert take(listing, listed(5, 6)) is None
    assert listing.progress.gaps == (Gap(3, oldest=NOW - 2 * DAY, below=("r5", "r6"), is_bad=True),)


def test_the_first_page_may_be_the_one_that_cannot_be_read() -> None:
    listing = Listing(DONE)
    listing.fail()
    assert listing.page == 2
    old = listed(20, 21)
    assert take(listing, old, known(old)) is None
    assert listing.progress == Progress(as_of=NOW, gaps=(Gap(1, as_of=BEFORE, below=("r20", "r21"), is_bad=True),))
    again = Listing(listing.progress)
    assert again.is_bad
    again.fail()
    assert not again.is_bad
    assert take(again, old, known(old, fetched_at=NOW)) is None
    assert again.progress.gaps == (Gap(1, as_of=BEFORE, below=("r20", "r21"), is_bad=True),)


def test_three_pages_in_a_row_that_cannot_be_read_end_a_reading_for_this_time() -> None:
    listing = Listing(Progress())
    take(listing, listed(1, 2))
    for page in (2, 3, 4):
        assert listing.page == page
        listing.fail()
    assert listing.page is None
    assert listing.progress == Progress(as_of=NOW, gaps=(Gap(2, oldest=NOW - 2 * DAY, is_bad=True),))


def test_nothing_is_known_while_no_page_was_read() -> None:
    listing = Listing(Progress())
    listing.fail()
    assert listing.progress == Progress()


def test_a_gap_whose_page_is_refused_is_looked_for_from_the_top() -> None:
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(8),)))
    top = listed(20, 21)
    assert take(listing, top, known(top)) == 8
    assert listing.start_over()
    assert listing.page == 2
    assert take(listing, listed(30), is_last=True) is None
    assert listing.progress == Progress(as_of=NOW)


def test_a_page_that_is_refused_again_is_not_looked_for_without_end() -> None:
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(2),)))
    top = listed(20, 21)
    assert take(listing, top, known(top)) == 2
    assert listing.start_over()
    assert listing.page == 2
    assert not listing.start_over()
    listing.fail(is_refused=True)
    assert listing.page == 3


def test_unreadable_pages_that_are_all_refused_are_looked_for_from_the_top_next_time() -> None:
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(8, below=("x",), is_bad=True),)))
    top = listed(20, 21)
    take(listing, top, known(top))
    for page in (8, 9, 10):
        assert listing.page == page
        assert not listing.start_over()
        listing.fail(is_refused=True)
    assert listing.progress.gaps == (Gap(1, below=("x",)),)


def test_a_gap_below_the_end_of_the_list_is_none() -> None:
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(8),)))
    assert take(listing, listed(1)) == 2
    assert take(listing, listed(2), is_last=True) is None
    assert listing.progress == Progress(as_of=NOW)


def test_the_new_runs_of_a_list_that_is_oldest_first_come_with_its_end() -> None:
    listing = Listing(Progress(as_of=BEFORE, gaps=(Gap(3),)))
    first, second = listed(50, 49), listed(48, 47)
    assert take(listing, first, known(first)) == 3
    assert take(listing, listed(30, 1), is_last=True) == 2
    assert take(listing, second, known(second)) is None
    assert listing.progress == Progress(as_of=NOW)


def test_an_empty_page_is_no_end_where_the_api_names_a_next_one_but_three_are() -> None:
    listing = Listing(Progress())
    assert take(listing, []) == 2
    assert take(listing, listed(1)) == 3
    assert [take(listing, []) for _ in range(3)] == [4, 5, None]
    assert listing.progress == Progress(as_of=NOW)
    assert not listing.is_repeating


def test_a_server_that_ignores_the_page_number_is_not_asked_for_ever() -> None:
    listing = Listing(Progress())
    runs = listed(1, 2)
    assert [take(listing, runs) for _ in range(4)] == [2, 3, 4, None]
    assert listing.is_repeating
    assert listing.progress == Progress(as_of=NOW, gaps=(Gap(2, oldest=NOW - 2 * DAY),))


def test_elements_without_an_id_are_told_apart_by_what_they_hold() -> None:
    listing = Listing(Progress())
    pages = [take(listing, [ListedRun("", f"hash {number}", None)]) for number in range(5)]
    assert pages == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("count", [50, 51, 60])
def test_there_are_never_many_gaps_and_none_is_lost(count: int) -> None:
    gaps = tuple(Gap(10 * number, as_of=BEFORE - number * DAY, below=(f"r{number}",)) for number in range(1, count + 1))
    listing = Listing(Progress(as_of=BEFORE, gaps=gaps))
    top = listed(20, 21)
    take(listing, top, known(top))
    kept = listing.progress.gaps
    assert kept[:49] == gaps[:49]
    assert kept[49] == (gaps[49] if count == 50 else Gap(500, as_of=BEFORE - count * DAY))
