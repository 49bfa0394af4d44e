"""The rate windows hold for all threads and all processes, and waiting for them ends when it is called off."""

import logging
import multiprocessing
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from pyrate_limiter import SQLiteBucket

from statsig_runs.api import ConsoleApi, Runs
from statsig_runs.api.rate_limit import RateLimiter, Stopped, parse_rate_limits, widen
from statsig_runs.errors import ConfigurationError
from statsig_runs.simulator import Simulator

KEY = "console-for-the-limiter"


class Waiter:
    """A limiter of five requests a minute, whose `acquire` says how long it would wait instead of waiting."""

    def __init__(self, path: Path | None) -> None:
        self.stop = threading.Event()
        self.until = 0.0
        self.limiter = RateLimiter(parse_rate_limits("5/60"), path, self._note)

    def _note(self, until: float) -> None:
        self.until = until
        self.stop.set()

    def wait_for_next(self) -> float:
        """Seconds that the next request would wait; 0 if it may leave."""
        self.stop.clear()
        try:
            self.limiter.acquire(self.stop)
        except Stopped:
            return self.until - time.time()
        return 0.0


def test_windows_are_read_as_requests_per_seconds() -> None:
    rates = parse_rate_limits(" 900/900, 100/10 ")
    assert [(rate.limit, rate.interval) for rate in rates] == [(100, 10_000), (900, 900_000)]


@pytest.mark.parametrize(
    "text", ["", "100", "100/", "/10", "0/10", "-1/10", "100/0", "1e3/10", "100/10;900/900", "100/10,50/900", "9/inf"]
)
def test_windows_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must be requests/seconds"):
        parse_rate_limits(text)


def test_each_window_is_kept_a_little_longer_than_the_api_has_it() -> None:
    widened = widen(parse_rate_limits("20/1,100/10,900/900"))
    assert [(rate.limit, rate.interval) for rate in widened] == [(20, 1040), (100, 10100), (900, 900100)]


def test_the_sixth_request_in_a_window_of_five_waits_for_the_first_to_leave_it(tmp_path: Path) -> None:
    waiter = Waiter(tmp_path / "log.sqlite")
    assert [waiter.wait_for_next() for _ in range(5)] == [0, 0, 0, 0, 0]
    assert 50 < waiter.wait_for_next() < 60.2


def test_a_second_process_takes_the_first_ones_requests_into_account(tmp_path: Path) -> None:
    first, second = Waiter(tmp_path / "log.sqlite"), Waiter(tmp_path / "log.sqlite")
    assert [w.wait_for_next() for w in (first, second, first, second, first)] == [0, 0, 0, 0, 0]
    assert first.wait_for_next() > 50
    assert second.wait_for_next() > 50


def test_the_log_outlives_its_process(tmp_path: Path) -> None:
    first = Waiter(tmp_path / "log.sqlite")
    assert [first.wait_for_next() for _ in range(5)] == [0, 0, 0, 0, 0]
    first.limiter.close()
    assert Waiter(tmp_path / "log.sqlite").wait_for_next() > 50


