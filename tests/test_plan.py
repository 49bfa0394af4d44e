"""When a run is settled, which ids are asked for, and what the next sync has to know."""

from datetime import UTC, datetime, timedelta

from statsig_runs.plan import Gap, Progress, is_plausible, is_settled, reads

NOW = datetime(2026, 1, 31, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_run_is_settled_when_it_is_old_and_not_in_progress() -> None:
    old, young = NOW - timedelta(days=14, seconds=1), NOW - timedelta(days=14)
    assert is_settled(old, in_progress=False, now=NOW, settle_days=14)
    assert not is_settled(young, in_progress=False, now=NOW, settle_days=14)
    assert not is_settled(old, in_progress=True, now=NOW, settle_days=14)
    assert is_settled(datetime.max.replace(tzinfo=UTC), in_progress=False, now=NOW, settle_days=14)


def test_a_time_is_plausible_from_2015_until_two_days_from_now() -> None:
    assert is_plausible(datetime(2015, 1, 1, tzinfo=UTC), NOW)
    assert is_plausible(NOW + 2 * DAY, NOW)
    assert not is_plausible(datetime(2014, 12, 31, 23, 59, tzinfo=UTC), NOW)
    assert not is_plausible(NOW + 2 * DAY + timedelta(seconds=1), NOW)


def test_reads_are_in_order_each_once_and_without_what_pages_brought() -> None:
    assert reads(["b", "a"], ["c", "b"], brought={"a"}) == ["b", "c"]


def test_progress_survives_its_state() -> None:
    gaps = (Gap(3, NOW, BEFORE, ("a", "b"), is_bad=True), Gap(7))
    progress = Progress(NOW, gaps, leftover=("a", "b"), failed=("c",), is_turn_of_rest=True)
    assert Progress.from_state(progress.to_state()) == progress
    assert Progress.from_state({}) == Progress()
