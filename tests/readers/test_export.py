"""`statsig-runs export`: every mart, whole or not at all, and nothing of anybody else's deleted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest

from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.readers import export
from statsig_runs.readers.export import export_marts
from statsig_runs.readers.published import reading
from statsig_runs.warehouse import Warehouse
from tests.support.marts import MARTS
from tests.support.published_runs import run_command

WRITTEN = datetime(2024, 3, 15, 10, tzinfo=UTC)
ROWS = {
    "agg_daily": 21,
    "dq_findings": 3,
    "fct_in_flight_runs": 2,
    "fct_loads": 1,
    "fct_runs": 25,
    "fct_source_date_reports": 6,
    "fct_source_dates": 26,
    "source_status": 5,
}


def write(published: Warehouse, folder: Path, file_format: str = "parquet") -> dict:
    with reading(published) as connection:
        return export_marts(connection, "statsig", folder, file_format, now=WRITTEN)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_every_mart_is_a_file_with_the_rows_that_the_manifest_says(
    published: Warehouse, tmp_path: Path, file_format: str
):
    folder = tmp_path / "new" / "it's here"
    write(published, folder, file_format)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {name: value for name, value in manifest.items() if name != "tables"} == {
        "generator": "statsig-runs",
        "version": version("statsig-runs"),
        "written_at": "2024-03-15T10:00:00.000Z",
        "as_of": "2024-03-15T09:00:00.000Z",
        "format": file_format,
        "time_zone": "UTC",
    }
    tables = {table["name"]: table for table in manifest["tables"]}
    assert tuple(tables) == MARTS
    assert names(folder) == {"manifest.json", *(f"{name}.{file_format}" for name in MARTS)}
    assert {name: tables[name]["rows"] for name in ROWS} == ROWS
    for table in tables.values():
        read = duckdb.sql(f"from '{str(folder / table['file']).replace(chr(39), chr(39) * 2)}'")
        assert (table["rows"], [column["name"] for column in table["columns"]]) == (len(read), read.columns)
    assert [{key: column[key] for key in ("name", "type")} for column in tables["source_status"]["columns"][:4]] == [
        {"name": "source", "type": "VARCHAR"},
        {"name": "health", "type": "VARCHAR"},
        {"name": "last_run_id", "type": "VARCHAR"},
        {"name": "last_started_at", "type": "TIMESTAMP WITH TIME ZONE"},
    ]


def test_the_manifest_and_a_parquet_file_say_what_a_mart_and_its_columns_mean(published: Warehouse, tmp_path: Path):
    write(published, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    written = duckdb.sql(f"from parquet_kv_metadata('{tmp_path}/out/fct_runs.parquet')").fetchall()
    metadata = {key.decode(): value.decode() for _, key, value in written}
    of_columns = json.loads(metadata["columns"])

    [runs] = [table for table in manifest["tables"] if table["name"] == "fct_runs"]
    assert runs["description"].startswith("One row per run.")
    assert metadata["description"] == runs["description"]
    assert of_columns["run_id"] == "The run's id."
    assert of_columns == {column["name"]: column["description"] for column in runs["columns"]}
    undescribed = [
        (table["name"], each["name"])
        for table in manifest["tables"]
        for each in table["columns"]
        if not each["description"]
    ]
    assert undescribed == []


def test_csv_has_moments_in_utc_as_spreadsheets_read_them(published: Warehouse, tmp_path: Path):
    write(published, tmp_path / "out", "csv")
    lines = (tmp_path / "out" / "fct_in_flight_runs.csv").read_text().splitlines()
    assert sorted(lines[1:]) == [
        "begun,2024-03-15 08:00:00.000,metrics,3600.0,,,,",
        "late,2024-03-15 05:00:00.000,download,14400.0,3600.0,3600.0,true,2024-03-15 06:00:00.000",
    ]


def test_parquet_keeps_types(published: Warehouse, tmp_path: Path):
    write(published, tmp_path / "out")
    read = duckdb.sql(f"select created_at, created_date, is_recovered from '{tmp_path}/out/fct_runs.parquet'")
    assert [str(kind) for kind in read.types] == ["TIMESTAMP WITH TIME ZONE", "DATE", "BOOLEAN"]


def test_others_may_read_what_the_umask_lets_them(published: Warehouse, tmp_path: Path):
    (tmp_path / "usual").mkdir()
    write(published, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_an_earlier_export_or_an_empty_folder_is_replaced_whole(published: Warehouse, tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    write(published, folder, "csv")
    write(published, folder, "parquet")
    assert names(folder) == {"manifest.json", *(f"{name}.parquet" for name in MARTS)}
    assert names(tmp_path) == {"out"}


def test_a_link_to_a_folder_still_is_one_afterwards(published: Warehouse, tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(published, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert "manifest.json" in names(tmp_path / "real")


def test_a_folder_with_anything_else_in_it_is_left_alone(published: Warehouse, tmp_path: Path):
    folder = tmp_path / "out"
    write(published, folder)
    (folder / "notes.txt").write_text("mine")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(ConfigurationError, match=r"holds 'notes\.txt', which no export wrote"):
        write(published, folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("manifest", ["", "[]", '{"generator": "another"}', '{"generator": "statsig-runs"}'])
def test_a_manifest_of_something_else_is_no_permission(published: Warehouse, tmp_path: Path, manifest: str):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ConfigurationError, match="which no export wrote"):
        write(published, tmp_path)
    assert names(tmp_path) == {"manifest.json"}


def test_a_file_of_that_name_is_left_alone(published: Warehouse, tmp_path: Path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigurationError, match="is a file"):
        write(published, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_an_export_that_fails_half_way_leaves_the_earlier_one(
    published: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "out"
    write(published, folder, "csv")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_one = export._write

    def fail_late(connection, schema, name, *rest):
        if name == "source_status":
            raise OSError(28, "No space left on device")
        return write_one(connection, schema, name, *rest)

    monkeypatch.setattr(export, "_write", fail_late)
    with pytest.raises(StorageError, match=r"No space left on device[\s\S]*What was there before is unchanged"):
        write(published, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names(tmp_path) == {"out"}


def test_an_export_that_cannot_take_its_place_gives_it_back(
    published: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "out"
    write(published, folder, "csv")
    rename = Path.rename

    def refuse_drafts(self, target):
        if self.name.endswith(".unfinished"):
            raise OSError(16, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_drafts)
    with pytest.raises(StorageError, match="Device or resource busy"):
        write(published, folder)
    assert "source_status.csv" in names(folder)
    assert names(tmp_path) == {"out"}


def test_without_runs_there_are_files_without_rows(without_runs: Warehouse, tmp_path: Path):
    manifest = write(without_runs, tmp_path / "out")
    assert manifest["as_of"] is None
    assert {table["rows"] for table in manifest["tables"]} == {0}


def test_the_command_says_what_it_wrote(folder: Path, tmp_path: Path):
    done = run_command(folder, "export", str(tmp_path / "a"), "--format", "csv")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("14 marts, ")
    assert done.out.endswith(f" rows, as of 2024-03-15T09:00:00.000Z.\nWritten: {tmp_path / 'a'}\n")
    assert "fct_runs.csv" in names(tmp_path / "a")


def test_the_command_writes_parquet_by_itself_and_names_the_database_it_was_told(folder: Path, tmp_path: Path):
    done = run_command(tmp_path, "export", "b", "--database", str(folder / "data" / "statsig_runs.duckdb"))
    assert (done.code, done.err) == (0, "")
    assert "fct_runs.parquet" in names(tmp_path / "b")
    refused = run_command(tmp_path, "export", ".", "--database", str(folder / "data" / "statsig_runs.duckdb"))
    assert (refused.code, refused.out) == (2, "")
    assert "which no export wrote" in refused.err
