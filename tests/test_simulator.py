"""The simulated Console API over real HTTP: what it answers, how it counts, and how it fails on demand."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import pytest
import requests

from statsig_runs.simulator import API_KEY, RUNS_PATH, Simulator, serve
from statsig_runs.simulator.faults import Faults, RateWindows, Reply, reply_error
from statsig_runs.simulator.live import show_news
from statsig_runs.simulator.sample_runs import generate_runs
from statsig_runs.simulator.store import RunStore

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
RUNS = generate_runs(25, until=NOON)
IDS = [run["runID"] for run in RUNS]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(RUNS) as running:
        yield running


def get(simulator: Simulator, path: str, key: str | None = "console-a") -> requests.Response:
    headers = {} if key is None else {"STATSIG-API-KEY": key}
    return requests.get(simulator.url + path, headers=headers, timeout=5, allow_redirects=False)


def read(simulator: Simulator, run_id: str) -> requests.Response:
    return get(simulator, f"{RUNS_PATH}/{quote(run_id, safe='')}")


def page(simulator: Simulator, query: str = "") -> dict[str, Any]:
    return get(simulator, RUNS_PATH + query).json()


def test_a_run_is_read_by_its_id(simulator: Simulator) -> None:
    answer = read(simulator, IDS[3])
    assert answer.status_code == 200
    assert answer.json() == {"message": "Ingestion Run Read Successfully", "data": RUNS[3]}


def test_an_unknown_id_is_answered_404_as_in_the_openapi_document(simulator: Simulator) -> None:
    answer = read(simulator, "de941fa2-3e0f-44ec-a44c-5c51eed07e0z")
    assert answer.status_code == 404
    assert answer.json() == {
        "status": 404,
        "message": "runID de941fa2-3e0f-44ec-a44c-5c51eed07e0z not found",
    }


@pytest.mark.parametrize("key", ["console-", "client-abc", "", None])
def test_what_is_no_console_key_is_refused_with_the_echo_of_the_key(simulator: Simulator, key: str | None) -> None:
    answer = get(simulator, f"{RUNS_PATH}/{IDS[0]}", key)
    assert answer.status_code == 401
    assert answer.json() == {
        "status": 401,
        "message": f"This endpoint only accepts an active CONSOLE key, but an invalid key was sent. Key: {key or ''}",
    }


def test_another_key_than_the_set_one_is_refused_on_the_list_too(simulator: Simulator) -> None:
    simulator.api_key = "console-right"
    assert get(simulator, RUNS_PATH, "console-wrong").status_code == 401
    assert get(simulator, RUNS_PATH, "console-right").status_code == 200


@pytest.mark.parametrize("run_id", ["a/b?c", "../x", "%2e", "a b#c&d=é", "🚀", "x" * 10_000, "run\nSTATSIG-API-KEY: y"])
def test_an_id_is_one_encoded_path_segment_whatever_it_holds(simulator: Simulator, run_id: str) -> None:
    simulator.runs.add(RUNS[0] | {"runID": run_id})
    assert read(simulator, run_id).json()["data"]["runID"] == run_id


@pytest.mark.parametrize("path", ["/", RUNS_PATH + "/", RUNS_PATH + "/a/b", RUNS_PATH + "s", "/console/v2/gates"])
def test_other_paths_are_answered_404_in_json(simulator: Simulator, path: str) -> None:
    answer = get(simulator, path)
    assert (answer.status_code, answer.json()) == (404, {"status": 404, "message": f"Cannot GET {path}"})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "QUERY"])
def test_other_methods_are_answered_405(simulator: Simulator, method: str) -> None:
    answer = requests.request(method, simulator.url + RUNS_PATH, data=b"x" * 100, timeout=5)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert answer.headers["Content-Type"] == "application/json"


def test_a_request_that_is_no_http_is_answered_400_in_json(simulator: Simulator) -> None:
    host, port = simulator.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"good morning to you all\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400


def test_the_list_has_pages_of_ten_newest_first(simulator: Simulator) -> None:
    pages = [page(simulator), page(simulator, "?page=2"), page(simulator, "?page=3&limit=100")]
    assert [run for each in pages for run in each["data"]] == RUNS
    assert [each["pagination"] for each in pages] == [
        {
            "itemsPerPage": 10,
            "pageNumber": 1,
            "nextPage": "/console/v1/ingestion/runs?page=2",
            "previousPage": None,
        },
        {
            "itemsPerPage": 10,
            "pageNumber": 2,
            "nextPage": "/console/v1/ingestion/runs?page=3",
            "previousPage": "/console/v1/ingestion/runs?page=1",
        },
        {
            "itemsPerPage": 10,
            "pageNumber": 3,
            "nextPage": None,
            "previousPage": "/console/v1/ingestion/runs?page=2",
        },
    ]


def test_a_page_beyond_the_last_is_empty_and_a_page_that_is_no_number_refused(simulator: Simulator) -> None:
    beyond = page(simulator, "?page=4")
    assert (beyond["data"], beyond["pagination"]["nextPage"]) == ([], None)
    assert get(simulator, RUNS_PATH + "?page=two").status_code == 400
    assert get(simulator, RUNS_PATH + "?page=0").status_code == 400


def test_an_empty_list_has_one_page(simulator: Simulator) -> None:
    simulator.runs.clear()
    assert page(simulator)["data"] == []
    assert page(simulator)["pagination"]["nextPage"] is None


def test_a_limit_is_taken_only_where_it_is_honoured(simulator: Simulator) -> None:
    assert len(page(simulator, "?limit=20")["data"]) == 10
    simulator.honours_limit = True
    twenty = page(simulator, "?limit=20")
    assert twenty["data"] == RUNS[:20]
    assert twenty["pagination"]["nextPage"] == "/console/v1/ingestion/runs?page=2&limit=20"
    assert page(simulator, "?page=2&limit=20")["data"] == RUNS[20:]
    assert page(simulator, "?limit=101")["pagination"]["itemsPerPage"] == 10


def test_the_list_can_be_ascending(simulator: Simulator) -> None:
    simulator.ascending = True
    simulator.page_size = 4
    assert page(simulator)["data"] == RUNS[:-5:-1]


def test_runs_that_arrive_while_one_pages_shift_the_pages(simulator: Simulator) -> None:
    first = page(simulator)["data"]
    simulator.runs.add(RUNS[0] | {"runID": "new", "createdAt": "2026-07-01T12:30:00.000Z"})
    second = page(simulator, "?page=2")["data"]
    assert second[0] == first[-1]
    assert page(simulator)["data"][0]["runID"] == "new"


def test_runs_are_changed_and_removed_by_id(simulator: Simulator) -> None:
    simulator.runs[IDS[0]] = RUNS[0] | {"latestStatus": "cancelled"}
    assert read(simulator, IDS[0]).json()["data"]["latestStatus"] == "cancelled"
    del simulator.runs[IDS[0]]
    assert read(simulator, IDS[0]).status_code == 404
    assert (len(simulator.runs), next(iter(simulator.runs))) == (24, IDS[1])


def test_a_run_taken_from_the_store_is_a_copy() -> None:
    store = RunStore(RUNS)
    store[IDS[0]]["latestStatus"] = "changed"
    assert store[IDS[0]] == RUNS[0]


def test_the_log_has_path_status_and_headers_without_the_key(simulator: Simulator) -> None:
    read(simulator, IDS[0])
    get(simulator, RUNS_PATH + "?page=1", "console-other")
    assert [(request.path, request.status) for request in simulator.log] == [
        (f"{RUNS_PATH}/{IDS[0]}", 200),
        (f"{RUNS_PATH}?page=1", 200),
    ]
    assert simulator.statuses == {200: 2}
    assert simulator.log[0].at < simulator.log[1].at
    assert simulator.log[0].headers["Accept"] == "*/*"
    assert "console-" not in repr(simulator.log)


def test_a_connection_serves_many_requests(simulator: Simulator) -> None:
    with requests.Session() as session:
        session.headers["STATSIG-API-KEY"] = "console-a"
        for run_id in IDS[:5]:
            assert session.get(f"{simulator.url}{RUNS_PATH}/{run_id}", timeout=5).status_code == 200
        assert len(simulator._server.connections) == 1


def test_many_threads_are_answered_each_with_its_own_run(simulator: Simulator) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda run_id: read(simulator, run_id).json()["data"], IDS * 8))
    assert answers == RUNS * 8


def test_a_window_admits_what_it_allows_and_says_how_long_to_wait(simulator: Simulator) -> None:
    simulator.windows = RateWindows("3/50,1000/900")
    answers = [get(simulator, RUNS_PATH) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[3].json() == {"status": 429, "message": "Too many requests"}
    assert 40 <= int(answers[4].headers["Retry-After"]) <= 50


def test_the_longer_window_counts_as_well(simulator: Simulator) -> None:
    simulator.windows = RateWindows("10/1,2/900")
    assert [get(simulator, RUNS_PATH).status_code for _ in range(3)] == [200, 200, 429]


def test_the_wait_can_be_a_date_or_left_out(simulator: Simulator) -> None:
    simulator.windows = RateWindows("1/100")
    get(simulator, RUNS_PATH)
    simulator.retry_after = "date"
    until = parsedate_to_datetime(get(simulator, RUNS_PATH).headers["Retry-After"])
    assert timedelta(seconds=60) < until - datetime.now(UTC) <= timedelta(seconds=102)
    simulator.retry_after = None
    assert "Retry-After" not in get(simulator, RUNS_PATH).headers


def test_windows_slide_and_do_not_count_what_they_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter((100.0, 105.0, 106.0, 109.9, 110.0, 114.0, 115.0, 160.0))
    monkeypatch.setattr("statsig_runs.simulator.faults.monotonic", lambda: next(moments))
    windows = RateWindows("2/10,3/60")
    assert [windows.admit() for _ in range(8)] == [0, 0, 4, 1, 0, 46, 45, 0]


def test_a_request_with_a_wrong_key_does_not_count_against_the_windows(simulator: Simulator) -> None:
    simulator.windows = RateWindows("1/100")
    assert get(simulator, RUNS_PATH, "wrong").status_code == 401
    assert get(simulator, RUNS_PATH).status_code == 200


@pytest.mark.parametrize("limits", ["100-10", "100", "0/10", "ten/10", "100/10,x"])
def test_windows_that_cannot_be_read_are_refused(limits: str) -> None:
    with pytest.raises(ValueError, match="requests/seconds"):
        RateWindows(limits)


def force(simulator: Simulator, reply: Reply) -> None:
    """Let every second request meet this reply, the first one included."""
    simulator.script = lambda _path, nth: reply if nth % 2 else None


def test_a_script_forces_the_answer_to_one_request_for_one_id(simulator: Simulator) -> None:
    def script(path: str, nth: int) -> Reply | None:
        return reply_error(503, "later") if (path, nth) == (f"{RUNS_PATH}/{IDS[1]}", 2) else None

    simulator.script = script
    seen = [read(simulator, run_id).status_code for run_id in (IDS[0], IDS[1], IDS[0], IDS[1], IDS[1])]
    assert seen == [200, 200, 200, 503, 200]


def test_a_reset_connection_has_no_answer(simulator: Simulator) -> None:
    force(simulator, Reply(delivery="reset"))
    with pytest.raises(requests.ConnectionError, match="reset"):
        read(simulator, IDS[0])
    assert read(simulator, IDS[0]).status_code == 200
    assert simulator.statuses == {0: 1, 200: 1}


def test_a_truncated_body_is_shorter_than_announced(simulator: Simulator) -> None:
    force(simulator, Reply(delivery="truncated"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        read(simulator, IDS[0])
    assert read(simulator, IDS[0]).json()["data"] == RUNS[0]


def test_a_slow_body_arrives_whole_but_not_before_a_read_timeout(simulator: Simulator) -> None:
    force(simulator, Reply(delivery="slow", seconds=0.1))
    assert read(simulator, IDS[0]).json()["data"] == RUNS[0]
    force(simulator, Reply(delivery="slow", seconds=1000))
    url, headers = f"{simulator.url}{RUNS_PATH}/{IDS[1]}", {"STATSIG-API-KEY": "console-a"}
    with pytest.raises(requests.ConnectionError, match="timed out"):
        requests.get(url, headers=headers, timeout=(5, 0.1))


def test_an_oversized_body_never_ends_and_has_no_length(simulator: Simulator) -> None:
    force(simulator, Reply(delivery="oversized"))
    url, headers = f"{simulator.url}{RUNS_PATH}/{IDS[0]}", {"STATSIG-API-KEY": "console-a"}
    with requests.get(url, headers=headers, timeout=5, stream=True) as answer:
        assert "Content-Length" not in answer.headers
        assert len(answer.raw.read(20_000_000)) == 20_000_000


def test_a_forced_header_goes_out_with_the_true_answer(simulator: Simulator) -> None:
    force(simulator, Reply(headers={"X-Odd": "yes"}))
    answer = read(simulator, IDS[0])
    assert (answer.headers["X-Odd"], answer.json()["data"]) == ("yes", RUNS[0])


def test_each_fault_of_the_dice_looks_as_it_says() -> None:
    def meet(**rates: Any) -> Reply:
        reply = Faults(**rates)("/path", 1)
        assert reply is not None
        return reply

    assert meet(server_error=1).status in {500, 502, 503}
    assert "Retry-After" not in meet(too_many=1).headers
    assert meet(too_many_with_retry_after=1, retry_after="900").headers["Retry-After"] == "900"
    assert meet(garbage=1).body.startswith(b"<!doctype html>")
    assert meet(redirect=1, redirect_to="https://other").headers == {"Location": "https://other/path"}
    assert meet(slow=1, slow_seconds=3) == Reply(delivery="slow", seconds=3)
    assert [meet(**{name: 1}).delivery for name in ("reset", "truncated", "oversized")] == [
        *("reset", "truncated", "oversized")
    ]


def test_faults_come_as_often_as_asked_and_the_same_each_time() -> None:
    def throw(seed: int) -> list[Reply | None]:
        faults = Faults.spread(0.2, seed=seed)
        return [faults(f"/run/{number}", 1) for number in range(5000)]

    replies = throw(1)
    assert replies == throw(1)
    assert replies != throw(2)
    assert 900 < sum(reply is not None for reply in replies) < 1100
    kinds = Counter((reply.status, reply.delivery) for reply in replies if reply)
    assert set(kinds) == {
        *((500, "whole"), (502, "whole"), (503, "whole"), (429, "whole")),
        *((None, "reset"), (None, "truncated")),
    }


def test_every_run_is_read_through_faults_by_asking_again(simulator: Simulator) -> None:
    simulator.faults = Faults.spread(0.3)

    def insist(run_id: str) -> dict[str, Any]:
        for _ in range(30):
            try:
                answer = read(simulator, run_id)
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                return answer.json()["data"]
        raise AssertionError(run_id)

    assert [insist(run_id) for run_id in IDS] == RUNS
    assert simulator.statuses[200] >= 25
    assert simulator.statuses.total() > 30


def test_latency_delays_answers_but_not_the_end() -> None:
    with Simulator(RUNS, latency=1000) as simulator, pytest.raises(requests.ReadTimeout):
        requests.get(simulator.url, timeout=(5, 0.1))


def test_a_stopped_simulator_refuses_connections_and_closes_the_open_ones() -> None:
    session = requests.Session()
    with Simulator(RUNS) as simulator:
        assert session.get(simulator.url, timeout=5).status_code == 401
    with pytest.raises(requests.ConnectionError):
        session.get(simulator.url, timeout=5)


def test_news_reach_the_store_and_a_malformed_run_without_news_stays_malformed() -> None:
    before, after = generate_runs(40, until=NOON), generate_runs(40, until=NOON + timedelta(hours=1))
    store = RunStore(before)
    store[before[39]["runID"]] = {"runID": before[39]["runID"], "createdAt": None}
    show_news(store, before, after)
    assert [store[run["runID"]] for run in after] == after
    assert store[before[39]["runID"]] == {"runID": before[39]["runID"], "createdAt": None}


def test_serve_says_how_to_use_it_and_ends_cleanly_on_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    seen: list[int] = []

    def look(_seconds: float) -> None:
        url = told[0].partition(" at ")[2].partition(",")[0]
        answer = requests.get(url + RUNS_PATH, headers={"STATSIG-API-KEY": API_KEY}, timeout=5)
        seen.append(len(answer.json()["data"]))
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("statsig_runs.simulator.live.sleep", look)
    serve(echo=told.append, port=0, count=12, page_size=5, malformed=2, rate_limits="100/10,900/900")
    assert seen == [5, 5]
    assert told[0].startswith("Simulated Console API with 12 runs at http://127.0.0.1:")
    assert told[2].startswith("  STATSIG_API_KEY=console-simulator statsig-runs sync --base-url http://127.0.0.1:")
    assert told[-1] == "Stopped after 2 requests."
