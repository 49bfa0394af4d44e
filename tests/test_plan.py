"""Which page comes next, and when a listing has told enough."""

from datetime import UTC, datetime, timedelta

from statsig_runs.plan import KnownRun, ListedRun, Listing, Progress, is_settled, reads

NOW = datetime(2026, 1, 31, tzinfo=UTC)
DONE = Progress(is_complete=True)


def listed(*days_old: float, hash_: str = "h") -> list[ListedRun]:
    """Runs named after their age in days."""
    return [ListedRun(f"r{days}", hash_, NOW - timedelta(days=days)) for days in days_old]


def known(runs: list[ListedRun], *, settled: bool = True) -> dict[str, KnownRun]:
    return {run.run_id: KnownRun(run.run_id, run.content_hash, NOW, settled) for run in runs}


def test_a_run_is_settled_when_it_is_old_and_not_in_progress() -> None:
    old, young = NOW - timedelta(days=14, seconds=1), NOW - timedelta(days=14)
    assert is_settled(old, in_progress=False, now=NOW, settle_days=14)
    assert not is_settled(young, in_progress=False, now=NOW, settle_days=14)
    assert not is_settled(old, in_progress=True, now=NOW, settle_days=14)


def test_the_listing_ends_at_a_page_of_settled_unchanged_runs() -> None:
    listing = Listing(DONE)
    young, old = listed(1, 2), listed(20, 21)
    assert listing.next_page(1, young, known(young, settled=False), is_last=False) == 2
    assert listing.next_page(2, old, known(old), is_last=False) is None


def test_a_changed_run_keeps_the_listing_going() -> None:
    before, now = listed(20, 21), listed(20, 21, hash_="other")
    assert Listing(DONE).next_page(1, now, known(before), is_last=False) == 2


def test_an_unknown_run_keeps_the_listing_going() -> None:
    runs = listed(20, 21)
    assert Listing(DONE).next_page(1, runs, known(runs[:1]), is_last=False) == 2


def test_a_list_that_is_oldest_first_is_read_to_its_end() -> None:
    listing = Listing(DONE)
    for number, runs in enumerate((listed(30, 29), listed(28, 27), listed(26, 25)), start=1):
        assert listing.next_page(number, runs, known(runs), is_last=False) == number + 1


def test_a_direction_that_shows_late_is_waited_for() -> None:
    listing = Listing(DONE)
    same = [ListedRun("a", "h", NOW - timedelta(days=30)), ListedRun("b", "h", NOW - timedelta(days=30))]
    assert listing.next_page(1, same, known(same), is_last=False) == 2
    falling = listed(40, 41)
    assert listing.next_page(2, falling, known(falling), is_last=False) is None


def test_runs_pushed_on_to_the_next_page_do_not_look_like_a_change_of_direction() -> None:
    listing = Listing(DONE)
    first = listed(20, 21)
    listing.next_page(1, first, {}, is_last=False)
    shifted = listed(20, 21, 22)
    assert listing.next_page(2, shifted, known(shifted), is_last=False) is None


def test_refused_runs_neither_end_a_listing_nor_hold_it_up() -> None:
    runs = [*listed(20), ListedRun("bad", "h", None), *listed(21)]
    assert Listing(DONE).next_page(1, runs, known(runs), is_last=False) is None
    assert Listing(DONE).next_page(1, [ListedRun("bad", "h", None)], {}, is_last=False) == 2


def test_full_reads_every_page() -> None:
    runs = listed(20, 21)
    assert Listing(DONE, full=True).next_page(1, runs, known(runs), is_last=False) == 2


def test_since_ends_the_listing_at_a_page_of_older_runs() -> None:
    listing = Listing(Progress(), since=NOW - timedelta(days=10))
    assert listing.next_page(1, listed(1, 2), {}, is_last=False) == 2
    assert listing.next_page(2, listed(9, 11), {}, is_last=False) == 3
    assert listing.next_page(3, listed(12, 13), {}, is_last=False) is None
    assert not listing.progress.is_complete


