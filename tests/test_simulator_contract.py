"""Schemathesis plays the OpenAPI document against the simulator: what it generates finds no way out of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import generate_runs

OPENAPI = Path(__file__).parent / "data" / "read-ingestion-run.openapi.yaml"
KEY = {"STATSIG-API-KEY": "console-abc"}
RUNS = generate_runs(200, until=datetime(2026, 7, 1, 12, tzinfo=UTC), hostile=True)
IDS = [run["runID"] for run in RUNS]

schema = schemathesis.openapi.from_path(OPENAPI)
unhurried = settings(
    deadline=None, max_examples=200, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Simulator(RUNS) as simulator:
        yield simulator.url


@schema.parametrize()
@unhurried
def test_no_generated_request_gets_an_answer_outside_the_document(case: schemathesis.Case, url: str) -> None:
    case.call_and_validate(base_url=url, headers=KEY)


@schema.parametrize()
@unhurried
def test_no_request_without_a_key_gets_an_answer_outside_the_document(case: schemathesis.Case, url: str) -> None:
    answer = case.call(base_url=url)
    case.validate_response(answer)
    assert answer.status_code in {401, 405}


@pytest.mark.parametrize("run_id", [IDS[0], IDS[77], IDS[-1]])
def test_the_answer_for_a_known_run_is_the_documented_one(run_id: str, url: str) -> None:
    operation = schema["/console/v1/ingestion/runs/{id}"]["GET"]
    case = operation.Case(path_parameters={"id": run_id})
    answer = case.call_and_validate(base_url=url, headers=KEY)
    assert answer.status_code == 200
