"""What a sync asks of the API, and what it hands on; against a real server."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from statsig_runs.api import ConsoleApi, FailedRun, Patience
from statsig_runs.contract import AcceptedRun, MissingRun, RejectedRun
from statsig_runs.errors import ApiError, ApiRequestError
from statsig_runs.fetch import Fetch, Fetched, Request
from statsig_runs.plan import KnownRun, Progress
from statsig_runs.simulator import Simulator
from statsig_runs.simulator.faults import Reply, reply_error
from tests.support.one_run import payload

KEY = "console-for-the-tests"
NOW = datetime(2026, 1, 31, tzinfo=UTC)
DONE = Progress(is_complete=True)


def add_runs(server: Simulator, days_old: Iterable[float]) -> None:
    """Runs named after their age."""
    for days in days_old:
        created = NOW - timedelta(days=days)
        server.runs.add(payload(runID=f"r{days}", createdAt=created.isoformat(timespec="milliseconds")))


class Memory:
    """What a warehouse would know: every run handed on, settled after 14 days."""

    def __init__(self) -> None:
        self.runs: dict[str, KnownRun] = {}

    def take(self, outcomes: Iterable[Fetched]) -> list[Fetched]:
        taken = list(outcomes)
        for outcome in taken:
            if isinstance(outcome, AcceptedRun):
                settled = outcome.run.createdAt < NOW - timedelta(days=14)
                self.runs[outcome.run_id] = KnownRun(outcome.run_id, outcome.content_hash, NOW, settled)
        return taken

    def known(self, ids: Collection[str]) -> dict[str, KnownRun]:
        return {run_id: self.runs[run_id] for run_id in ids if run_id in self.runs}

    def unsettled(self) -> list[str]:
        return [run.run_id for run in self.runs.values() if not run.is_settled]


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator(api_key=KEY) as simulator:
        yield simulator


@pytest.fixture
def memory() -> Memory:
    return Memory()


def run_fetch(
    server: Simulator, memory: Memory, folder: Path, request: Request, progress: Progress = DONE
) -> tuple[list[Fetched], Fetch, list[str]]:
    """One pass: what came, the fetch, and the paths asked for."""
    before = len(server.log)
    most = request.max_requests
    with ConsoleApi(KEY, base_url=server.url, rate_limits="1000/1", limiter_dir=folder, max_requests=most) as api:
        fetch = Fetch(api, request, progress, known=memory.known, unsettled=memory.unsettled, secret=KEY)
        came = memory.take(fetch)
    return came, fetch, [entry.path for entry in list(server.log)[before:]]


def test_a_steady_state_costs_the_pages_of_the_settle_window_and_one(
    server: Simulator, memory: Memory, tmp_path: Path
) -> None:
    add_runs(server, [number / 2 for number in range(500)])  # two a day: 28 in the window, 3 pages
    run_fetch(server, memory, tmp_path, Request(), Progress())
    came, _, paths = run_fetch(server, memory, tmp_path, Request())
    assert len(paths) == 4
    assert len(came) == 40


def test_unsettled_runs_that_no_page_brings_are_read_by_id(server: Simulator, memory: Memory, tmp_path: Path) -> None:
    add_runs(server, range(40))
    run_fetch(server, memory, tmp_path, Request(), Progress())
    memory.runs["r35"] = KnownRun("r35", "another hash", NOW, is_settled=False)
    _, _, paths = run_fetch(server, memory, tmp_path, Request())
    assert [path.rpartition("/")[2] for path in paths] == ["runs?page=1", "runs?page=2", "runs?page=3", "r35"]


def test_ids_asked_for_by_name_are_read_each_once_and_without_the_list(
    server: Simulator, memory: Memory, tmp_path: Path
) -> None:
    add_runs(server, range(3))
    request = Request(run_ids=("r1", "nowhere", "r1"), discover=False)
    came, _, paths = run_fetch(server, memory, tmp_path, request)
    assert sorted(path.rpartition("/")[2] for path in paths) == ["nowhere", "r1"]
    assert {type(outcome) for outcome in came} == {AcceptedRun, MissingRun}


def test_what_max_requests_cuts_off_is_first_in_the_next_sync(
    server: Simulator, memory: Memory, tmp_path: Path
) -> None:
    add_runs(server, [20 + number for number in range(95)])
    _, fetch, paths = run_fetch(server, memory, tmp_path, Request(max_requests=4), Progress())
    assert len(paths) == 4
    assert fetch.progress == Progress(page=4, oldest=NOW - timedelta(days=59))
    seen = len(memory.runs)
    while not fetch.progress.is_complete:
        _, fetch, paths = run_fetch(server, memory, tmp_path, Request(max_requests=4), fetch.progress)
        assert len(paths) <= 4
        assert len(memory.runs) > seen
        seen = len(memory.runs)
    assert seen == 95


@pytest.mark.parametrize("most", [1, 10])
@pytest.mark.parametrize("ascending", [False, True])
def test_fewer_requests_than_the_settle_window_has_pages_bring_everything_in_time(
    memory: Memory, tmp_path: Path, most: int, *, ascending: bool
) -> None:
    with Simulator(api_key=KEY, ascending=ascending) as server:
        add_runs(server, [number / 20 for number in range(600)])  # 20 a day: 28 pages in the window
        progress = Progress()
        for _ in range(60 // most):
            _, fetch, paths = run_fetch(server, memory, tmp_path, Request(max_requests=most), progress)
            progress = fetch.progress
            assert len(paths) == most
    assert len(memory.runs) == 600
    assert progress.is_complete


def test_ids_left_over_by_a_cut_are_not_all_unsettled_runs(server: Simulator, memory: Memory, tmp_path: Path) -> None:
    add_runs(server, [number / 20 for number in range(400)])
    run_fetch(server, memory, tmp_path, Request(), Progress())
    request = Request(run_ids=("r19.95", "r19.9"), max_requests=5)
    _, fetch, _ = run_fetch(server, memory, tmp_path, request)
    assert fetch.progress.leftover == ("r19.95", "r19.9")
    assert fetch.progress.page == 5


def test_a_catch_up_that_is_cut_off_leaves_no_gap(server: Simulator, memory: Memory, tmp_path: Path) -> None:
    add_runs(server, [60 + number for number in range(100)])
    _, fetch, _ = run_fetch(server, memory, tmp_path, Request(), Progress())
    add_runs(server, [number / 4 for number in range(1, 240)])  # nobody synced for two months
    _, fetch, _ = run_fetch(server, memory, tmp_path, Request(max_requests=20), fetch.progress)
    add_runs(server, [number / 100 for number in range(1, 25)])
    _, fetch, paths = run_fetch(server, memory, tmp_path, Request(), fetch.progress)
    assert len(memory.runs) == len(server.runs)
    assert fetch.progress == DONE
    assert len(paths) < len(server.runs) / 10 + 5


def test_a_list_that_refuses_the_page_to_go_on_from_is_read_from_the_start(
    server: Simulator, memory: Memory, tmp_path: Path
) -> None:
    add_runs(server, range(20, 50))
    server.script = lambda path, _: reply_error(404, "no such page") if path.endswith("page=8") else None
    _, fetch, paths = run_fetch(server, memory, tmp_path, Request(), Progress(page=7))
    assert [path.rpartition("=")[2] for path in paths] == ["8", "1", "2", "3"]
    assert len(memory.runs) == 30
    assert fetch.progress == DONE


def test_ids_left_over_are_read_before_the_list(server: Simulator, memory: Memory, tmp_path: Path) -> None:
    add_runs(server, range(20, 50))
    request = Request(run_ids=tuple(f"r{days}" for days in range(20, 30)), discover=False, max_requests=3)
    _, fetch, _ = run_fetch(server, memory, tmp_path, request)
    left = fetch.progress.leftover
    assert len(left) == 7
    _, fetch, paths = run_fetch(server, memory, tmp_path, Request(max_requests=9), fetch.progress)
    assert {path.rpartition("/")[2] for path in paths[:7]} == set(left)
    assert fetch.progress.leftover == ()


def test_a_run_that_the_api_could_not_serve_is_left_over_and_one_that_it_refused_is_not(
    server: Simulator, memory: Memory, tmp_path: Path
) -> None:
    add_runs(server, [1, 2, 3])
    refusals = {"r2": reply_error(500, "trouble"), "r3": reply_error(418, "no tea")}
    server.script = lambda path, _: refusals.get(path.rpartition("/")[2])
    once = Patience(max_attempts=1)
    request = Request(run_ids=("r1", "r2", "r3"), discover=False)
    with ConsoleApi(KEY, base_url=server.url, rate_limits="1000/1", limiter_dir=tmp_path, patience=once) as api:
        fetch = Fetch(api, request, DONE, known=memory.known, unsettled=memory.unsettled, secret=KEY)
        failed = {outcome.run_id for outcome in fetch if isinstance(outcome, FailedRun)}
    assert failed == {"r2", "r3"}
    assert fetch.progress.leftover == ("r2",)


def test_pages_that_shift_while_paging_lose_nothing(server: Simulator, memory: Memory, tmp_path: Path) -> None:
    add_runs(server, range(60))
    arriving = iter(range(1, 100))
    with ConsoleApi(KEY, base_url=server.url, rate_limits="1000/1", limiter_dir=tmp_path) as api:
        fetch = Fetch(api, Request(), Progress(), known=memory.known, unsettled=memory.unsettled, secret=KEY)
        for outcome in fetch:
            memory.take([outcome])
            add_runs(server, [-next(arriving) / 10])
            if len(server.runs) > 90:
                break
    before = {f"r{days}" for days in range(60)}
    _, _, _ = run_fetch(server, memory, tmp_path, Request(), fetch.progress)
    assert before <= memory.runs.keys()
    assert len(memory.runs) == len(server.runs)


def test_a_list_that_is_oldest_first_still_brings_the_newest(memory: Memory, tmp_path: Path) -> None:
    with Simulator(api_key=KEY, ascending=True) as server:
        add_runs(server, range(20, 60))
        run_fetch(server, memory, tmp_path, Request(), Progress())
        add_runs(server, [1])
        run_fetch(server, memory, tmp_path, Request())
    assert "r1" in memory.runs


def test_without_a_list_the_ids_given_are_read_and_without_ids_the_refusal_is_an_error(
    server: Simulator, memory: Memory, tmp_path: Path
) -> None:
    add_runs(server, [1])
    server.script = lambda path, _: reply_error(404, "no such endpoint") if "?page" in path else None
    run_fetch(server, memory, tmp_path, Request(run_ids=("r1",)))
    assert list(memory.runs) == ["r1"]
    with pytest.raises(ApiRequestError, match=r"404: no such endpoint\. Check the setting base_url; .* by --run-id"):
        run_fetch(server, memory, tmp_path, Request())


def test_a_list_that_cannot_be_read_keeps_no_id_from_being_read(
    server: Simulator, memory: Memory, tmp_path: Path
) -> None:
    add_runs(server, [1])
    server.script = lambda path, _: Reply(200, b'{"data": {}}') if "?page" in path else None
    hasty = Patience(max_attempts=1)
    with ConsoleApi(KEY, base_url=server.url, rate_limits="1000/1", limiter_dir=tmp_path, patience=hasty) as api:
        request = Request(run_ids=("r1",))
        fetch = Fetch(api, request, Progress(), known=memory.known, unsettled=memory.unsettled, secret=KEY)
        came = iter(fetch)
        memory.take([next(came)])
        with pytest.raises(ApiError, match="no usable answer"):
            next(came)
    assert list(memory.runs) == ["r1"]


def test_a_payload_that_echoes_the_key_is_masked(server: Simulator, memory: Memory, tmp_path: Path) -> None:
    server.runs.add(payload(runID="r1", trigger=f"by {KEY}"))
    server.runs.add(payload(runID="r2", trigger=7, note=KEY))
    came, _, _ = run_fetch(server, memory, tmp_path, Request())
    texts = [outcome.payload for outcome in came if isinstance(outcome, AcceptedRun | RejectedRun)]
    assert len(texts) == 2
    assert not any(KEY in text for text in texts)
    assert all("console-***" in text for text in texts)


def test_a_key_that_is_a_word_of_every_payload_is_no_secret(memory: Memory, tmp_path: Path) -> None:
    with (
        Simulator([payload(runID="r1")], api_key="test") as server,
        ConsoleApi("test", base_url=server.url, rate_limits="1000/1", limiter_dir=tmp_path) as api,
    ):
        fetch = Fetch(api, Request(), Progress(), known=memory.known, unsettled=memory.unsettled, secret="test")
        came = memory.take(fetch)
    assert [type(outcome) for outcome in came] == [AcceptedRun]
