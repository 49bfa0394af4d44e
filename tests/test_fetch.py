"""What a sync asks of the API, and what it hands on; against a real server."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from statsig_runs.api import ConsoleApi
from statsig_runs.contract import AcceptedRun, MissingRun, RejectedRun
from statsig_runs.errors import ApiError, ApiRequestError, NotTheApiError
from statsig_runs.fetch import Fetch
from statsig_runs.plan import KnownRun, Progress
from statsig_runs.request import Request
from statsig_runs.simulator import Faults, Reply, Simulator
from statsig_runs.simulator.faults import reply_error
from tests.support.fetches import KEY, NOW, Syncs, add_runs, run_of
from tests.support.one_run import payload

CASE = Path(__file__).parent / "data" / "page-with-lone-surrogate.json"


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator(api_key=KEY) as simulator:
        yield simulator


@pytest.fixture
def syncs(server: Simulator, tmp_path: Path) -> Syncs:
    return Syncs(server, tmp_path)


def pages(*numbers: int) -> list[str]:
    return [f"page={number}" for number in numbers]


def test_a_steady_state_costs_the_pages_of_the_settle_window_and_one(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, [number / 2 for number in range(500)])  # two a day: 28 in the window, 3 pages
    syncs.sync()
    for _ in range(3):
        done = syncs.sync()
        assert done.asked == pages(1, 2, 3, 4)
        assert len(done.came) == 40


def test_unsettled_runs_that_no_page_brings_are_read_by_id(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, range(40))
    syncs.sync()
    syncs.runs["r35"] = KnownRun("r35", "another hash", NOW, is_settled=False)
    assert syncs.sync().asked == [*pages(1, 2, 3), "r35"]


def test_ids_asked_for_by_name_are_read_each_once_and_without_the_list(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, range(3))
    done = syncs.sync("r1", "nowhere", "r1", discover=False)
    assert sorted(done.asked) == ["nowhere", "r1"]
    assert {type(outcome) for outcome in done.came} == {AcceptedRun, MissingRun}


def test_runs_that_were_asked_for_by_name_hide_none_that_the_list_has_below_them(
    server: Simulator, syncs: Syncs
) -> None:
    add_runs(server, range(100, 130))
    syncs.sync()
    add_runs(server, range(20, 60))  # nobody synced while they came
    syncs.sync(*[f"r{days}" for days in range(20, 40)], discover=False)
    syncs.sync()
    assert syncs.missing() == set()


def test_what_max_requests_cuts_off_is_gone_on_with_in_the_next_sync(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, [20 + number for number in range(95)])
    assert syncs.sync(max_requests=4).asked == pages(1, 2, 3, 4)
    assert syncs.sync(max_requests=4).asked == pages(1, 5, 6, 7)
    assert syncs.sync(max_requests=4).asked == pages(1, 8, 9, 10)
    assert syncs.missing() == set()
    assert syncs.progress.is_complete


@pytest.mark.parametrize("most", [1, 2, 10])
@pytest.mark.parametrize("ascending", [False, True])
def test_fewer_requests_than_the_settle_window_has_pages_bring_everything_in_time(
    tmp_path: Path, most: int, *, ascending: bool
) -> None:
    with Simulator(api_key=KEY, ascending=ascending) as server:
        syncs = Syncs(server, tmp_path)
        add_runs(server, [number / 10 for number in range(300)])  # ten a day: 14 of 30 pages in the window
        for _ in range({1: 59, 2: 29, 10: 4}[most]):
            assert len(syncs.sync(max_requests=most).paths) == most
    assert syncs.missing() == set()


def test_a_sync_of_few_requests_looks_at_every_run_that_may_change_in_time(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, [number / 10 for number in range(200)])  # 14 of 20 pages in the window
    syncs.sync()
    server.runs.add(run_of(13, latestStatus="news"))
    for _ in range(20):
        came = syncs.sync(max_requests=3).came
        if any(isinstance(run, AcceptedRun) and run.run.latestStatus == "news" for run in came):
            return
    pytest.fail("a changed run of the settle window was never looked at")


def test_ids_left_over_by_a_cut_are_not_all_unsettled_runs(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, [number / 20 for number in range(400)])
    syncs.sync()
    done = syncs.sync("r19.95", "r19.9", "r19.8", max_requests=3)
    assert done.asked[:2] == pages(1, 2)
    assert done.asked[2] in {"r19.95", "r19.9", "r19.8"}
    assert set(syncs.progress.leftover) == {"r19.95", "r19.9", "r19.8"} - {done.asked[2]}


def test_ids_left_over_come_after_what_is_new_and_before_what_was_read_before(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, [number / 10 for number in range(200)])
    syncs.sync()
    syncs.sync("r19.9", "r19.8", "r19.7", discover=False, max_requests=1)
    left = set(syncs.progress.leftover)
    assert len(left) == 2
    done = syncs.sync(max_requests=6)
    assert done.asked[:4] == pages(1, 2, 3, 4)
    assert set(done.asked[4:]) == left
    assert syncs.progress.leftover == ()


def test_a_catch_up_that_is_cut_off_leaves_no_gap(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, [60 + number for number in range(100)])
    syncs.sync()
    add_runs(server, [number / 4 for number in range(1, 240)])  # nobody synced for two months
    syncs.sync(max_requests=20)
    add_runs(server, [number / 100 for number in range(1, 25)])
    done = syncs.sync()
    assert syncs.missing() == set()
    assert syncs.progress.is_complete
    assert len(done.paths) < len(server.runs) / 10 + 5


def test_a_list_that_refuses_the_page_to_go_on_from_is_read_from_the_start(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, range(20, 110))
    syncs.sync(max_requests=7)
    for days in range(20, 80):
        del server.runs[f"r{days}"]
    server.script = lambda path, _: reply_error(404, "no such page") if path.endswith("page=8") else None
    done = syncs.sync()
    assert done.asked == pages(1, 8, 2, 3)
    assert syncs.missing() == set()
    assert (done.unread, done.error) == ([], None)
    assert syncs.progress.is_complete


def test_a_run_that_the_api_could_not_serve_is_asked_for_again_and_one_that_it_refused_is_not(
    server: Simulator, syncs: Syncs
) -> None:
    add_runs(server, [1, 2, 3])
    refusals = {"r2": reply_error(500, "trouble"), "r3": reply_error(418, "no tea")}
    server.script = lambda path, _: refusals.get(path.rpartition("/")[2])
    done = syncs.sync("r1", "r2", "r3", discover=False)
    assert sorted(done.unread) == ["run r2", "run r3"]
    assert (syncs.progress.leftover, syncs.progress.failed) == ((), ("r2",))
    server.script = None
    assert "r2" in syncs.sync(discover=False).ids
    assert syncs.progress.failed == ()


def test_pages_that_shift_while_paging_lose_nothing_and_bring_no_run_twice(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, range(60))
    arriving = iter(range(1, 100))

    def arrive(path: str, _: int) -> None:
        if "page=" in path:
            add_runs(server, [-next(arriving) / 1000 for _ in range(3)])

    server.script = arrive
    done = syncs.sync()
    assert {f"r{days}" for days in range(60)} <= syncs.runs.keys()
    assert set(Counter(done.ids).values()) == {1}
    server.script = None
    syncs.sync()
    assert syncs.missing() == set()


def test_a_list_that_is_oldest_first_still_brings_the_newest(tmp_path: Path) -> None:
    with Simulator(api_key=KEY, ascending=True) as server:
        syncs = Syncs(server, tmp_path)
        add_runs(server, range(20, 60))
        syncs.sync()
        add_runs(server, [1])
        syncs.sync()
    assert "r1" in syncs.runs


@pytest.mark.parametrize("ascending", [False, True])
def test_one_run_of_an_odd_time_makes_no_steady_state_dearer(tmp_path: Path, *, ascending: bool) -> None:
    with Simulator(api_key=KEY) as server:
        syncs = Syncs(server, tmp_path)
        add_runs(server, range(20, 120))
        odd = "0001-01-01T00:00:00Z" if ascending else "9999-12-31T23:59:59.9999999Z"
        server.runs.add(payload(runID="odd", createdAt=odd))
        syncs.sync()
        assert len(syncs.sync().paths) == 1
    assert "odd" in syncs.runs


# What the envelope says


@pytest.mark.parametrize("number", [-1, 0, 1, 1.5, "2", None, [], 10**30])
def test_the_number_that_the_api_gives_a_page_neither_ends_nor_misleads_the_reading(
    server: Simulator, syncs: Syncs, number: object
) -> None:
    add_runs(server, range(20, 80))

    def lie(path: str, _: int) -> Reply:
        true = server._reply_truly(path)
        content = json.loads(true.body)
        content["pagination"]["pageNumber"] = number
        return Reply(200, json.dumps(content).encode())

    server.script = lie
    done = syncs.sync()
    assert done.asked == pages(1, 2, 3, 4, 5, 6)
    assert (syncs.missing(), done.unread, done.error) == (set(), [], None)
    assert syncs.progress.is_complete


def test_a_server_that_ignores_the_page_number_is_told_and_not_asked_for_ever(
    server: Simulator, syncs: Syncs, caplog: pytest.LogCaptureFixture
) -> None:
    add_runs(server, range(30))
    first = server._reply_truly("/console/v1/ingestion/runs?page=1").body
    server.script = lambda _, __: Reply(200, first)
    done = syncs.sync()
    assert len(done.paths) == 4
    assert "the list was not read to its end" in caplog.text
    assert len(syncs.sync().paths) < 6


def test_a_link_to_another_host_ends_the_list_with_an_error_once_its_page_is_handed_on(
    server: Simulator, syncs: Syncs
) -> None:
    add_runs(server, range(20))
    body = server._reply_truly("/console/v1/ingestion/runs?page=1").body
    stray = body.replace(b'"/console/v1/ingestion/runs?page=2"', b'"https://evil.example/console/v1/ingestion/runs"')
    server.script = lambda _, __: Reply(200, stray)
    done = syncs.sync()
    assert "another place" in str(done.error)
    assert len(done.came) == 10
    assert done.asked == pages(1)


def test_a_run_that_cannot_be_decoded_is_cut_out_of_its_page(server: Simulator, syncs: Syncs) -> None:
    server.script = lambda _, __: Reply(200, CASE.read_bytes())
    done = syncs.sync()
    assert sorted(syncs.runs) == ["after", "before"]
    rejected = [outcome for outcome in done.came if isinstance(outcome, RejectedRun)]
    assert [(each.run_id, each.reason) for each in rejected] == [
        ("surrogate", "half of a surrogate pair, which is no character - at `$.trigger`")
    ]
    assert done.error is None


# What cannot be read


@pytest.mark.parametrize("fault", [Reply(500), Reply(delivery="reset"), Reply(200, b"<html>"), Reply(422, b"{}")])
def test_runs_in_progress_that_cannot_be_read_keep_nothing_else_from_being_read(
    server: Simulator, syncs: Syncs, fault: Reply
) -> None:
    add_runs(server, range(20, 60))
    syncs.sync()
    for days in range(40, 46):
        syncs.runs[f"r{days}"] = KnownRun(f"r{days}", "h", NOW - timedelta(days=1), is_settled=False)
    syncs.runs["r47"] = KnownRun("r47", "h", NOW, is_settled=False)
    server.script = lambda path, _: fault if path[-4:] in {f"/r{days}" for days in range(40, 46)} else None
    for new in (1, 2, 3):
        add_runs(server, [new / 10])
        done = syncs.sync()
        assert f"r{new / 10}" in syncs.runs
        assert done.asked[0] == "page=1"
        assert sorted(done.unread) == [f"run r{days}" for days in range(40, 46)]
        assert done.error is None
    assert syncs.runs["r47"].is_settled


@pytest.mark.parametrize("honours_limit", [False, True])
@pytest.mark.parametrize("bad", [1, 2, 4])
@pytest.mark.parametrize("fault", [Reply(500), Reply(200, b"[]"), Reply(410, b'{"message": "gone"}')])
def test_a_page_that_cannot_be_read_keeps_no_other_from_being_read(
    tmp_path: Path, bad: int, fault: Reply, *, honours_limit: bool
) -> None:
    if bad == 1 and fault.status == 410:
        pytest.skip("a list that refuses its first page is refused")
    with Simulator(api_key=KEY, honours_limit=honours_limit) as server:
        syncs = Syncs(server, tmp_path)
        add_runs(server, range(20, 60))
        server.script = lambda path, _: fault if path.endswith(f"?page={bad}") else None
        for new in (1, 2):
            done = syncs.sync()
            assert done.error is None
            assert len(syncs.missing()) == (0 if honours_limit else 10 - (new - 1) * (bad > 1))
            assert done.unread == ([] if honours_limit else [f"page {bad} of the list"])
            assert len(done.paths) < 25
            add_runs(server, [new / 10] if bad > 1 else [])
        server.script = None
        syncs.sync()
    assert syncs.missing() == set()
    assert syncs.progress.is_complete


def test_one_run_that_spoils_its_page_is_read_around(tmp_path: Path) -> None:
    with Simulator(api_key=KEY, honours_limit=True) as server:
        syncs = Syncs(server, tmp_path)
        add_runs(server, range(20, 60))

        def spoil(path: str, _: int) -> Reply | None:
            return reply_error(500, "poison") if b'"r33"' in server._reply_truly(path).body else None

        server.script = spoil
        for new in range(1, 15):
            done = syncs.sync()
            assert syncs.missing() == {"r33"}
            assert len(done.unread) == 1
            assert done.error is None
            add_runs(server, [new / 10])
        server.script = None
        syncs.sync()
    assert syncs.missing() == set()


def test_many_unreadable_pages_cost_a_bounded_number_of_requests(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, range(20, 520))
    server.script = lambda path, _: reply_error(500, "no") if int(path.rpartition("=")[2]) > 5 else None
    done = syncs.sync()
    assert len(syncs.runs) == 50
    assert done.unread == [f"page {number} of the list" for number in (6, 7, 8)]
    assert len(done.paths) < 30
    server.script = None
    syncs.sync()
    assert syncs.missing() == set()


def test_reading_by_id_ends_when_nothing_can_be_read_that_way_and_begins_with_the_others_next_time(
    server: Simulator, syncs: Syncs
) -> None:
    add_runs(server, range(20, 420))
    syncs.sync()
    for days in range(40, 360):
        syncs.runs[f"r{days}"] = KnownRun(f"r{days}", "h", NOW, is_settled=False)
    server.script = lambda path, _: None if "?" in path else reply_error(500, "no")
    done = syncs.sync()
    assert done.error is None
    assert len(done.unread) == 20
    assert len(done.paths) < 320
    first = set(syncs.sync().unread)
    assert first.isdisjoint(done.unread)


def test_an_api_that_is_down_is_noticed_soon(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, range(100))
    syncs.sync()
    for faults in (Faults(server_error=1), Faults(reset=1), Faults(truncated=1)):
        server.faults = faults
        done = syncs.sync("r1", "r2")
        assert done.error is not None
        assert done.error.exit_code == 6
        assert len(done.paths) < 15


def test_an_api_that_goes_down_half_way_keeps_what_came_and_loses_nothing(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, range(100))
    server.script = lambda _, __: reply_error(500, "down") if server.statuses[200] >= 4 else None
    done = syncs.sync()
    assert done.error is not None
    assert len(syncs.runs) == 40
    assert len(done.paths) < 15
    server.script = None
    assert syncs.sync().asked == pages(1, *range(5, 11), 2, 3)
    assert syncs.missing() == set()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": null}'])
def test_somebody_else_in_the_apis_place_is_told_after_a_few_requests(
    server: Simulator, syncs: Syncs, body: bytes
) -> None:
    server.script = lambda _, __: Reply(200, body)
    done = syncs.sync()
    assert isinstance(done.error, NotTheApiError)
    assert done.error.exit_code == 2
    assert len(done.paths) == 3


def test_without_a_list_the_ids_given_are_read_and_without_ids_the_refusal_is_an_error(
    server: Simulator, syncs: Syncs
) -> None:
    add_runs(server, [1])
    server.script = lambda path, _: reply_error(404, "no such endpoint") if "?page" in path else None
    assert syncs.sync("r1").error is None
    assert list(syncs.runs) == ["r1"]
    done = syncs.sync()
    assert isinstance(done.error, ApiRequestError)
    assert "404: no such endpoint. Check the setting base_url" in str(done.error)


def test_a_list_that_cannot_be_read_keeps_no_id_from_being_read(server: Simulator, syncs: Syncs) -> None:
    add_runs(server, [1])
    server.script = lambda path, _: Reply(200, b'{"data": {}}') if "?page" in path else None
    done = syncs.sync("r1")
    assert isinstance(done.error, ApiError)
    assert list(syncs.runs) == ["r1"]


# The key


def test_a_payload_that_echoes_the_key_is_masked(server: Simulator, syncs: Syncs) -> None:
    server.runs.add(payload(runID="r1", trigger=f"by {KEY}"))
    server.runs.add(payload(runID="r2", trigger=7, note=KEY))
    came = syncs.sync().came
    texts = [outcome.payload for outcome in came if isinstance(outcome, AcceptedRun | RejectedRun)]
    assert len(texts) == 2
    assert not any(KEY in text for text in texts)
    assert all("console-***" in text for text in texts)


def test_a_key_that_is_a_word_of_every_payload_is_no_secret(tmp_path: Path) -> None:
    with (
        Simulator([payload(runID="r1")], api_key="test") as server,
        ConsoleApi("test", base_url=server.url, rate_limits="1000/1", limiter_dir=tmp_path) as api,
    ):
        fetch = Fetch(api, Request(), Progress(), known=lambda _: {}, unsettled=(), secret="test")
        assert [type(outcome) for outcome in fetch] == [AcceptedRun]
