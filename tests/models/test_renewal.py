"""The marts as of a fetch that changed nothing, or little: without dbt, and exactly what a build would make."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from statsig_runs.kept import keep
from statsig_runs.models import Definitions, Renewal, build_models, keep_renewal, renew, take_renewal
from statsig_runs.models.renewal import _key
from tests.support import generated_lives, generated_messages, generated_runs
from tests.support import warehouse_of_runs as warehouse
from tests.support.renewed_file import File
from tests.support.written_week import all_runs

MOMENT = timedelta(seconds=1)
FOR_GOOD = timedelta(days=30)
"""Later than this, all that a history could still come to has been decided."""


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Renewal]]:
    """A week's runs, built once and built twice: the file, and what the build has left."""
    once, twice = (tmp_path_factory.mktemp(name) / "statsig_runs.duckdb" for name in ("once", "twice"))
    warehouse.load(once, all_runs())
    first = build_models(once).renewal
    shutil.copyfile(once, twice)
    return [(once, first), (twice, build_models(twice).renewal)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "statsig_runs.duckdb"


@pytest.fixture
def built(builds: list[tuple[Path, Renewal]], path: Path) -> Renewal:
    """What the first build has left, in that file."""
    shutil.copyfile(builds[0][0], path)
    return builds[0][1]


@pytest.fixture
def built_again(builds: list[tuple[Path, Renewal]], path: Path) -> Renewal:
    """What the second build has left, in that file: it has told how a part of the marts is made anew."""
    shutil.copyfile(builds[1][0], path)
    return builds[1][1]


def read_again(path: Path, world: generated_runs.World, later: timedelta) -> generated_runs.World:
    """Load the same payloads, fetched so much later."""
    again = [(payload, fetched_at + later) for payload, fetched_at in world]
    warehouse.load(path, again)
    return again


@pytest.mark.usefixtures("built")
def test_after_a_build_nothing_is_outdated(path: Path) -> None:
    assert File(path).query("from statsig_staging.int_outdated_runs") == []


def test_a_later_fetch_of_the_same_moves_the_moment_alone(built: Renewal, path: Path) -> None:
    world = read_again(path, all_runs(), MOMENT)
    assert renew(built, File(path))
    warehouse.assert_marts_are(path, world)
    assert File(path).query("from statsig_staging.int_outdated_runs") == []


def test_what_silence_has_decided_meanwhile_is_built(built: Renewal, path: Path) -> None:
    read_again(path, all_runs(), FOR_GOOD)
    before = warehouse.read_marts(path)
    file = File(path)
    assert not renew(built, file)
    assert [statement.split(" as ")[0] for statement in file.executed] == ["create temporary table renewed_runs"]
    assert warehouse.read_marts(path) == before


@pytest.mark.parametrize(
    "change",
    [
        "delete from statsig_raw.ingestion_runs where run_id = (select min(run_id) from statsig_raw.ingestion_runs)",
        "update statsig_raw.ingestion_runs set latest_status = 'another'",
        "update statsig_raw.ingestion_runs set last_updated_at = null",
        "update statsig_raw.run_payloads set content_hash = 'another'",
        "update statsig_raw.ingestion_runs set fetched_at = fetched_at - interval 1 second",
        "insert into statsig_raw.run_payloads by name select run_id, '2' as content_hash from statsig_raw.run_payloads",
    ],
)
def test_any_other_change_is_built(built: Renewal, path: Path, change: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(change)
    assert not renew(built, File(path))


def test_a_message_that_no_build_has_counted_is_built(built: Renewal, path: Path) -> None:
    world = all_runs()
    messages = generated_messages.messages_about(world, 1)
    warehouse.load(path, [], messages=messages)
    assert not renew(built, File(path))
    renewal = build_models(path).renewal
    world = read_again(path, world, MOMENT)
    assert renew(renewal, File(path))
    warehouse.assert_marts_are(path, world, messages)


def test_a_build_that_failed_is_not_gone_on_from(built: Renewal, path: Path) -> None:
    with duckdb.connect(str(path)) as connection:  # as the build leaves it that fails after it has begun with a run
        connection.execute("delete from statsig_staging.int_modelled_runs where run_id is not null")
    assert not renew(built, File(path))


def test_few_changed_runs_are_modelled_by_the_steps_of_the_last_build(built_again: Renewal, path: Path) -> None:
    world = read_again(path, all_runs(), MOMENT)
    changed = [(payload | {"latestStatus": "another"}, fetched_at + FOR_GOOD) for payload, fetched_at in world[:2]]
    warehouse.load(path, changed)
    assert renew(built_again, File(path))
    warehouse.assert_marts_are(path, [*changed, *world[2:]])
    assert File(path).query("from statsig_staging.int_outdated_runs") == []


@pytest.mark.parametrize(
    "damage",
    [
        "drop table statsig.agg_daily",
        "alter table statsig.agg_daily add column of_a_team text",
        "insert into statsig_raw.ingestion_runs from statsig_raw.ingestion_runs",  # a check finds each run twice
    ],
)
def test_what_the_steps_cannot_make_right_is_left_to_a_build(built_again: Renewal, path: Path, damage: str) -> None:
    read_again(path, all_runs()[:2], FOR_GOOD)
    with duckdb.connect(str(path)) as connection:
        connection.execute(damage)
        before = connection.execute("from statsig.fct_runs order by all").fetchall()
    assert not renew(built_again, File(path))
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("from statsig.fct_runs order by all").fetchall() == before


@settings(
    max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(world=generated_lives.worlds(), seed=st.integers(0, 2**32), data=st.data())
def test_whatever_is_read_again_the_marts_are_what_the_definitions_say(
    tmp_path_factory: pytest.TempPathFactory, world: generated_runs.World, seed: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("world") / "statsig_runs.duckdb"
    messages = generated_messages.messages_about(world, seed)
    warehouse.load(path, world, messages=messages)
    build_models(path)
    renewal = build_models(path).renewal
    warehouse.assert_marts_are(path, world, messages)
    for _ in range(4):
        later = data.draw(st.sampled_from([MOMENT, timedelta(minutes=10), timedelta(hours=1), timedelta(days=3)]))
        chosen = data.draw(st.sets(st.sampled_from(range(len(world))), min_size=1, max_size=20))
        again = read_again(path, [world[number] for number in sorted(chosen)], later)
        world = [run for number, run in enumerate(world) if number not in chosen] + again
        assert renew(renewal, File(path))
        warehouse.assert_marts_are(path, world, messages)


def test_what_is_kept_counts_once_and_for_the_same_place_and_definitions(built: Renewal, tmp_path: Path) -> None:
    variables, state = Definitions().to_variables(), tmp_path / "state"
    state.mkdir()
    keep_renewal(built, state, "here", variables)
    assert take_renewal(state, "here", variables) == built
    assert take_renewal(state, "here", variables) is None
    for place, others in (("there", variables), ("here", Definitions(settle_hours=1).to_variables())):
        keep_renewal(built, state, "here", variables)
        assert take_renewal(state, place, others) is None
        assert list(state.iterdir()) == []


def test_what_another_version_has_kept_is_as_good_as_nothing(tmp_path: Path) -> None:
    keep(tmp_path / "renewal", _key("here", {}), b'{"relations": {}}')
    assert take_renewal(tmp_path, "here", {}) is None
