"""A network and an API on a bad day, and ids that are meant to lead elsewhere."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest

from statsig_runs.simulator import RUNS_PATH, Simulator
from statsig_runs.simulator.faults import Faults
from statsig_runs.simulator.sample_runs import generate_runs
from tests.e2e.conftest import NOON, TODAY
from tests.support.workplace import Workplace

FAULTS = Faults(
    server_error=0.05, too_many=0.03, too_many_with_retry_after=0.03, reset=0.03, truncated=0.03, garbage=0.03
)
"""One answer in five."""

HOSTILE_IDS = (
    "../x",
    "../../../../etc/passwd",
    "a/b?c",
    "a%2Fb#c",
    ".",
    "..",
    "x" * 10_000,
    "Ωmega 🚀 \u202eesrever",
    "'; drop table statsig_raw.ingestion_runs; --",
    "{{ 7 * 7 }} %s $1",
)


def test_every_run_is_loaded_exactly_once_when_one_answer_in_five_fails(workplace: Workplace) -> None:
    older = generate_runs(140, seed=77, until=NOON - timedelta(days=30))
    listed, named = [run["runID"] for run in TODAY], [run["runID"] for run in older]
    (workplace.work / "ids.txt").write_text("\n".join(named))
    with Simulator([*TODAY, *older], page_size=2, faults=FAULTS) as bad:
        workplace.environment["SOURCES__STATSIG_RUNS__BASE_URL"] = bad.url
        done = workplace.sync("--no-status", "--since", "2024-03-01", "--run-ids-file", "ids.txt")
        statuses = Counter(bad.statuses)
    assert done.code == 0, done.err
    assert done.summary["new"] == 200
    assert done.summary["requests"] == statuses.total()
    assert done.summary["rate_limited"] == statuses[429] > 0
    assert statuses[0] > 0
    assert statuses[500] + statuses[502] + statuses[503] > 0
    for table in ("ingestion_runs", "run_payloads"):
        rows = workplace.query(f"select run_id, count(*) from statsig_raw.{table} group by 1")
        assert sorted(rows) == sorted((run_id, 1) for run_id in (*listed, *named))
    events = {run["runID"]: len(run["runHistory"]) for run in (*TODAY, *older)}
    rows = workplace.query("select run_id, count(*) from statsig_raw.run_status_events group by 1")
    assert dict(rows) == {run_id: count for run_id, count in events.items() if count}


def test_a_hostile_id_makes_one_request_for_exactly_that_id(
    copy_of_yesterday: Callable[..., Workplace], simulator: Simulator
) -> None:
    present = HOSTILE_IDS[::2]
    for run_id in present:
        simulator.runs.add({**TODAY[0], "runID": run_id})
    workplace = copy_of_yesterday(SOURCES__STATSIG_RUNS__SETTLE_DAYS="14")
    arguments = [argument for run_id in HOSTILE_IDS for argument in ("--run-id", run_id)]
    done = workplace.sync("--no-discover", *arguments)
    assert done.code == 4, done.err
    assert (done.summary["new"], done.summary["missing"]) == (5, 5)
    asked = Counter(request.path for request in simulator.log)
    segments = {run_id: quote(run_id, safe="") for run_id in HOSTILE_IDS} | {".": "%2E", "..": "%2E%2E"}
    assert asked == {f"{RUNS_PATH}/{segment}": 1 for segment in segments.values()}
    loaded = workplace.query("select run_id from statsig.fct_runs")
    assert set(present) <= {run_id for (run_id,) in loaded}
    missing = workplace.query("select run_id from statsig_raw.missing_runs")
    assert {run_id for (run_id,) in missing} == set(HOSTILE_IDS[1::2])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"ok\n\xed\xa0\x80\n"])
def test_a_file_of_ids_that_is_no_text_is_refused_before_any_request(
    workplace: Workplace, simulator: Simulator, content: bytes
) -> None:
    (workplace.work / "ids.bin").write_bytes(content)
    done = workplace.run("sync", "--run-ids-file", "ids.bin")
    assert done.code == 2
    assert "ids.bin is not a text file in UTF-8" in done.err
    assert simulator.statuses.total() == 0


def test_neither_a_byte_order_mark_nor_a_comment_after_a_tab_is_part_of_an_id(
    workplace: Workplace, simulator: Simulator
) -> None:
    (workplace.work / "ids.txt").write_bytes(b"\xef\xbb\xbffirst\t# the one\r\n\r\n# a comment\r\nsecond\r\n")
    simulator.api_key = "another"  # a refusal ends it with the first request
    workplace.run("sync", "--no-discover", "--run-ids-file", "ids.txt")
    assert [request.path for request in simulator.log] == ["/console/v1/ingestion/runs/first"]


def test_an_id_that_cannot_be_asked_for_is_refused_before_any_request(
    workplace: Workplace, simulator: Simulator
) -> None:
    done = workplace.run("sync", "--run-id", "good", "--run-id", os.fsdecode(b"\xff"))
    assert done.code == 2
    assert "is no valid text" in done.err
    assert simulator.statuses.total() == 0
