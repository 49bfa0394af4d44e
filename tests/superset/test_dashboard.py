"""The dashboard of `deploy/superset` in a fresh Superset, made by the very lines of its README, in headless Chromium.

`make test-superset` installs Superset beside the environment of the tests, which its requirements do not fit.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest
import yaml

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import generate_runs, runs_as_of
from tests.support.workplace import KEY, PATIENCE, Workplace

playwright = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is not installed")

pytestmark = pytest.mark.timeout(900)  # Superset takes minutes to set up

DEPLOY = Path(__file__).parents[2] / "deploy"
SUPERSET = Path(sys.prefix) / "superset" / "bin"
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
NOW = datetime.now(UTC)
RUNS = generate_runs(200, until=NOW, seed=1)
TRIGGERS = {run["trigger"] for run in RUNS}
EARLIER = max(
    created for run in RUNS if (created := datetime.fromisoformat(run["createdAt"])) < NOW - timedelta(hours=2)
) + timedelta(minutes=10)
"""When a run was in flight, and others had not begun."""

IS_DRAWN = """
(chart) => {
    const canvas = chart.querySelector("canvas");
    if (canvas) {
        const drawn = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return drawn.some((value) => value > 0);
    }
    return chart.querySelector("tbody tr, .header-line")?.innerText.trim().length > 0;
}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """One that has synced as of `EARLIER`; `api` serves its next sync."""
    if not (Path(sys.prefix) / ".superset").exists():
        pytest.skip("no Superset: `make test-superset` installs it, and could not or was not asked to")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: install Debian's package chromium, or name another in $CHROMIUM")
    with Simulator(runs_as_of(RUNS, EARLIER), api_key=KEY) as api:
        workplace = Workplace(tmp_path_factory.mktemp("superset"), api.url)
        workplace.api = api  # type: ignore[attr-defined]
        assert workplace.sync().code == 0
        yield workplace


