"""How long a whole sync takes when nothing, or little, has changed, beside a plain dlt pipeline on the same API.

    python bench/sync.py                                  500 runs known; none changed, then 20
    python bench/sync.py --runs 50000 --days 2            a long history, of which the runs of two days are read again
    python bench/sync.py --runs 10000 --pace 100/10       the first sync waits for the API, and dbt reads meanwhile

Each sync is a process of its own, timed whole, start of Python included; so is the peer, which loads the pages of the
list as they are, with no history, no model and no copy. Processor time is told as well: on a machine with other work it
says more than the clock. Of the first sync there is also what the models took, their tests included. The API is the
simulator, without a rate limit but for the pace of the first sync.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import generate_runs, runs_as_of

KEY = "console-bench"
FAST = "100000/1"
ROUNDS = 3
COMMAND = str(Path(sys.executable).with_name("statsig-runs"))

PEER = """
import dlt, sys
from dlt.sources.helpers import requests
def pages(url, key, count):
    for page in range(1, count + 1):
        answer = requests.get(f"{url}/console/v1/ingestion/runs?page={page}", headers={"STATSIG-API-KEY": key})
        yield answer.json()["data"]
peer = dlt.destinations.duckdb("peer.duckdb")
pipeline = dlt.pipeline("peer", destination=peer, dataset_name="raw", pipelines_dir=".")
url, key, count = sys.argv[1:]
pipeline.run(dlt.resource(pages(url, key, int(count)), name="runs", primary_key="runID", write_disposition="merge"))
"""


def measure(title: str, command: list[str], folder: Path, environment: dict[str, str], *, tolerated: int = 0) -> None:
    """Run a command, and print how long it took as a whole process, and its models if it tells that as JSON."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, check=False, stdout=subprocess.PIPE)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode not in {0, tolerated}:
        sys.exit(f"{command} ended with {done.returncode}")
    told = f", models {json.loads(done.stdout)['model_seconds']:6.2f} s" if command[1:3] == ["sync", "--json"] else ""
    print(f"{title:<40} {seconds:6.2f} s, processor {processor:6.2f} s{told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--days", type=float, default=36_500, help="how old a run may be that is read again")
    parser.add_argument("--changed", type=int, default=20)
    parser.add_argument("--pace", default=FAST, metavar="LIMITS", help="requests/seconds of the first sync")
    options = parser.parse_args()
    now = datetime.now(UTC)
    runs = runs_as_of(generate_runs(options.runs, until=now), now)
    with tempfile.TemporaryDirectory() as name, Simulator(runs, api_key=KEY) as simulator:
        folder = Path(name)
        environment = os.environ | {
            "STATSIG_API_KEY": KEY,
            "SOURCES__STATSIG_RUNS__BASE_URL": simulator.url,
            "SOURCES__STATSIG_RUNS__RATE_LIMITS": FAST,
            "SOURCES__STATSIG_RUNS__SETTLE_DAYS": str(options.days),
        }
        sync = [COMMAND, "sync", "--log-level", "error"]
        paced = environment | {"SOURCES__STATSIG_RUNS__RATE_LIMITS": options.pace}
        measure(
            f"first sync, {options.runs:,} runs", [COMMAND, "sync", "--json", "--log-level", "error"], folder, paced
        )
        young = sum(datetime.fromisoformat(run["createdAt"]) > now - timedelta(days=options.days) for run in runs)
        peer = [sys.executable, "-c", PEER, simulator.url, KEY, str(max(1, young // 10))]
        for _ in range(ROUNDS):
            measure("nothing changed", sync, folder, environment)
            measure("  peer: dlt loads the same pages", peer, folder, environment)
        for number in range(ROUNDS):
            for run in runs[-options.changed :]:
                simulator.runs.add(run | {"lastUpdatedAt": (now + timedelta(seconds=number)).isoformat()})
            title = f"{options.changed} changed" if number else f"{options.changed} changed, by dbt"
            measure(title, sync, folder, environment)
        for command in (["status"], ["check", "--json"], ["query", "select count(*) from fct_runs"]):
            measure(command[0], [COMMAND, *command], folder, environment, tolerated=5)


if __name__ == "__main__":
    main()
