"""The manifest that is kept between processes: whole and of exactly this project, or as good as none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from statsig_runs.models import dbt_project, manifest
from statsig_runs.models.manifest import keep_manifest, key_of, read_manifest
from statsig_runs.packaged import packaged
from tests.support import warehouse_of_runs as warehouse
from tests.support.written_week import all_runs

PROFILE = {"type": "duckdb", "path": "/data/runs.duckdb", "schema": "statsig", "threads": 1}
READ_ANEW = {"generated_at", "invocation_id", "invocation_started_at", "created_at"}
"""Fields that say when a project was read."""


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forgets what this process has read."""
    return lambda: monkeypatch.setattr(dbt_project, "_manifests", {})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a process has built the marts."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(dbt_project, "_manifests", {})
        build(folder)
    return folder


def build(folder: Path) -> None:
    warehouse.load(folder / "runs.duckdb", all_runs())
    warehouse.build(folder / "runs.duckdb")


def kept(folder: Path) -> Path:
    return folder / ".runs" / "dbt" / "manifest"


def without_moments(value: object) -> object:
    match value:
        case dict():
            return {name: without_moments(item) for name, item in value.items() if name not in READ_ANEW}
        case list():
            return [without_moments(item) for item in value]
    return value


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    """The same user's files in another place."""
    return shutil.copytree(built, tmp_path / "another place")


def test_another_process_reads_the_project_no_more_even_in_another_place(
    copied: Path, another_process: Callable[[], None]
) -> None:
    before = kept(copied).stat()
    another_process()
    (copied / "runs.duckdb").unlink()
    build(copied)
    assert kept(copied).stat().st_ino == before.st_ino
    assert len(warehouse.read_marts(copied / "runs.duckdb", ["fct_runs"])["fct_runs"]) == len(all_runs())
    assert not (copied / ".runs" / "dbt" / "target" / "partial_parse.msgpack").exists()


def test_what_was_kept_is_what_dbt_had_read(another_process: Callable[[], None], tmp_path: Path) -> None:
    another_process()
    project = dbt_project.DbtProject(tmp_path, {**PROFILE, "path": str(tmp_path / "runs.duckdb")}, {})
    read = project.invoke(["parse"])
    found = read_manifest(tmp_path, project.key)
    assert without_moments(found.writable_manifest().to_dict()) == without_moments(read.writable_manifest().to_dict())
    assert found.flat_graph.keys() == read.flat_graph.keys()
    assert found.flat_graph["sources"] == read.flat_graph["sources"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda content: content[:64], id="ends in its head"),
        pytest.param(lambda content: content[:-1], id="a byte short"),
        pytest.param(lambda content: content + b"\n", id="a byte too long"),
        pytest.param(
            lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], id="a bit is another"
        ),
        pytest.param(lambda content: b"\x00" * len(content), id="zeros, after a power cut"),
        pytest.param(lambda content: content.partition(b"\n")[2], id="dbt's own format"),
        pytest.param(lambda content: b"0" * 64 + content[64:], id="of another project"),
    ],
)
def test_a_file_that_is_not_whole_or_not_ours_is_no_file(
    built: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    content = kept(built).read_bytes()
    key = content[:64].decode()
    (tmp_path / "manifest").write_bytes(content)
    assert read_manifest(tmp_path, key) is not None
    (tmp_path / "manifest").write_bytes(damage(content))
    assert read_manifest(tmp_path, key) is None


def test_a_damaged_file_is_replaced_by_the_next_build_and_a_folder_in_its_place_stops_none(
    copied: Path, another_process: Callable[[], None]
) -> None:
    whole = kept(copied).read_bytes()
    kept(copied).write_bytes(whole[:-1])
    another_process()
    warehouse.build(copied / "runs.duckdb")
    assert kept(copied).read_bytes()[:64] == whole[:64]
    assert read_manifest(kept(copied).parent, whole[:64].decode()) is not None
    kept(copied).unlink()
    kept(copied).mkdir()
    another_process()
    warehouse.build(copied / "runs.duckdb")


def test_a_manifest_counts_for_nothing_but_what_it_was_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(packaged("sql"), PROFILE, {"settle_hours": 24})
    assert key == key_of(packaged("sql"), {**PROFILE, "path": "/elsewhere/runs.duckdb"}, {"settle_hours": 24})
    others = [
        key_of(packaged("sql"), {**PROFILE, "path": "/data/demo.duckdb"}, {"settle_hours": 24}),
        key_of(packaged("sql"), {**PROFILE, "type": "postgres"}, {"settle_hours": 24}),
        key_of(packaged("sql"), {**PROFILE, "threads": 2}, {"settle_hours": 24}),
        key_of(packaged("sql"), PROFILE, {"settle_hours": 25}),
        key_of(packaged("sql"), PROFILE, {}),
    ]
    for name in (
        "moved",
        "dbt_project.yml",
        "seeds/status_catalogue.csv",
        "models/marts/fct_runs.yml",
        "tests/new.sql",
    ):
        project = shutil.copytree(packaged("sql"), tmp_path / name.replace("/", " "))
        if name != "moved":
            with (project / name).open("a") as file:
                file.write("\n")
        others.append(key_of(project, PROFILE, {"settle_hours": 24}))
    monkeypatch.setattr(manifest, "_versions", lambda: ["dbt-core 1.11.99"])
    others.append(key_of(packaged("sql"), PROFILE, {"settle_hours": 24}))
    assert len({key, *others}) == len(others) + 1


def test_the_secrets_of_a_profile_leave_no_trace_in_a_key(tmp_path: Path) -> None:
    keys = set()
    for password in ("one", "another"):
        project = dbt_project.DbtProject(tmp_path, {**PROFILE, "password": dbt_project.Secret(password)}, {})
        keys.add(project.key)
    assert len(keys) == 1


def test_what_tools_around_dbt_read_is_there_after_a_build_and_again_when_it_was_removed(
    copied: Path, another_process: Callable[[], None]
) -> None:
    target = copied / ".runs" / "dbt" / "target"
    project = json.loads((target / "manifest.json").read_bytes())
    results = json.loads((target / "run_results.json").read_bytes())
    runs = project["nodes"]["model.statsig_runs.fct_runs"]
    assert runs["columns"]["run_id"]["description"]
    assert "model.statsig_runs.fct_runs" in project["child_map"]["model.statsig_runs.int_histories"]
    assert {each["status"] for each in results["results"]} == {"success", "pass"}
    made = {each["unique_id"] for each in results["results"]}
    assert made == {name for name, node in project["nodes"].items() if node["resource_type"] != "unit_test"}
    shutil.rmtree(target)
    another_process()
    warehouse.build(copied / "runs.duckdb")
    assert json.loads((target / "manifest.json").read_bytes())["nodes"].keys() == project["nodes"].keys()
    assert (target / "run_results.json").exists()


def test_no_room_for_the_file_is_no_reason_to_stop(tmp_path: Path) -> None:
    keep_manifest(tmp_path / "absent", "key")
    assert read_manifest(tmp_path / "absent", "key") is None