@pytest.fixture(scope="module")
def superset(workplace: Workplace) -> Iterator[SimpleNamespace]:
    """Superset as the README sets it up, with another port: its process and its address."""
    blocks = re.findall(r"```sh\n(.*?)```", (DEPLOY / "superset" / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    lines = blocks[1].replace("127.0.0.1:8088", address).replace("gunicorn ", "exec gunicorn ")
    (workplace.work / "deploy").symlink_to(DEPLOY)
    environment = {**workplace.environment, "PATH": f"{SUPERSET}:{os.environ['PATH']}"}
    log = workplace.folder / "superset.log"
    with (
        log.open("w") as told,
        subprocess.Popen(
            ["/bin/sh", "-ec", lines], cwd=workplace.work, env=environment, stdout=told, stderr=told
        ) as process,
    ):
        try:
            wait_until_healthy(f"http://{address}/health", process, log)
            yield SimpleNamespace(url=f"http://{address}", process=process)
        finally:
            process.terminate()


def wait_until_healthy(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"Superset did not start:\n{log.read_text()[-5000:]}")


@pytest.fixture(scope="module")
def page(superset: SimpleNamespace) -> Iterator[Any]:
    """A tab of somebody who is logged in, so tall that every chart is in sight."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        tab = browser.new_context(
            viewport={"width": 1600, "height": 4000}, timezone_id="Asia/Tokyo", base_url=superset.url
        ).new_page()
        tab.set_default_timeout(120_000)
        for _ in range(3):  # on a busy machine a log-in was once seen to end at the log-in page again
            tab.goto("/login/")
            tab.locator("#username").fill("admin")
            tab.locator("#password").fill("choose-one")
            tab.keyboard.press("Enter")
            tab.wait_for_url(re.compile("/welcome/|next="))
            if "/welcome/" in tab.url:
                break
        yield tab
        browser.close()


@pytest.fixture(scope="module")
def charts(workplace: Workplace) -> dict[str, str]:
    """The names of the charts that were imported, with their datasets."""
    with ZipFile(workplace.work / "statsig_runs.zip") as bundle:
        contents = {name: yaml.safe_load(bundle.read(name)) for name in bundle.namelist()}
    datasets = {each["uuid"]: each["table_name"] for name, each in contents.items() if "/datasets/" in name}
    return {each["slice_name"]: datasets[each["dataset_uuid"]] for name, each in contents.items() if "/charts/" in name}


@contextmanager
def answers(page, charts: dict[str, str]) -> Iterator[dict[str, list[dict]]]:
    """The rows that come for each chart while this is open."""
    listed = page.request.get("/api/v1/dashboard/statsig-runs/charts").json()["result"]
    names = {each["id"]: each["slice_name"] for each in listed}
    assert set(names.values()) == set(charts)
    rows: dict[str, list[dict]] = {}

    def hand_on(route) -> None:
        response = route.fetch()
        assert response.ok, response.text()
        rows[names[int(re.findall("slice_id%22%3A(\\d+)", route.request.url)[0])]] = response.json()["result"][0][
            "data"
        ]
        route.fulfill(response=response)

    page.route("**/api/v1/chart/data?form_data=*", hand_on)
    yield rows
    page.unroute_all(behavior="wait")


def open_dashboard(page, charts: dict[str, str]) -> dict[str, list[dict]]:
    """Open it, or open it again, and wait until every chart is drawn; the rows that came for each."""
    with answers(page, charts) as rows:
        page.goto("/superset/dashboard/statsig-runs/")
        for name in charts:
            chart = page.locator(f'[data-test-chart-name="{name}"]')
            chart.locator("canvas, tbody tr, .header-line").first.wait_for()
            page.wait_for_function(IS_DRAWN, arg=chart.element_handle())
    return rows


def figure(page, chart: str) -> str:
    return page.locator(f'[data-test-chart-name="{chart}"] .header-line').inner_text()


def count_runs(rows: dict[str, list[dict]]) -> int:
    return sum(row.get(trigger) or 0 for row in rows["Runs by week and trigger"] for trigger in TRIGGERS)


def open_files(process: subprocess.Popen) -> set[str]:
    """What Superset's server and its workers hold open."""
    parents = {process.pid}
    for status in Path("/proc").glob("[0-9]*/stat"):
        pid, parent = int(status.parent.name), int(status.read_text().rpartition(")")[2].split()[1])
        parents |= {pid} if parent == process.pid else set()
    held: set[str] = set()
    for pid in parents:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                held.add(str(link.readlink()))
    return held


def test_every_chart_is_drawn_with_data_and_shows_the_figures_of_the_marts(page, charts, workplace):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    rows = open_dashboard(page, charts)
    assert {name for name in charts if not rows.get(name)} == set()
    assert page.get_by_role("alert").count() == 0
    assert count_runs(rows) == workplace.query("select count(*) from statsig.fct_runs")[0][0]
    ((final, any_error),) = workplace.query(
        "select sum(failed_count) / sum(finished_count), sum(with_error_count) / sum(finished_count) "
        "from statsig.agg_source_daily"
    )
    assert figure(page, "Final error rate") == f"{100 * final:.1f}%"
    assert figure(page, "Any error rate") == f"{100 * any_error:.1f}%"
    ((fetched,),) = workplace.query("select max(fetched_at) from statsig.fct_runs")
    assert figure(page, "As of") == f"{fetched:%b %d, %H:%M}"  # in UTC, wherever the browser is
    sources = [source for (source,) in workplace.query("select source from statsig.source_status")]
    assert sorted(row["source"] for row in rows["Is the data in?"]) == sorted(sources)
    hosts = {urlsplit(url).hostname for url in asked if url.startswith("http")}
    assert hosts <= {"127.0.0.1", "apachesuperset.gateway.scarf.sh"}  # the README tells of that one


def test_a_source_that_is_chosen_filters_the_charts_that_have_sources(page, charts, workplace):
    open_dashboard(page, charts)
    ((source,),) = workplace.query("select max(source) from statsig.source_status")
    with answers(page, charts) as rows:
        page.locator('[data-test="NATIVE_FILTER-Source"]').click()
        page.keyboard.type(source)
        page.locator(".ant-select-item-option", has_text=source).click()
        page.keyboard.press("Escape")
        page.locator('[data-test="filter-bar__apply-button"]').click()
        for name, dataset in charts.items():
            if dataset != "fct_runs":  # a run has several sources
                wait_for(page, partial(rows.__contains__, name))
    assert set(rows) == {name for name, dataset in charts.items() if dataset != "fct_runs"}
    assert [row["source"] for row in rows["Is the data in?"]] == [source]
    assert {row["source"] for row in rows["Any error rate by source and week"]} == {source}


def wait_for(page, condition: Callable[[], bool]) -> None:
    """Until it holds; the browser's events come in meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert condition()


def test_new_data_is_there_after_a_sync_and_no_handle_on_the_file_stays(page, charts, workplace, superset):
    before = count_runs(open_dashboard(page, charts))
    page.wait_for_load_state("networkidle")
    assert not [file for file in open_files(superset.process) if "statsig_runs.duckdb" in file]
    for run in RUNS:
        workplace.api.runs.add(run)
    assert workplace.sync().code == 0
    after = count_runs(open_dashboard(page, charts))
    assert before < after == workplace.query("select count(*) from statsig.fct_runs")[0][0]
    page.wait_for_load_state("networkidle")
    assert not [file for file in open_files(superset.process) if "statsig_runs.duckdb" in file]
