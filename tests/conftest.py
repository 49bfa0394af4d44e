"""What all tests share: a Ctrl-C that works, and published copies that many read and none writes.

In several processes, as `make test` runs them, the tests of a file share one: some files follow one workplace through
its days, and what is costly to build is built once a process.
"""

from __future__ import annotations

import signal
from pathlib import Path

import hypothesis
import pytest

from statsig_runs.warehouse import Warehouse
from tests.support.published_runs import all_messages, all_runs, publish
from tests.support.report_runs import build_troubled

# how long an example takes says what else the machine does
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_ignored_ctrl_c() -> None:
    """Tests that run in the background of a shell are started with Ctrl-C ignored, and would hand that on."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The runs and messages of `published_runs`, in the default place of a folder of their own."""
    return publish(tmp_path_factory.mktemp("published") / "data" / "statsig_runs.duckdb", all_runs(), all_messages())


@pytest.fixture(scope="session")
def folder(published: Warehouse) -> Path:
    """Where a command finds that copy without `--database`."""
    return published.database.parents[1]


@pytest.fixture(scope="session")
def without_runs(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A published copy that no run has reached."""
    return publish(tmp_path_factory.mktemp("empty") / "data" / "statsig_runs.duckdb", [], with_load=False)


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The marts of a week in which much went wrong, for the page."""
    return build_troubled(tmp_path_factory.mktemp("troubled") / "statsig_runs.duckdb")