def test_a_clock_that_was_set_back_costs_one_window_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter = Waiter(tmp_path / "log.sqlite")
    assert [waiter.wait_for_next() for _ in range(5)] == [0, 0, 0, 0, 0]
    a_day_ago = (time.time_ns() // 1_000_000) - 86_400_000
    monkeypatch.setattr(SQLiteBucket, "now", lambda _: a_day_ago)
    assert 50 < waiter.wait_for_next() < 60.2
    monkeypatch.setattr(SQLiteBucket, "now", lambda _: a_day_ago + 60_200)
    assert waiter.wait_for_next() == 0


@pytest.mark.parametrize("obstacle", ["a file for its folder", "a database of something else"])
def test_a_log_that_cannot_be_used_is_replaced_by_one_in_memory_with_one_warning(
    obstacle: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state" / "log.sqlite"
    if obstacle == "a file for its folder":
        path.parent.write_text("")
    else:
        path.parent.mkdir()
        sqlite3.connect(path).execute("CREATE TABLE rate_bucket (something TEXT)").connection.close()
    with caplog.at_level(logging.WARNING):
        waiter = Waiter(path)
        assert [waiter.wait_for_next() for _ in range(5)] == [0, 0, 0, 0, 0]
        assert waiter.wait_for_next() > 50
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "delete it" in caplog.text


def test_a_damaged_log_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "log.sqlite"
    path.write_bytes(b"no database" * 1000)
    first, second = Waiter(path), Waiter(path)
    assert [first.wait_for_next() for _ in range(5)] == [0, 0, 0, 0, 0]
    assert second.wait_for_next() > 50
    assert caplog.text == ""


def test_a_log_that_another_process_never_lets_go_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    waiter = Waiter(tmp_path / "log.sqlite")
    waiter.limiter._bucket.conn.execute("PRAGMA busy_timeout = 20")  # type: ignore[union-attr]
    frozen = sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)
    frozen.execute("BEGIN EXCLUSIVE")
    assert waiter.wait_for_next() == 0
    assert "database is locked" in caplog.text
    frozen.close()


def test_a_log_whose_disk_is_full_is_given_up_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    limiter = RateLimiter(parse_rate_limits("10000/60"), tmp_path / "log.sqlite")
    limiter._bucket.conn.execute("PRAGMA max_page_count = 1")  # type: ignore[union-attr]  # no more than it has
    stop = threading.Event()
    for _ in range(1000):
        limiter.acquire(stop)
    (warning,) = caplog.messages
    assert warning == (
        f"The rate-limit log {tmp_path}/log.sqlite cannot be used (database or disk is full): other processes with "
        "this key are not taken into account. If the file is damaged, delete it."
    )


def test_waiting_for_the_limit_ends_when_it_is_called_off() -> None:
    limiter = RateLimiter(parse_rate_limits("1/600"))
    stop = threading.Event()
    limiter.acquire(stop)
    waiting = [threading.Thread(target=_wait_until_stopped, args=(limiter, stop), daemon=True) for _ in range(3)]
    for thread in waiting:
        thread.start()
    stop.set()
    for thread in waiting:
        thread.join(20)
    assert not any(thread.is_alive() for thread in waiting)


def _wait_until_stopped(limiter: RateLimiter, stop: threading.Event) -> None:
    with pytest.raises(Stopped):
        limiter.acquire(stop)


def test_pauses_double_with_each_429_to_a_request_sent_after_the_last() -> None:
    limiter = RateLimiter(parse_rate_limits("5/60"))
    pauses = [limiter.pause(time.monotonic(), 0) for _ in range(15)]
    floors = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert all(floor <= pause <= floor * 1.25 for floor, pause in zip(floors, pauses, strict=True))
    assert max(pauses) == 900


def test_429s_to_requests_that_were_under_way_together_are_one_pause() -> None:
    limiter = RateLimiter(parse_rate_limits("5/60"))
    sent_at = time.monotonic()
    pauses = [limiter.pause(sent_at, 0) for _ in range(20)]
    assert all(0.25 <= pause <= 0.3125 for pause in pauses)


def test_an_answer_lets_the_next_pause_start_small_again() -> None:
    limiter = RateLimiter(parse_rate_limits("5/60"))
    for _ in range(5):
        limiter.pause(time.monotonic(), 0)
    limiter.note_success(time.monotonic())
    assert limiter.pause(time.monotonic(), 0) <= 0.3125


@pytest.mark.parametrize(("asked", "waited"), [(30.0, 30.0), (900.0, 900.0), (86_400.0, 900.0)])
def test_a_retry_after_is_waited_for_up_to_the_long_window(asked: float, waited: float) -> None:
    assert RateLimiter(parse_rate_limits("5/60")).pause(time.monotonic(), asked) == waited


def test_a_pause_holds_back_every_request() -> None:
    waiter = Waiter(None)
    waiter.limiter.pause(time.monotonic(), 300)
    assert 250 < waiter.wait_for_next() <= 300


def test_two_processes_together_stay_within_the_windows(tmp_path: Path) -> None:
    with Simulator(api_key=KEY) as server:
        jobs = [(server.url, name, tmp_path) for name in ("a", "b")]
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            assert pool.starmap(_read_forty, jobs) == [40, 40]
    (log,) = tmp_path.glob("*.sqlite")
    with closing(sqlite3.connect(log)) as connection:
        left_at = [at for (at,) in connection.execute("SELECT item_timestamp FROM rate_bucket ORDER BY 1")]
    assert len(left_at) == 80
    assert all(later - earlier > 1000 for earlier, later in zip(left_at, left_at[20:], strict=False))
    assert all(later - earlier > 3000 for earlier, later in zip(left_at, left_at[50:], strict=False))


def _read_forty(url: str, name: str, folder: Path) -> int:
    with ConsoleApi(KEY, base_url=url, rate_limits="20/1,50/3", limiter_dir=folder) as api:
        return len(list(Runs(api).read_many(f"{name}{number}" for number in range(40))))


def test_the_key_is_in_no_file_of_the_limiter(tmp_path: Path) -> None:
    with (
        Simulator() as server,
        ConsoleApi(KEY, base_url=server.url, rate_limits="9/1", limiter_dir=tmp_path) as api,
    ):
        Runs(api).read("x")
        files = list(tmp_path.iterdir())
        assert files
        assert not any(KEY.encode() in file.read_bytes() or KEY in file.name for file in files)
