"""A warehouse's files: their names, and what a lost or damaged one costs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from shlex import quote

import duckdb
import pytest
from filelock import FileLock

from statsig_runs.contract import read_run
from statsig_runs.errors import AlreadyRunningError, StorageError
from statsig_runs.plan import Progress
from statsig_runs.schemas import Schemas
from statsig_runs.source import loaded_batch
from statsig_runs.warehouse import Warehouse, open_warehouse
from statsig_runs.warehouse.lock import find_holder
from tests.support.one_run import NOW, payload

ROWS = [(number,) for number in range(100_000)]


def make(folder: Path) -> Warehouse:
    """A database with one table, published."""
    warehouse = open_warehouse(folder / "it's data" / "runs.duckdb")
    warehouse.prepare()
    with duckdb.connect(str(warehouse.database)) as connection:
        connection.execute("create table numbers as select range as number from range(100000)")
    warehouse.publish()
    return warehouse


def rows(file: Path) -> list[tuple[int]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute("from numbers order by all").fetchall()


def damage(file: Path, kind: str) -> None:
    """As a disk or somebody's hand does it."""
    content = bytearray(file.read_bytes())
    match kind:
        case "another file":
            content = bytearray(b"a shopping list\n" * 1000)
        case "cut off":
            content = content[: len(content) // 2]
        case "a hole":  # in the rows: the file opens, and its tables are listed
            middle = len(content) // 2
            content[middle : middle + 100_000] = bytes(100_000)
    file.write_bytes(content)


def test_two_databases_in_one_folder_share_no_file(tmp_path: Path) -> None:
    files = []
    for name in ("runs.duckdb", "runs.db", "runs", "demo.duckdb", "runs.2.duckdb"):
        warehouse = open_warehouse(tmp_path / name)
        published = warehouse.published
        files += [warehouse.database, warehouse.state, published.file, warehouse.report, warehouse.docs]
    assert len(set(files)) == 25


def test_the_pages_have_the_name_of_their_database(tmp_path: Path) -> None:
    warehouse = open_warehouse(tmp_path / "demo.duckdb")
    assert warehouse.report == tmp_path / "published" / "demo.html"
    assert warehouse.docs == tmp_path / "published" / "demo.docs.html"


def test_projects_that_share_a_database_share_the_copy_and_neither_pages_nor_what_was_told(tmp_path: Path) -> None:
    only = open_warehouse(tmp_path / "demo.duckdb")
    shop = open_warehouse(tmp_path / "demo.duckdb", Schemas.of_project("Shop"))
    assert only.published.file == shop.published.file
    assert shop.report == tmp_path / "published" / "demo.statsig_shop.html"
    assert shop.docs == tmp_path / "published" / "demo.statsig_shop.docs.html"
    assert (only.told.name, shop.told.name) == ("told.json", "told_shop.json")


def test_damage_that_is_met_half_way_is_told_with_what_mends_it(tmp_path: Path) -> None:
    warehouse = make(tmp_path)
    read = StorageError("The warehouse could not be read: IOException: Corrupt database file: computed checksum 1")
    with pytest.raises(StorageError, match=r"itself\. Move it away, and the next sync") as raised, warehouse.locked():
        raise read
    assert f"  mv {quote(str(warehouse.database))} {quote(f'{warehouse.database}.damaged')}" in str(raised.value)
    assert warehouse.advise(raised.value) is raised.value
    assert warehouse.advise(other := StorageError("no space")) is other


def test_who_held_the_lock_is_forgotten_with_it(tmp_path: Path) -> None:
    warehouse = open_warehouse(tmp_path / "runs.duckdb")
    note = warehouse.state / "lock.json"
    with warehouse.locked():
        assert json.loads(note.read_text())["pid"] == os.getpid()
    assert not note.exists()
    assert find_holder(warehouse.state, "here") is None
    with FileLock(warehouse.state / "lock"), pytest.raises(AlreadyRunningError, match=r"runs\.duckdb\. Nothing"):
        warehouse.locked().__enter__()  # of a sync that has not said yet who it is


def test_a_lost_database_is_taken_back_from_the_copy(tmp_path: Path) -> None:
    warehouse = make(tmp_path)
    warehouse.database.unlink()
    warehouse.prepare()
    assert rows(warehouse.database) == ROWS


@pytest.mark.parametrize("kind", ["another file", "cut off", "a hole"])
def test_a_lost_database_is_not_taken_back_from_a_damaged_copy_and_what_is_told_helps(
    tmp_path: Path, kind: str
) -> None:
    warehouse = make(tmp_path)
    copy = warehouse.published.file
    backup = copy.read_bytes()
    damage(copy, kind)
    warehouse.database.unlink()
    with pytest.raises(StorageError, match=r"is gone, and the published copy .* is damaged") as raised:
        warehouse.prepare()
    assert not warehouse.database.exists()
    follow(str(raised.value))
    assert copy.with_name("runs.duckdb.damaged").exists()
    copy.write_bytes(backup)
    warehouse.prepare()
    assert rows(warehouse.database) == ROWS


def test_a_damaged_database_is_taken_back_from_the_copy_by_the_commands_that_are_told(tmp_path: Path) -> None:
    warehouse = make(tmp_path)
    damage(warehouse.database, "another file")
    (warehouse.database.parent / "runs.duckdb.backup").write_text("mine")
    with pytest.raises(StorageError, match="goes on from the published copy") as raised:
        warehouse.prepare()
    follow(str(raised.value))
    warehouse.prepare()
    assert rows(warehouse.database) == ROWS
    assert (warehouse.database.parent / "runs.duckdb.backup").read_text() == "mine"


@pytest.mark.parametrize("is_published", [True, False])
def test_where_nothing_whole_is_left_the_commands_that_are_told_begin_anew(tmp_path: Path, is_published: bool) -> None:
    warehouse = make(tmp_path)
    copy = warehouse.published.file
    damage(warehouse.database, "another file")
    if is_published:
        damage(copy, "cut off")
    else:
        copy.unlink()
    with pytest.raises(StorageError, match="is damaged as well" if is_published else "begin anew") as raised:
        warehouse.prepare()
    assert "goes on from the published copy" not in str(raised.value)
    follow(str(raised.value))
    warehouse.prepare()
    with duckdb.connect(str(warehouse.database)) as connection:
        assert connection.execute("show all tables").fetchall() == []


def follow(told: str) -> None:
    """Run the commands of a message."""
    commands = [line for line in told.splitlines() if line.startswith("  ")]
    assert commands
    subprocess.run(["/bin/sh", "-ec", "\n".join(commands)], check=True)


def test_who_begins_anew_reads_the_list_from_its_beginning(tmp_path: Path) -> None:
    warehouse = open_warehouse(tmp_path / "runs.duckdb")
    with warehouse.writing() as loader:
        loader.load([], Progress(as_of=NOW))
    warehouse.database.unlink()
    with warehouse.writing() as loader:
        assert loader.progress() == Progress()


def test_who_writes_finds_what_a_killed_load_left_behind_finished(tmp_path: Path) -> None:
    warehouse = open_warehouse(tmp_path / "runs.duckdb")
    with warehouse.writing() as loader:
        loader.load([], Progress())
        batch = loaded_batch(
            [read_run(json.dumps(payload()).encode(), fetched_at=NOW)], {"progress": Progress().to_state()}
        )
        loader.pipeline.extract(batch)
        loader.pipeline.normalize()  # and here it was killed
    with warehouse.writing() as loader:
        assert set(loader.known.runs([payload()["runID"]], now=NOW, settle_days=14)) == {payload()["runID"]}
