"""What several test modules share: one published copy, read by all of them and written by none."""

from __future__ import annotations

from pathlib import Path

import pytest

from statsig_runs.warehouse import Warehouse
from tests.published_runs import all_runs, publish
from tests.report_runs import build_troubled


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The runs of `published_runs`, in the default place of a folder of their own."""
    return publish(tmp_path_factory.mktemp("published") / "data" / "statsig_runs.duckdb", all_runs())


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
    return build_troubled(tmp_path_factory.mktemp("troubled") / "runs.duckdb")
