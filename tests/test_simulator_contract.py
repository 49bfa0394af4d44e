"""Schemathesis plays the OpenAPI document against the simulator: what it generates finds no way out of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.console import StatusShape
from statsig_runs.simulator.sample_runs import generate_runs

OPENAPI = Path(__file__).parent / "data" / "read-ingestion-run.openapi.yaml"
KEY = {"STATSIG-API-KEY": "console-abc"}
RUNS = generate_runs(200, until=datetime(2026, 7, 1, 12, tzinfo=UTC), hostile=True)
IDS = [run["runID"] for run in RUNS]

schema = schemathesis.openapi.from_path(OPENAPI)
status_schema = schemathesis.openapi.from_path(OPENAPI.with_name("list-ingestion-status.openapi.yaml"))
# the document has no answer to a request that breaks it
status_schema.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE])
unhurried = settings(
    deadline=None, max_examples=200, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Simulator(RUNS) as simulator:
        yield simulator.url


@pytest.fixture(scope="module", params=["array", "envelope"])
def status_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with Simulator(RUNS, status_shape=request.param) as simulator:
        yield simulator.url


@schema.parametrize()
@unhurried
def test_no_generated_request_gets_an_answer_outside_the_document(case: schemathesis.Case, url: str) -> None:
    case.call_and_validate(base_url=url, headers=KEY)


@status_schema.parametrize()
@unhurried
def test_no_generated_request_for_the_ingestion_status_gets_an_answer_outside_the_document(
    case: schemathesis.Case, status_url: str
) -> None:
    answer = case.call_and_validate(base_url=status_url, headers=KEY)
    assert answer.status_code == 200


@pytest.mark.parametrize("shape", ["array", "envelope"])
def test_both_shapes_of_the_ingestion_status_are_the_documented_ones(shape: StatusShape) -> None:
    with Simulator(RUNS, status_shape=shape) as simulator:
        query = {"startDate": "2026-06-01", "endDate": "2026-07-01"}
        case = status_schema["/console/v1/ingestion/status"]["GET"].Case(query=query)
        answer = case.call_and_validate(base_url=simulator.url, headers=KEY)
        refused = case.call(base_url=simulator.url)
    content = answer.json()
    assert isinstance(content, list) == (shape == "array")
    assert len(content if shape == "array" else content["data"]) > 1_000
    status_schema["/console/v1/ingestion/status"]["GET"].validate_response(refused)
    assert refused.status_code == 401


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
