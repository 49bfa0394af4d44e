"""Many runs at once: each exactly once, in any weather, and an end when it is called off."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from statsig_runs.api import ConsoleApi, FailedRun, FetchedRun, Patience, Runs
from statsig_runs.errors import ApiError, NotTheApiError
from statsig_runs.simulator import Faults, Reply, Simulator
from statsig_runs.simulator.faults import Delivery
from tests.support.clients import KEY, Open, assert_holds_no_key


def test_every_run_comes_exactly_once_though_a_fifth_of_the_answers_fails(server: Simulator, open_api: Open) -> None:
    server.faults = Faults.spread(0.2)
    api = open_api(server.url)
    results = list(Runs(api).read_many(f"r{number}" for number in range(100)))
    assert sorted(result.run_id for result in results) == sorted(f"r{number}" for number in range(100))
    assert all(isinstance(result, FetchedRun) for result in results)
    assert api.usage.requests == server.statuses.total()
    assert api.usage.rate_limited == server.statuses[429]
    assert api.usage.retries == api.usage.requests - 100


def test_ids_are_taken_as_they_are_needed(server: Simulator, open_api: Open) -> None:
    taken = 0

    def count() -> Iterator[str]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield f"r{number}"

    results = Runs(open_api(server.url, threads=3)).read_many(count())
    assert taken == 0
    next(results)
    assert taken == 1
    next(results)
    assert taken == 7
    results.close()


def test_a_run_that_cannot_be_read_does_not_stop_the_others(server: Simulator, open_api: Open) -> None:
    server.script = lambda path, _: Reply(500) if path.endswith("/r7") else None
    results = {result.run_id: result for result in Runs(open_api(server.url)).read_many(f"r{n}" for n in range(20))}
    failed = results.pop("r7")
    assert isinstance(failed, FailedRun)
    assert "it answers 500" in str(failed.error)
    assert_holds_no_key(failed.error)
    assert len(results) == 19
    assert all(isinstance(result, FetchedRun) for result in results.values())


def test_ids_that_the_api_refuses_do_not_stop_the_others(server: Simulator, open_api: Open) -> None:
    server.script = lambda path, _: None if path.endswith("/r9") else Reply(400, b'{"message": "bad id"}')
    results = list(Runs(open_api(server.url, threads=1)).read_many(f"r{number}" for number in range(10)))
    assert [isinstance(result, FailedRun) for result in results] == [True] * 9 + [False]


def test_failures_that_are_not_in_a_row_do_not_stop_the_work(server: Simulator, open_api: Open) -> None:
    server.script = lambda path, _: Reply(500) if int(path.rpartition("/r")[2]) % 3 else None
    api = open_api(server.url, threads=1, patience=Patience(max_attempts=1))
    results = list(Runs(api).read_many(f"r{number}" for number in range(12)))
    assert [isinstance(result, FailedRun) for result in results] == [False, True, True] * 4


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(302, b"", {"Location": "https://x.invalid"}), Reply(404, b"<html>")]
)
def test_an_api_that_answers_nothing_any_more_stops_the_work(reply: Reply, server: Simulator, open_api: Open) -> None:
    server.script = lambda _, __: reply if server.statuses.total() else None
    runs = Runs(open_api(server.url, threads=1, patience=Patience(max_attempts=1)))
    results = runs.read_many(f"r{n}" for n in range(100))
    came = [next(results) for _ in range(5)]
    with pytest.raises(ApiError):
        next(results)
    assert [type(result) for result in came] == [FetchedRun, FailedRun, FailedRun, FailedRun, FailedRun]
    assert server.statuses.total() < 10


@pytest.mark.parametrize("reply", [Reply(500), Reply(delivery="reset"), Reply(200, b"<html>"), Reply(404, b"<html>")])
def test_however_many_runs_cannot_be_read_the_others_are(reply: Reply, server: Simulator, open_api: Open) -> None:
    server.script = lambda path, _: reply if "/r1" in path else None
    runs = Runs(open_api(server.url, threads=1, patience=Patience(max_attempts=1)))
    results = list(runs.read_many(f"r{n}" for n in range(200)))
    assert sum(isinstance(result, FetchedRun) for result in results) == 89
    assert sum(isinstance(result, FailedRun) for result in results) == 111
    assert server.statuses.total() < 250


@pytest.mark.parametrize("delivery", ["reset", "whole"])
def test_a_first_run_that_cannot_be_read_is_no_api_that_is_down(
    delivery: Delivery, server: Simulator, open_api: Open
) -> None:
    server.script = lambda path, _: Reply(200, b"<html>", delivery=delivery) if path.endswith("/r0") else None
    results = list(Runs(open_api(server.url)).read_many(["r0", "r1", "r2"]))
    assert sorted((result.run_id, type(result)) for result in results) == [
        ("r0", FailedRun), ("r1", FetchedRun), ("r2", FetchedRun),
    ]  # fmt: skip


def test_somebody_else_in_the_apis_place_is_noticed_with_the_first_run(server: Simulator, open_api: Open) -> None:
    server.script = lambda _, __: Reply(200, b"<html>")
    with pytest.raises(NotTheApiError, match="Check the setting base_url"):
        list(Runs(open_api(server.url)).read_many(f"r{n}" for n in range(100)))
    assert server.statuses.total() == 3


def test_leaving_the_results_stops_what_waits_for_the_rate_limit(server: Simulator, open_api: Open) -> None:
    before = set(threading.enumerate())
    results = Runs(open_api(server.url, rate_limits="1/600")).read_many(f"r{number}" for number in range(50))
    next(results)
    workers = [thread for thread in set(threading.enumerate()) - before if "(work)" in thread.name]
    assert workers
    results.close()
    for worker in workers:
        worker.join(30)
    assert not any(worker.is_alive() for worker in workers)
    assert server.statuses.total() == 1


def test_closing_the_client_stops_what_waits_for_the_rate_limit(server: Simulator, open_api: Open) -> None:
    api = open_api(server.url, rate_limits="1/600")
    results = Runs(api).read_many(f"r{number}" for number in range(50))
    next(results)
    api.close()
    with pytest.raises(ApiError, match="was closed"):
        next(results)


def test_a_wait_for_the_rate_limit_is_reported(server: Simulator, open_api: Open) -> None:
    waits: list[float] = []
    api = open_api(server.url, rate_limits="5/1", on_wait=waits.append)
    started = time.time()
    assert len(list(Runs(api).read_many(f"r{number}" for number in range(6)))) == 6
    assert len(waits) >= 1
    assert all(started + 0.5 < until < started + 3 for until in waits)


def test_ctrl_c_ends_a_program_that_waits_for_the_rate_limit(server: Simulator, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from statsig_runs.api import ConsoleApi, Runs\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        f"api = ConsoleApi({KEY!r}, base_url={server.url!r}, rate_limits='1/600', limiter_dir=folder)\n"
        "for run in Runs(api).read_many(f'r{n}' for n in range(99)): print(run.run_id, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "r0\n"
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert KEY not in errors


def press_ctrl_c(*_: object) -> None:
    """In the thread that serves the request: it is not the main thread whose wait is interrupted."""
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


def read_a_run(api: ConsoleApi) -> object:
    return Runs(api).read("r0")


def read_many(api: ConsoleApi) -> object:
    return list(Runs(api).read_many(f"r{number}" for number in range(9)))


def read_a_page(api: ConsoleApi) -> object:
    return Runs(api).read_page()


@pytest.mark.parametrize("read", [read_a_run, read_many, read_a_page])
def test_ctrl_c_that_does_not_wake_the_main_thread_ends_its_wait_before_the_answer(
    read: Callable[[ConsoleApi], object], server: Simulator, open_api: Open
) -> None:
    server.script = press_ctrl_c
    server.latency = 20
    with pytest.raises(KeyboardInterrupt):
        read(open_api(server.url))
    assert not server.log
