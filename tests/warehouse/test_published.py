"""The published copy: whatever its readers do to it, the next publication and our own commands get at the data."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pytest

from statsig_runs.errors import StorageError
from statsig_runs.warehouse import published as room
from statsig_runs.warehouse.published import Published

CARELESS = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("create view mine as select 1")
os.kill(os.getpid(), 9)
"""
OPEN_TO_WRITE = """
import duckdb, os, sys
if not os.getuid():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(duckdb.connect(sys.argv[1], read_only=True).execute("select version from versions").fetchall(), flush=True)
duckdb.connect(sys.argv[1])
"""


class Job:
    """A database whose one row counts its versions, and its published copy."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "statsig_runs.duckdb"
        self.published = Published(self.database)
        self.version = 0

    def publish(self) -> None:
        self.version += 1
        with duckdb.connect(str(self.database), config={"storage_compatibility_version": "v1.4.0"}) as connection:
            connection.execute(f"create or replace table versions as select {self.version} as version")
        self.published.publish()

    def seen(self) -> int:
        """The version that our own commands read."""
        with self.published.open() as connection:
            [(version,)] = connection.execute("select version from versions").fetchall()
        return version

    def seen_by_others(self) -> int:
        """The version that a program reads which knows only the file."""
        with duckdb.connect(str(self.published.file), read_only=True) as connection:
            [(version,)] = connection.execute("select version from versions").fetchall()
        return version

    @property
    def log(self) -> Path:
        return self.published.file.with_name("statsig_runs.duckdb.wal")

    def be_careless(self) -> None:
        """Somebody opens the copy to write, makes a view and is killed."""
        self.published.file.chmod(0o644)  # for root the mode is no hindrance anyway
        subprocess.run([sys.executable, "-c", CARELESS, self.published.file], check=False)
        assert self.log.exists()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job(tmp_path)
    job.publish()
    return job


def test_a_log_that_somebody_left_beside_the_copy_goes_with_the_version_it_belongs_to(job: Job):
    job.be_careless()
    assert (job.seen(), job.seen_by_others()) == (1, 1)
    job.publish()
    assert not job.log.exists()
    assert (job.seen(), job.seen_by_others()) == (2, 2)


def test_a_connection_that_is_open_to_write_stops_neither_publications_nor_our_own_commands(
    job: Job, caplog: pytest.LogCaptureFixture
):
    with job_open_to_write(job) as careless:
        assert job.seen() == 1
        assert "is open to write in another program" in caplog.text
        assert "duckdb -readonly" in caplog.text
        for version in (2, 3):
            job.publish()
            assert (job.seen(), job.seen_by_others()) == (version, version)
        careless.stdin.write("go on\n")
        careless.stdin.flush()
        assert careless.stdout.readline() == "written\n"
        assert job.log.exists()  # of version 1, beside version 3
        assert job.seen() == 3
        job.publish()
        assert (job.seen(), job.seen_by_others()) == (4, 4)


def job_open_to_write(job: Job) -> subprocess.Popen[str]:
    """Another program with the copy open to write; it makes a view once it is told to go on."""
    program = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
connection.execute("create view mine as select 1")
print("written", flush=True)
sys.stdin.readline()
"""
    job.published.file.chmod(0o644)
    running = subprocess.Popen(
        [sys.executable, "-c", program, job.published.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "open\n"
    return running


def test_a_private_copy_is_gone_once_it_is_closed(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with job_open_to_write(job), job.published.open() as connection:
        assert list((tmp_path / "tmp").iterdir()) == []
        assert connection.execute("select version from statsig_runs.versions").fetchall() == [(1,)]


def test_nobody_may_write_into_the_copy(job: Job, tmp_path: Path):
    for folder in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(folder.stat().st_mode) == 0o700:  # as pytest makes them, one more where it has several workers
            folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", OPEN_TO_WRITE, job.published.file], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[(1,)]\n"
    assert "Permission denied" in done.stderr
    assert [path.name for path in job.published.file.parent.iterdir()] == ["statsig_runs.duckdb"]


def test_a_copy_has_the_rights_that_the_users_mask_leaves_without_those_to_write(job: Job):
    before = os.umask(0o027)
    try:
        job.publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE(job.published.file.stat().st_mode) == 0o440


def test_a_copy_that_cannot_be_read_does_not_take_the_place_of_one_that_can(job: Job, monkeypatch: pytest.MonkeyPatch):
    def half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:4096])

    monkeypatch.setattr("statsig_runs.warehouse.published.shutil.copyfile", half)
    with pytest.raises(StorageError, match=r"could not be published: .*readers still have the last good copy"):
        job.publish()
    monkeypatch.undo()
    assert (job.seen(), job.seen_by_others()) == (1, 1)
    assert [path.name for path in job.published.file.parent.iterdir()] == ["statsig_runs.duckdb"]


def test_a_log_that_is_written_in_the_very_moment_of_a_publication_is_found(job: Job, monkeypatch: pytest.MonkeyPatch):
    job.be_careless()
    stale = [job.log.read_bytes()]
    look_into = room._look_into

    def too_late(file: Path) -> None:
        if file == job.published.file and stale:
            job.log.write_bytes(stale.pop())
        look_into(file)

    monkeypatch.setattr(room, "_look_into", too_late)
    job.publish()
    assert stale == []
    assert job.seen_by_others() == 2


def test_a_damaged_copy_is_an_error_for_its_readers_and_mended_by_the_next_publication(job: Job):
    job.published.file.chmod(0o644)
    job.published.file.write_bytes(b"no database at all")
    with pytest.raises(duckdb.Error, match="not a valid DuckDB database file"):
        job.published.open()
    job.publish()
    assert (job.seen(), job.seen_by_others()) == (2, 2)


def test_the_copy_shows_what_people_read_of_every_project_and_nothing_that_it_is_made_with(job: Job):
    shown = ["statsig", "statsig_raw", "statsig_raw_shop", "statsig_shop"]
    hidden = ["statsig_raw_shop_staging", "statsig_raw_staging", "statsig_staging", "statsig_staging_shop"]
    with duckdb.connect(str(job.database)) as connection:
        for schema in shown + hidden:
            connection.execute(f"create schema {schema}; create table {schema}.numbers as from range(9)")
            connection.execute(f"create view {schema}.views as from {schema}.numbers")
    job.publish()
    with job.published.open() as connection:
        found = connection.execute("select distinct schema_name from duckdb_columns() where not internal order by 1")
        assert [name for (name,) in found.fetchall()] == ["main", *shown]
    with duckdb.connect(str(job.database)) as connection:
        assert connection.execute("select count(*) from statsig_staging_shop.views").fetchall() == [(9,)]


def test_a_copy_that_cannot_be_tidied_leaves_nothing_beside_the_last_one(job: Job, monkeypatch: pytest.MonkeyPatch):
    def fail(draft: Path) -> None:
        draft.with_name(f"{draft.name}.wal").touch()
        raise OSError("disk full")

    monkeypatch.setattr(room, "_tidy", fail)
    with pytest.raises(StorageError, match="disk full"):
        job.publish()
    assert [path.name for path in job.published.file.parent.iterdir()] == ["statsig_runs.duckdb"]
    assert job.seen_by_others() == 1
