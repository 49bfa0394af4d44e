"""The daily marts, of which a build makes the days that changed alone: exactly what the definitions say of all days."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from statsig_runs import tables
from statsig_runs.models import Definitions, Renewal, renew
from statsig_runs.models.build import MEMORY_LIMITS, _duckdb_profile, variables_of
from statsig_runs.models.dbt_project import DbtProject
from statsig_runs.schemas import Schemas
from tests.support import generated_runs
from tests.support import warehouse_of_runs as warehouse
from tests.support.renewed_file import File
from tests.support.written_runs import at
from tests.support.written_week import all_runs, backfill


def created(run_id: str, moment: str) -> dict:
    """One of the week's runs, created at another moment."""
    (written,) = (payload for payload, _ in all_runs() if payload["runID"] == run_id)
    return written | {"createdAt": moment}


def changed(*payloads: dict) -> generated_runs.World:
    return [(payload, at("2025-08-01T00:00:00")) for payload in payloads]


STORIES: dict[str, tuple[generated_runs.World, set[str]]] = {
    "a run moves to a day of its own": (changed(created("fan-out", "2024-03-06T00:00:00.000Z")), set()),
    "two runs change places": (
        changed(created("fan-out", "2024-03-03T00:00:00.000Z"), created("backfill 1", "2024-03-01T00:00:00.000Z")),
        set(),
    ),
    "a run is gone": ([], {"retried run"}),
    "the last day and its trigger are gone": ([], {"backfill 1", "backfill 2", "backfill 3"}),
    "a trigger is new": (changed(created("fan-out", "2024-03-01T00:00:00.000Z") | {"trigger": "manual"}), set()),
    "the calendar moves on": (changed(backfill("late", "02:00") | {"createdAt": "2025-07-01T00:00:00.000Z"}), set()),
    "a time cannot be": (changed(created("fan-out", "1970-01-01T00:00:00.000Z")), set()),
}
"""What is loaded after the week, and the ids of what is removed."""
LEAVING = ("a run moves to a day of its own", "two runs change places", "a run is gone")
"""Those after which a day has lost a run, and nothing else on it has changed."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Renewal]:
    """The week, and what its second build has left."""
    path = tmp_path_factory.mktemp("built") / "statsig_runs.duckdb"
    warehouse.load(path, all_runs())
    warehouse.build(path)
    return path, warehouse.build(path)


@pytest.fixture(params=STORIES)
def story(request: pytest.FixtureRequest, built: tuple[Path, Renewal], tmp_path: Path) -> tuple[Path, list]:
    """The file after such a change, and the runs that are in it."""
    loaded, gone = STORIES[request.param]
    path = shutil.copyfile(built[0], tmp_path / built[0].name)
    warehouse.load(path, loaded)
    with duckdb.connect(str(path)) as connection:
        for table in tables.RUN_TABLES:
            connection.execute(f"delete from statsig_raw.{table} where list_contains(?, run_id)", [list(gone)])
    replaced = gone | {payload["runID"] for payload, _ in loaded}
    return path, [*loaded, *((payload, moment) for payload, moment in all_runs() if payload["runID"] not in replaced)]


def test_the_steps_of_the_last_build_make_the_days_that_changed(
    story: tuple[Path, generated_runs.World], built: tuple[Path, Renewal]
) -> None:
    path, world = story
    assert renew(built[1], File(path))
    warehouse.assert_marts_are(path, world)


@pytest.mark.parametrize("story", LEAVING, indirect=True)
@pytest.mark.parametrize("last", ["agg_daily", "agg_source_daily", "agg_stage_daily"])
def test_a_build_makes_the_days_that_one_left_which_came_to_a_mart_and_no_further(
    story: tuple[Path, generated_runs.World], last: str
) -> None:
    path, world = story
    build_as_far_as(last, path)
    warehouse.build(path)
    warehouse.assert_marts_are(path, world)


def build_as_far_as(mart: str, path: Path) -> None:
    """What a build has done when it is killed after a mart: that one, and all that it is made of."""
    variables = variables_of(Schemas.of_project(), Definitions()) | {"records_builds": False}
    state = path.parent / ".statsig_runs" / "dbt"
    profile = _duckdb_profile(path, "statsig", MEMORY_LIMITS[0])
    done = DbtProject(state, profile, variables).invoke(["run", "--select", f"+{mart}"]).results
    assert done[-1].node.name == mart
