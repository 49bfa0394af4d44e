"""Whatever a kill, a power cut or another user left in dlt's working folder, the next sync begins, and ends exact."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dlt
import pytest
from dlt.common.runners import pool_runner as runner

from statsig_runs.errors import StorageError
from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.source import loaded_batch
from statsig_runs.warehouse.loader import Loader
from statsig_runs.warehouse.workfolder import WorkFolder
from tests.support.one_run import payload
from tests.support.warehouse_of_runs import accept

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FOLDER = "state/pipelines/statsig_runs"
FIRST, SECOND, THIRD = (Progress(as_of=NOW + timedelta(days=day)) for day in (1, 2, 3))


def open_loader(tmp_path: Path) -> Loader:
    return Loader(dlt.destinations.duckdb(str(tmp_path / "runs.duckdb")), Schemas.of_project(), tmp_path / "state")


def load(loader: Loader, *ids: str, progress: Progress | None = None) -> None:
    loader.load([accept(payload(runID=run_id), NOW) for run_id in ids], progress or FIRST)


def known(loader: Loader) -> list[str]:
    return sorted(loader.known.to_read_again(now=NOW, settle_days=0, full=True))


def leave_pending(tmp_path: Path, *, is_ready: bool) -> Path:
    """Load one run, and leave the load of a second one at one of its two places; returns that place."""
    loader = open_loader(tmp_path)
    load(loader, "a")
    work = WorkFolder(tmp_path / "state/pipelines", "statsig_runs")
    work.begin(["b"])
    loader.pipeline.extract(loaded_batch([accept(payload(runID="b"), NOW)], {"progress": SECOND.to_state()}))
    if is_ready:
        loader.pipeline.normalize()
        work.merge()
    (place,) = (tmp_path / FOLDER).glob("load/normalized/*/" if is_ready else "normalize/extracted/*/")
    return place


def cut(pattern: str) -> Callable[[Path], None]:
    """Leave half of every file that matches."""

    def damage(place: Path) -> None:
        files = [file for file in place.glob(pattern) if file.is_file()]
        assert files
        for file in files:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    return damage


def empty(place: Path) -> None:
    for path in sorted(place.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def make_a_file_of_it(place: Path) -> None:
    empty(place)
    place.rmdir()
    place.write_text("no folder")


def write_protect(place: Path) -> None:
    for path in (place, *place.rglob("*/")):
        path.chmod(0o500)


DAMAGES = {
    "half of every file of the load": cut("**/*"),
    "half of its schema": cut("schema.json"),
    "half of its state": cut("load_package_state.json"),
    "half of its rows": cut("new_jobs/*"),
    "an empty folder": empty,
    "a file where a folder was": make_a_file_of_it,
    "write-protected": write_protect,
}


@pytest.mark.parametrize("is_ready", [False, True])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_load_that_is_damaged_is_finished_or_its_runs_are_left_over(
    tmp_path: Path, damage: Callable[[Path], None], *, is_ready: bool
) -> None:
    damage(leave_pending(tmp_path, is_ready=is_ready))

    loader = open_loader(tmp_path)
    loader.repair()

    if known(loader) == ["a", "b"]:
        assert loader.progress() == SECOND
    else:  # what may have been loaded in part is read again
        assert known(loader) == ["a"]
        assert loader.progress() == replace(FIRST, leftover=("b",) if is_ready else ())
    load(loader, "b", "c", progress=THIRD)
    loader.repair()
    assert known(loader) == ["a", "b", "c"]
    assert loader.progress() == THIRD
    assert [path.name for path in (tmp_path / "state/pipelines").iterdir()] == ["statsig_runs"]


@pytest.mark.parametrize("is_ready", [False, True])
def test_a_load_that_is_whole_is_finished(tmp_path: Path, *, is_ready: bool) -> None:
    place = leave_pending(tmp_path, is_ready=is_ready)
    if is_ready:  # dlt was killed while it removed what it was made of, the last thing being the folder
        (tmp_path / FOLDER / "normalize/extracted" / place.name / "new_jobs").mkdir(parents=True)

    loader = open_loader(tmp_path)
    loader.repair()

    assert known(loader) == ["a", "b"]
    assert loader.progress() == SECOND


def test_a_load_that_vanished_is_read_again(tmp_path: Path) -> None:
    """The local state tells of a load that the tables do not hold: the next sync would go on behind it."""
    place = leave_pending(tmp_path, is_ready=True)
    empty(place)
    place.rmdir()

    loader = open_loader(tmp_path)
    loader.repair()

    assert loader.progress() == replace(FIRST, leftover=("b",))


def test_what_was_lost_is_left_over_until_a_load_has_kept_it_as_that(tmp_path: Path) -> None:
    empty(leave_pending(tmp_path, is_ready=True))
    for _ in range(2):  # the first of these syncs reached no API
        loader = open_loader(tmp_path)
        loader.repair()
        assert loader.progress() == replace(FIRST, leftover=("b",))
    load(loader, "a", progress=loader.progress())
    loader.repair()
    assert loader.progress() == replace(FIRST, leftover=("b",))
    load(loader, "b", progress=THIRD)
    loader.repair()
    assert loader.progress() == THIRD


def test_a_disk_that_is_full_keeps_the_load_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = leave_pending(tmp_path, is_ready=True)
    loader = open_loader(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place / "new_jobs"))

    with monkeypatch.context() as patch:
        patch.setattr(dlt.Pipeline, "load", fail)
        with pytest.raises(StorageError, match="No space left"):
            loader.repair()
    assert place.is_dir()
    open_loader(tmp_path).repair()
    assert known(open_loader(tmp_path)) == ["a", "b"]


def test_ctrl_c_in_a_load_is_no_error_and_keeps_the_load_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = leave_pending(tmp_path, is_ready=True)
    loader = open_loader(tmp_path)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runner, "run_pool", interrupt)
        with pytest.raises(KeyboardInterrupt):
            loader.repair()
        with pytest.raises(KeyboardInterrupt):
            load(loader, "c")
    assert place.is_dir()


def test_what_cannot_be_removed_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    empty(leave_pending(tmp_path, is_ready=False))
    loader = open_loader(tmp_path)

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)  # it was root's, perhaps
        loader.repair()
    (aside,) = (tmp_path / "state/pipelines").glob("*.removed")
    assert f"{aside} holds nothing that is needed, and could not be removed" in caplog.text
    assert known(loader) == ["a"]


def test_a_kill_while_the_old_folder_is_removed_is_no_fault_of_a_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load(open_loader(tmp_path), "a")

    class KilledError(BaseException):
        pass

    def remove_in_part(path: Path) -> None:
        next(path.glob("load/normalized")).rmdir()
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", remove_in_part)
        with pytest.raises(KilledError):
            open_loader(tmp_path).repair()
    caplog.clear()
    loader = open_loader(tmp_path)
    loader.repair()

    assert not [record for record in caplog.records if record.name.startswith("statsig_runs")]
    assert known(loader) == ["a"]
    assert [path.name for path in (tmp_path / "state/pipelines").iterdir()] == ["statsig_runs"]
