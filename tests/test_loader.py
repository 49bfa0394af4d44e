"""The loader on a DuckDB file: what it tells the next sync."""

from __future__ import annotations

from pathlib import Path

import dlt

from statsig_runs.loader import Loader
from statsig_runs.plan import Progress
from statsig_runs.warehouse import Schemas


def test_progress_is_what_the_last_load_committed_on_this_machine_and_on_another(tmp_path: Path) -> None:
    file = str(tmp_path / "runs.duckdb")
    loader = Loader(dlt.destinations.duckdb(file), Schemas.of_project(), tmp_path / "one")
    loader.load([], Progress(page=1))
    loader.load([], Progress(is_complete=True, page=2, leftover=("a", "b")))

    elsewhere = Loader(dlt.destinations.duckdb(file), Schemas.of_project(), tmp_path / "other")
    elsewhere.repair()

    assert loader.progress() == Progress(is_complete=True, page=2, leftover=("a", "b"))
    assert elsewhere.progress() == Progress(is_complete=True, page=2, leftover=("a", "b"))
