"""How long reading runs by id takes, beside a plain loop and dlt's own client with threads.

A server in a process of its own enforces both rate windows strictly, on arrival, and takes 100 ms for each answer. The
optimum is when the last request may leave if every request leaves as soon as the windows allow.

    python bench/fetch.py           windows scaled to 100 in 1 s and 900 in 9 s (about a minute and a half)
    python bench/fetch.py --real    900 reads under the real windows as well (80 s more)
    python bench/fetch.py --busy    with as many processes that only burn time as the machine has cores
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import requests

from statsig_runs.api import ConsoleApi, FetchedRun, Runs
from statsig_runs.setting_places import packaged_defaults
from statsig_runs.simulator import Simulator

KEY = "console-benchmark"
RUNS = "/console/v1/ingestion/runs"
LATENCY = 0.1
SCALED = "100/1,900/9"
REAL = packaged_defaults()["sources"]["statsig_runs"]["rate_limits"]
THREADS = 40

Fetch = Callable[[str, str, list[str]], tuple[int, float]]
"""From base URL, rate limits and ids to how many runs were read, in how many seconds."""


def _serve(pipe: Connection, rate_limits: str, count: int) -> None:
    with Simulator(make_runs(count), api_key=KEY, rate_limits=rate_limits, latency=LATENCY) as simulator:
        pipe.send(simulator.url)
        pipe.recv()
        pipe.send(simulator.statuses[429])


@contextmanager
def serving(rate_limits: str, count: int) -> Iterator[tuple[str, Connection]]:
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, rate_limits, count))
    server.start()
    try:
        yield here.recv(), here
    finally:
        server.terminate()
        server.join()


def make_runs(count: int) -> list[dict[str, object]]:
    return [
        {
            "runID": str(uuid.UUID(int=number)),
            "latestStatus": "pulse_complete",
            "lastUpdatedAt": "2024-06-01T02:44:23.790Z",
            "createdAt": "2024-06-01T02:30:55.992Z",
            "trigger": "scheduled",
            "sources": ["Events 1"],
            "dateStamps": ["2024-05-31"],
            "runHistory": [{"statusTimestamp": "2024-06-01T02:30:55.992Z", "status": "enqueued"}] * 20,
            "granularHistory": [],
        }
        for number in range(count)
    ]


def fetch_by_console_api(url: str, rate_limits: str, ids: list[str]) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder:
        return _fetch_share(url, rate_limits, ids, folder)


def fetch_by_two_processes(url: str, rate_limits: str, ids: list[str]) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(_fetch_share, [("http://127.0.0.1:1", "9/9", [], folder)] * 8)  # both have started and imported
        shares = pool.starmap(_fetch_share, [(url, rate_limits, ids[half::2], folder) for half in (0, 1)], 1)
    return sum(read for read, _ in shares), max(seconds for _, seconds in shares)


def _fetch_share(url: str, rate_limits: str, ids: list[str], folder: str) -> tuple[int, float]:
    started = time.monotonic()
    with ConsoleApi(KEY, base_url=url, rate_limits=rate_limits, limiter_dir=Path(folder), threads=THREADS) as api:
        read = sum(isinstance(result, FetchedRun) for result in Runs(api).read_many(ids))
        return read, time.monotonic() - started


def fetch_by_plain_loop(url: str, rate_limits: str, ids: list[str]) -> tuple[int, float]:
    del rate_limits
    started = time.monotonic()
    with requests.Session() as session:
        session.headers["STATSIG-API-KEY"] = KEY
        read = sum(session.get(f"{url}{RUNS}/{run_id}").ok for run_id in ids)
    return read, time.monotonic() - started


def fetch_by_dlt_client(url: str, rate_limits: str, ids: list[str]) -> tuple[int, float]:
    from dlt.sources.helpers import requests as dlt_requests

    del rate_limits

    def fetch(run_id: str) -> bool:
        try:
            return dlt_requests.get(f"{url}{RUNS}/{run_id}", headers={"STATSIG-API-KEY": KEY}).ok
        except requests.RequestException:
            return False

    started = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        return sum(pool.map(fetch, ids)), time.monotonic() - started


def find_optimum(rate_limits: str, count: int) -> float:
    windows = [(int(most), float(seconds)) for most, seconds in (w.split("/") for w in rate_limits.split(","))]
    leaves: list[float] = []
    for number in range(count):
        leaves.append(max(leaves[number - most] + seconds if number >= most else 0.0 for most, seconds in windows))
    return leaves[-1]


def measure(name: str, fetch: Fetch, rate_limits: str, count: int) -> None:
    optimum = find_optimum(rate_limits, count)
    ids = [str(run["runID"]) for run in make_runs(count)]
    with serving(rate_limits, count) as (url, server):
        cpu = time.process_time()
        read, seconds = fetch(url, rate_limits, ids)
        cpu = time.process_time() - cpu
        server.send("stop")
        refused = server.recv()
    print(
        f"{name:28}{rate_limits:>15}{count:9}{read:9}{seconds:9.2f}{optimum:9.1f}{seconds / optimum:9.3f}{refused:9}"
        f"{cpu:9.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    if options.busy:
        for _ in range(os.cpu_count() or 1):
            multiprocessing.Process(target=_burn, daemon=True).start()
    titles = ("asked", "read", "seconds", "optimum", "ratio", "429s", "cpu s")
    print(f"{'':28}{'windows':>15}" + "".join(f"{title:>9}" for title in titles))
    measure("statsig-runs", fetch_by_console_api, SCALED, 900)
    measure("statsig-runs", fetch_by_console_api, SCALED, 1500)
    measure("statsig-runs, two processes", fetch_by_two_processes, SCALED, 900)
    if not options.no_peers:
        measure("dlt's client, 20 threads", fetch_by_dlt_client, SCALED, 900)
        measure("plain loop", fetch_by_plain_loop, SCALED, 900)
    if options.real:
        measure("statsig-runs", fetch_by_console_api, REAL, 900)


def _burn() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        sum(range(100_000))


if __name__ == "__main__":
    main()
