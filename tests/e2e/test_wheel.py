"""The wheel is the whole product: installed without the checkout, it syncs, models and publishes."""

import subprocess
import sys
import zipfile
from pathlib import Path

import duckdb
import pytest

from statsig_runs.simulator import Simulator
from statsig_runs.simulator.sample_runs import generate_runs
from tests.support.workplace import KEY
from tests.support.written_runs import at

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_carries_the_models_the_defaults_and_the_report_and_nothing_of_this_machine(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for name in (
        "sql/dbt_project.yml",
        "sql/seeds/status_catalogue.csv",
        "config.toml",
        "report/templates/page.css",
        "py.typed",
    ):
        assert f"statsig_runs/{name}" in names
    assert {name.partition("/")[2] for name in names if name.startswith("statsig_runs/sql/models/marts/")}
    assert not [
        name for name in names if "target" in name or "secrets" in name or "tests/" in name.partition("sql/")[0]
    ]


def test_the_installed_wheel_syncs_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:  # all that installing a pure wheel amounts to; a venv may lack pip
        archive.extractall(site)
    runs = generate_runs(30, until=at("2024-03-18T09:00:00"))
    place = tmp_path / "place"
    place.mkdir()
    with Simulator(runs, api_key=KEY) as server:
        done = subprocess.run(
            [sys.executable, "-m", "statsig_runs", "sync", "--base-url", server.url],
            cwd=place,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(site), "STATSIG_API_KEY": KEY},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(place / "data" / "published" / "statsig_runs.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from statsig.fct_runs").fetchone() == (30,)
    assert not list(site.glob("statsig_runs/sql/target*"))
