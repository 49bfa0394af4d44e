"""The commands and options that the other tests do not type: what each leaves behind, as a user sees it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from select import select

from statsig_runs.simulator import API_KEY, RUNS_PATH, Simulator
from tests.e2e.conftest import TODAY, YESTERDAY
from tests.support.workplace import PATIENCE, Workplace

Copy = Callable[..., Workplace]


def test_the_demo_needs_no_key_and_each_query_that_it_proposes_has_an_answer(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, "https://nobody.invalid", STATSIG_API_KEY=None)
    done = workplace.run("demo")
    assert done.code == 0, done.err
    assert "fct_runs" in done.out
    assert "598 rows" in done.out  # two of the 600 break the contract
    assert re.search(r"^  fct_loads +2 rows$", done.out, re.MULTILINE)
    proposed = [shlex.split(line) for line in done.out.splitlines() if line.startswith("  statsig-runs query ")]
    assert len(proposed) == 3
    for _, *arguments in proposed:
        answered = workplace.run(*arguments, "--json")
        assert answered.code == 0, answered.err
        assert len(json.loads(answered.out)) > 0
    assert not workplace.database.exists()  # made-up runs do not come among real ones


def test_full_reads_the_pages_of_settled_runs_and_max_requests_ends_it_early(copy_of_yesterday: Copy) -> None:
    with Simulator(YESTERDAY, api_key=API_KEY, page_size=5) as unchanged:
        settings = {"STATSIG_API_KEY": API_KEY, "SOURCES__STATSIG_RUNS__SETTLE_DAYS": "1"}
        workplace = copy_of_yesterday(**settings, SOURCES__STATSIG_RUNS__BASE_URL=unchanged.url)
        done = workplace.run("sync", "--full", "--max-requests", "3")
        assert [request.path for request in unchanged.log] == [f"{RUNS_PATH}?page={number}" for number in (1, 2, 3)]
    assert done.code == 0, done.err
    assert done.out.startswith("Runs: 0 new, 0 changed, 15 unchanged, 0 rejected, 0 missing.")
    assert "stopped at the limit of 3 requests; the next sync goes on from here" in done.err


def test_a_replay_of_an_archive_asks_nobody_and_takes_the_fetch_time_that_is_named(
    workplace: Workplace, simulator: Simulator
) -> None:
    (workplace.work / "runs.ndjson").write_text("\n".join(map(json.dumps, TODAY)))
    done = workplace.run("replay", "--from", "runs.ndjson", "--fetched-at", "2024-03-14T12:00:00", "--json")
    assert done.code == 0, done.err
    assert (done.summary["new"], done.summary["requests"]) == (len(TODAY), 0)
    assert simulator.statuses.total() == 0
    fetched = workplace.query("select distinct fetched_at from statsig.fct_runs")
    assert fetched == [(datetime(2024, 3, 14, 12, tzinfo=UTC),)]


def test_the_documentation_and_the_page_go_where_they_are_sent(copy_of_yesterday: Copy) -> None:
    workplace = copy_of_yesterday()
    docs = workplace.run("docs", "--output", "out/models.html")
    assert (docs.code, docs.out) == (0, "Written: out/models.html\n")
    assert "model.statsig_runs.fct_runs" in (workplace.work / "out" / "models.html").read_text(encoding="utf-8")
    page = workplace.run("report", "--output", "out/page.html")
    assert (page.code, page.out) == (0, "Written: out/page.html\n")
    assert "<h1" in (workplace.work / "out" / "page.html").read_text(encoding="utf-8")
    picture = workplace.run("report", "--png", "out/summary.png")
    assert (picture.code, picture.out) == (0, "Written: out/summary.png\n")
    assert (workplace.work / "out" / "summary.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_is_opened_in_the_browser_when_asked_for(copy_of_yesterday: Copy) -> None:
    workplace = copy_of_yesterday()
    opened, opener = workplace.home / "opened", workplace.home / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    opener.chmod(0o755)
    os.mkfifo(opened)  # what opens a page is not waited for: a pipe is
    pipe = os.open(opened, os.O_RDWR | os.O_NONBLOCK)
    workplace.environment["PATH"] = f"{opener.parent}:{workplace.environment['PATH']}"
    page = str(workplace.published.with_name("statsig_runs.html"))
    done = workplace.run("report", "--open")
    assert (done.code, done.out) == (0, f"Written: {page}\n"), done.err
    assert select([pipe], [], [], PATIENCE)[0]
    assert os.read(pipe, 10_000).decode() == page
    os.close(pipe)


def test_a_destination_that_is_none_is_refused_with_the_names_that_are(workplace: Workplace) -> None:
    done = workplace.run("sync", "--destination", "oracle")
    assert done.code == 2
    assert "There is no destination 'oracle'. Choose one of: duckdb, postgres," in done.err


def test_a_destination_that_is_not_configured_says_where_its_credentials_go(workplace: Workplace) -> None:
    done = workplace.run("transform", "--destination", "postgres")
    assert done.code == 2
    assert "The destination 'postgres' is not configured; missing: credentials" in done.err
    assert "DESTINATION__POSTGRES__CREDENTIALS" in done.err


def test_the_local_api_serves_what_its_options_say(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    workplace = Workplace(tmp_path, url, STATSIG_API_KEY=API_KEY)
    options = ["--port", str(port), "--runs", "30", "--seed", "5", "--malformed", "2", "--page-size", "6"]
    more = ["--host", "127.0.0.1", "--latency", "0.001", "--rate-limits", "", "--fault-rate", "0.1"]
    server = workplace.start("simulate", *options, *more)
    try:
        done = workplace.sync("--base-url", url)  # tries again until the server listens
    finally:
        ended = server.stop(signal.SIGINT)
    assert done.code == 4, done.err
    assert (done.summary["new"], done.summary["rejected"]) == (28, 2)
    assert done.summary["requests"] - done.summary["retries"] == 6  # five pages, and the ingestion status
    assert ended.code == 0
    assert f"Simulated Console API with 30 runs at {url}, key {API_KEY}." in ended.out


def test_the_local_api_refuses_a_port_in_use_and_limits_that_make_no_sense(workplace: Workplace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        used = workplace.run("simulate", "--port", str(taken.getsockname()[1]))
    assert used.code == 2
    assert "Choose another --port." in used.err
    odd = workplace.run("simulate", "--port", "0", "--rate-limits", "many")
    assert (odd.code, "not a rate window" in odd.err) == (2, True)
