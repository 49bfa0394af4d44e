"""A disk that is full or read-only: one clear error, nothing lost, and the next sync with room completes the work."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from statsig_runs.simulator import Simulator
from tests.e2e.conftest import TODAY, YESTERDAY, Undisturbed
from tests.support.workplace import KEY, Workplace, contents, state

PutDisk = Callable[[Path, str], None]


def mount(folder: Path, options: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True, capture_output=True)


@pytest.fixture
def disks() -> Iterator[PutDisk]:
    """Puts a small disk of its own under a folder."""
    mounted = []

    def put(folder: Path, options: str) -> None:
        try:
            mount(folder, options)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("mounting a small disk takes root")
        mounted.append(folder)

    yield put
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def on_disk(disks: PutDisk, copy_of_yesterday: Callable[..., Workplace], tmp_path: Path) -> Workplace:
    """Yesterday's workplace on a disk of 64 MiB."""
    disks(tmp_path / "disk", "size=64m")
    return copy_of_yesterday("disk")


def fill(folder: Path, *, leaving: int) -> Path:
    """Fill a disk up to so many bytes."""
    space = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(b"x" * (space.f_bavail * space.f_frsize - leaving))
    return filler


def test_a_disk_that_is_full_costs_nothing_that_was_loaded(on_disk: Workplace, undisturbed: Undisturbed) -> None:
    before = contents(on_disk.published)
    for leaving in (0, 250_000, 1_000_000):  # bytes; of the later ones, the first step can use some
        filler = fill(on_disk.folder, leaving=leaving)
        done = on_disk.run("sync")
        assert done.code == 1
        assert "No space left on device" in done.err
        assert "What was loaded before is kept" in done.err
        assert "run the same command again" in done.err
        assert "Traceback" not in done.err
        assert contents(on_disk.published) == before
        assert on_disk.query("select count(*) >= 31 from statsig_raw.ingestion_runs", published=False) == [(True,)]
        filler.unlink()
    again = on_disk.run("sync")
    assert again.code == 0, again.err
    assert state(on_disk) == undisturbed.state


def test_a_copy_that_does_not_fit_leaves_the_last_one_and_comes_with_the_next_sync(
    copy_of_yesterday: Callable[..., Workplace], disks: PutDisk, undisturbed: Undisturbed
) -> None:
    workplace = copy_of_yesterday()
    published = workplace.published
    before = published.read_bytes()
    disks(published.parent, f"size={len(before) + 500_000}")
    published.write_bytes(before)
    done = workplace.run("sync", "--json")
    assert done.code == 1
    summary = json.loads(done.out)
    assert (summary["new"], summary["exit_code"], summary["publish_seconds"]) == (len(TODAY) - len(YESTERDAY), 1, None)
    assert "The new data could not be published" in summary["error"]
    assert "readers keep what was published last" in done.err
    assert "The new data could not be published" in done.err
    assert "No space left on device" in done.err
    assert f"It is loaded in {workplace.database}; readers still have the last good copy." in done.err
    assert {path.name for path in published.parent.iterdir()} == {published.name}
    assert published.read_bytes() == before
    remount(published.parent, "size=64m")
    assert workplace.run("sync").code == 0
    assert state(workplace) == undisturbed.state


def test_a_disk_that_is_read_only_is_named_before_anything_is_asked_for(
    on_disk: Workplace, simulator: Simulator
) -> None:
    remount(on_disk.folder, "ro")
    done = on_disk.run("sync")
    remount(on_disk.folder, "rw")
    assert done.code == 1
    assert f"{on_disk.database} cannot be written" in done.err
    assert "Read-only file system" in done.err
    assert f"Check free space and permissions of {on_disk.data}" in done.err
    assert simulator.statuses.total() == 0
    assert on_disk.query("select count(*) from statsig.fct_runs") == [(len(YESTERDAY),)]
    assert len(TODAY) > len(YESTERDAY) == 31


def test_a_database_that_is_lost_is_taken_back_from_the_published_copy(
    copy_of_yesterday: Callable[..., Workplace],
) -> None:
    workplace = copy_of_yesterday()
    workplace.database.unlink()
    workplace.database.with_name("statsig_runs.duckdb.wal").write_bytes(b"of the lost one")
    with Simulator([], api_key=KEY) as forgetful:  # Statsig has forgotten every run
        done = workplace.run("sync", "--base-url", forgetful.url)
    assert done.code == 4, done.err  # those that may still change are missing
    assert "is gone; going on from the published copy" in done.err
    assert workplace.query("select count(*) from statsig.fct_runs") == [(len(YESTERDAY),)]
    assert workplace.query("select count(*) from statsig.fct_runs", published=False) == [(len(YESTERDAY),)]


def test_a_database_that_is_taken_back_goes_on_as_one_that_was_never_lost(
    copy_of_yesterday: Callable[..., Workplace], undisturbed: Undisturbed
) -> None:
    workplace = copy_of_yesterday()
    workplace.database.unlink()
    assert workplace.sync().code == 0
    assert state(workplace) == undisturbed.state
