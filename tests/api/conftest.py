"""What the tests of the API share: clients that are closed again, and a local API of 200 runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from statsig_runs.simulator import Simulator
from tests.support.clients import KEY, Open, opening


@pytest.fixture
def open_api(tmp_path: Path) -> Iterator[Open]:
    with opening(tmp_path) as open_one:
        yield open_one


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator([{"runID": f"r{number}"} for number in range(200)], api_key=KEY) as simulator:
        yield simulator