def test_a_first_reading_that_was_cut_short_goes_on_after_where_it_stopped_and_then_reads_what_is_new() -> None:
    listing = Listing(Progress(page=40))
    assert listing.first_page == 41
    deep = listed(50, 51)
    assert listing.next_page(41, deep, known(deep), is_last=False) == 42
    assert listing.progress == Progress(page=41, oldest=NOW - timedelta(days=51))
    assert listing.next_page(42, listed(60, 61), {}, is_last=True) == 1
    assert listing.progress == DONE
    assert listing.next_page(1, listed(1, 2), {}, is_last=False) == 2
    top = listed(20, 21)
    assert listing.next_page(2, top, known(top), is_last=False) is None
    assert listing.progress == DONE


def test_a_later_reading_that_was_cut_short_goes_on_to_what_was_known_before_it() -> None:
    cut = Progress(is_complete=True, page=4, oldest=NOW - timedelta(days=40))
    listing = Listing(cut)
    its_own, new, before = listed(39, 40), listed(45, 46), listed(50, 51)
    assert listing.next_page(5, its_own, known(its_own), is_last=False) == 6
    assert listing.next_page(6, new, {}, is_last=False) == 7
    assert listing.progress == Progress(is_complete=True, page=6, oldest=NOW - timedelta(days=46))
    assert listing.next_page(7, before, known(before), is_last=False) == 1


def test_a_full_reading_that_was_cut_short_goes_on_to_the_end() -> None:
    listing = Listing(DONE, full=True)
    runs = listed(20, 21)
    listing.next_page(1, runs, known(runs), is_last=False)
    assert listing.progress == Progress(page=1, oldest=NOW - timedelta(days=21))


def test_two_cuts_at_a_time_leave_all_below_the_first_to_be_read() -> None:
    listing = Listing(
        Progress(is_complete=True, page=9, oldest=NOW - timedelta(days=50)), since=NOW - timedelta(days=30)
    )
    assert listing.first_page == 1
    assert listing.next_page(1, listed(1, 2), {}, is_last=False) == 2
    assert listing.next_page(2, listed(31, 32), {}, is_last=False) is None
    assert listing.progress == Progress(page=2, oldest=NOW - timedelta(days=32))


def test_what_since_left_out_stays_to_be_read_by_a_sync_without_it() -> None:
    cut = Progress(page=9, oldest=NOW - timedelta(days=50))
    listing = Listing(cut, since=NOW - timedelta(days=30))
    known_runs = listed(20, 21)
    assert listing.next_page(1, known_runs, known(known_runs), is_last=False) is None
    assert listing.progress == cut
    assert Listing(cut).first_page == 10


def test_the_new_runs_of_a_list_that_is_oldest_first_come_with_its_end() -> None:
    listing = Listing(Progress(page=1))
    assert listing.next_page(2, listed(30, 29), {}, is_last=True) is None
    assert listing.progress == DONE


def test_progress_names_the_last_page_while_a_first_reading_goes_on() -> None:
    listing = Listing(Progress())
    listing.next_page(1, listed(1, 2), {}, is_last=False)
    listing.next_page(2, listed(3, 4), {}, is_last=False)
    assert listing.progress == Progress(is_complete=False, page=2, oldest=NOW - timedelta(days=4))


def test_an_empty_page_is_the_end() -> None:
    listing = Listing(Progress(page=7))
    assert listing.next_page(8, [], {}, is_last=False) == 1
    assert listing.progress.is_complete
    assert listing.next_page(1, [], {}, is_last=False) is None
    assert listing.progress.is_complete


def test_a_server_that_ignores_the_page_number_is_not_asked_for_ever() -> None:
    listing = Listing(Progress())
    runs = listed(1, 2)
    pages = [listing.next_page(number, runs, {}, is_last=False) for number in range(1, 5)]
    assert pages == [2, 3, 4, None]
    assert not listing.progress.is_complete


def test_reads_are_in_order_each_once_and_without_what_pages_brought() -> None:
    assert reads(["b", "a"], ["c", "b"], brought={"a"}) == ["b", "c"]


def test_progress_survives_its_state() -> None:
    progress = Progress(is_complete=True, page=3, oldest=NOW, leftover=("a", "b"))
    assert Progress.from_state(progress.to_state()) == progress
    assert Progress.from_state({}) == Progress()
