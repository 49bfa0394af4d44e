"""Killed at any file operation, a load is finished or repeated by the next one, and nobody has to lend a hand.

Three operations by default. `STATSIG_RUNS_KILL_POINTS=1 pytest tests/warehouse/test_kill_points.py` kills at each of
some 400 in turn, where a file is opened to write once more with the file left empty, and each repair as well: an hour.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from statsig_runs.plan import Progress
from statsig_runs.warehouse.destinations import open_warehouse
from statsig_runs.warehouse.loader import Loader
from tests.support.kill_points import KILLED, Ended, run
from tests.support.one_run import payload
from tests.support.warehouse_of_runs import accept
from tests.support.workplace import contents

ALL = bool(os.environ.get("STATSIG_RUNS_KILL_POINTS"))
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BEFORE = Progress(as_of=NOW)
AFTER = Progress(as_of=NOW + timedelta(days=1), leftover=("r99",))
VARIES_BY = 5
"""Operations that a load may need less than another did, of some 450: the last of them are not always reached."""
LOST = replace(AFTER, leftover=("r99", "r3", "r4", "r5", "r6", "r7", "r8"))
"""Killed between the end of a load and the note of it: the runs are read once more."""


def database(folder: Path) -> Path:
    return folder / "data" / "runs.duckdb"


def sync(folder: Path, ids: Sequence[int], at: datetime, progress: Progress) -> None:
    """What a sync writes before its models are built."""
    with open_warehouse(database(folder)).writing() as loader:
        runs = [accept(payload(runID=f"r{number}", latestStatus=str(at.day)), at) for number in ids]
        loader.load(runs, progress)
        record(loader, at)


def record(loader: Loader, at: datetime) -> None:
    counts = ("new", "changed", "unchanged", "rejected", "missing", "failed", "request", "retry", "rate_limited")
    seconds = ("fetch_seconds", "load_seconds", "model_seconds", "publish_seconds")
    load = {"load_id": str(at), "started_at": at, "finished_at": at, **{f"{name}_count": 1 for name in counts}}
    loader.record(load | dict.fromkeys(seconds))
    loader.note(load | dict.fromkeys(seconds, 1.0))


def first_sync(folder: Path) -> None:
    sync(folder, range(5), NOW, BEFORE)


def second_sync(folder: Path) -> None:
    sync(folder, range(3, 9), NOW + timedelta(days=1), AFTER)


def repair(folder: Path) -> tuple[Progress, bool]:
    with open_warehouse(database(folder)).writing() as loader:
        return loader.progress(), loader.pipeline.has_pending_data


def repair_and_sync(folder: Path) -> tuple[Progress, bool]:
    repaired = repair(folder)
    second_sync(folder)
    return repaired


@pytest.fixture(scope="module")
def synced_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synced")
    assert run(first_sync, folder).code == 0
    return folder


@pytest.fixture(scope="module")
def undisturbed(synced_once: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, dict[str, list[str]]]:
    folder = copy(synced_once, tmp_path_factory.mktemp("undisturbed"))
    ended = run(second_sync, folder)
    assert ended.code == 0, ended.error
    return ended, contents(database(folder), without="_dlt.*")


def copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to, dirs_exist_ok=True)
    return to


def points(operations: Sequence[str]) -> Iterator[tuple[int, bool]]:
    """Where to kill: the number of an operation, and whether the file that it opens is left empty."""
    if ALL:
        for number, operation in enumerate(operations, 1):
            yield number, False
            if operation.startswith("open"):
                yield number, True
        return
    ready = next(number for number in count() if is_move(operations[number], "load/new"))
    yield ready + 1, False  # just before a load is ready
    gone = next(number for number in count(ready) if "normalize/extracted/" in operations[number])
    yield gone + 1, False  # dlt was about to be done with what it is made of: each later sync ended at once here
    job = next(number for number in count(gone) if is_move(operations[number], "started_jobs"))
    yield job + 1, False  # some tables have the new rows


def is_move(operation: str, folder: str) -> bool:
    return operation.startswith("os.rename") and f"/{folder}/" in operation and not operation.endswith("tmp")


@pytest.mark.timeout(7200 if ALL else 300)
def test_a_load_that_was_killed_at_a_file_operation_is_made_good_by_the_next(
    synced_once: Path, undisturbed: tuple[Ended, dict[str, list[str]]], tmp_path: Path
) -> None:
    whole, expected = undisturbed
    found = []
    for number, torn in points(whole.operations):
        folder = copy(synced_once, tmp_path / "killed")
        ended = run(second_sync, folder, kill_at=number, torn=torn)
        if ended.code != KILLED:  # done before it came so far
            assert number > len(whole.operations) - VARIES_BY, (number, len(whole.operations))
            assert (ended.code, contents(database(folder), without="_dlt.*")) == (0, expected), ended.error
        run(repair, folder, kill_at=number * 7 % 60 + 1, torn=torn)
        repaired = run(repair_and_sync, folder)
        problem = repaired.error
        if not problem and repaired.answer not in ((BEFORE, False), (AFTER, False), (LOST, False)):
            problem = f"after the repair: {repaired.answer}"
        if not problem and contents(database(folder), without="_dlt.*") != expected:
            problem = "other rows"
        left = [path.name for path in (folder / "data/.runs/pipelines").iterdir()]
        if not problem and left != ["statsig_runs"]:
            problem = f"left beside the working folder: {left}"
        if problem:
            found.append((number, torn, whole.operations[number - 1], problem))
        shutil.rmtree(folder)
    assert found == []


def test_a_copy_that_was_committed_when_the_load_was_killed_brings_no_row_twice(
    undisturbed: tuple[Ended, dict[str, list[str]]], synced_once: Path, tmp_path: Path
) -> None:
    """dlt notes that a copy has ended when it is committed, so between the two it would be made once more."""
    folder = copy(synced_once, tmp_path)
    assert run(second_sync, folder, kill_before="/.pending_transitions/").code == KILLED
    assert run(repair, folder).answer == (AFTER, False)
    loaded = contents(database(folder), without="_dlt.*")
    assert [table for table, rows in undisturbed[1].items() if rows != loaded[table]] == ["statsig_raw.sync_loads"]
