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


def test_a_first_reading_that_was_cut_short_goes_on_a_page_before_where_it_stopped() -> None:
    listing = Listing(Progress(page=40))
    top = listed(20, 21)
    assert listing.next_page(1, top, known(top), is_last=False) == 39
    deep = listed(50, 51)
    assert listing.next_page(39, deep, known(deep), is_last=False) == 40
    assert listing.next_page(40, listed(60, 61), {}, is_last=True) is None
    assert listing.progress.is_complete


def test_progress_names_the_last_page_while_a_first_reading_goes_on() -> None:
    listing = Listing(Progress())
    listing.next_page(1, listed(1, 2), {}, is_last=False)
    listing.next_page(2, listed(3, 4), {}, is_last=False)
    assert listing.progress == Progress(is_complete=False, page=2)


def test_an_empty_page_is_the_end() -> None:
    listing = Listing(Progress(page=7))
    assert listing.next_page(9, [], {}, is_last=False) is None
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
    progress = Progress(is_complete=True, page=3, leftover=("a", "b"))
    assert Progress.from_state(progress.to_state()) == progress
    assert Progress.from_state({}) == Progress()
