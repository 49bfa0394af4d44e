"""Any story of an API and of the syncs that met it ends with everything loaded, and none of them waits for the end.

An API gets new runs, forgets old ones, changes some, serves some never, is down for a while; syncs are cut short by
`--max-requests`, killed, asked for ids, for all, for recent runs only. The server and the client are real.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from statsig_runs.simulator import Reply, Simulator
from statsig_runs.simulator.faults import reply_error
from tests.support.fetches import KEY, NOW, Pass, Syncs, run_of

PAGE = 3
"""Runs to a page: a page of ten would need ten times as many."""


class Story:
    """One API and its syncs; what happens by chance is drawn from the seed."""

    def __init__(self, server: Simulator, folder: Path, seed: int, *, ascending: bool, honours_limit: bool) -> None:
        self.random = Random(seed)  # noqa: S311
        self.server = server
        server.runs.clear()
        server.ascending, server.honours_limit, server.page_size = ascending, honours_limit, PAGE
        server.script = self.answer
        self.syncs = Syncs(server, folder)
        self.age = 45.0
        self.poison: set[str] = set()
        self.answers_left = -1
        self.arrive(20)

    def answer(self, path: str, _: int) -> Reply | None:
        if self.answers_left == 0:
            return reply_error(500, "down")
        self.answers_left -= 1
        body = self.server._reply_truly(path).body
        return reply_error(500, "poison") if any(f'"{run_id}"'.encode() in body for run_id in self.poison) else None

    def arrive(self, count: int) -> None:
        for _ in range(count):
            self.age *= self.random.uniform(0.9, 0.995)
            self.server.runs.add(run_of(round(self.age, 6)))

    def change(self) -> None:
        young = [run_id for run_id in self.server.runs if float(run_id[1:]) < 14]
        for run_id in self.random.sample(young, min(3, len(young))):
            self.server.runs.add(run_of(float(run_id[1:]), latestStatus=f"changed {self.random.random()}"))

    def forget(self) -> None:
        for run_id in list(self.server.runs)[-self.random.randint(1, 6) :]:
            del self.server.runs[run_id]

    def spoil(self) -> None:
        self.poison = set(self.random.sample(list(self.server.runs), 2)) if len(self.server.runs) > 1 else set()

    def heal(self) -> None:
        self.poison.clear()

    def unreadable(self) -> set[str]:
        """The runs on pages that hold a poisoned one, and on the first two where both do: that is an API gone down."""
        ids = list(self.server.runs)[:: -1 if self.server.ascending else 1]
        pages = [set(ids[start : start + PAGE]) for start in range(0, len(ids), PAGE)]
        bad = [page for page in pages if page & self.poison]
        if all(page in bad for page in pages[:2]):
            return set(ids)
        return self.poison if self.server.honours_limit else set().union(*bad)

    def sync(self, **options: object) -> Pass:
        names = self.random.sample(list(self.server.runs), 2) if options.pop("named", False) else ()
        done = self.syncs.sync(*names, **options)  # type: ignore[arg-type]
        twice = [run_id for run_id, times in Counter(done.ids).items() if times > 1]
        assert not twice
        return done

    def step(self, name: str) -> None:
        match name:
            case "arrive":
                self.arrive(self.random.randint(1, 9))
            case "change" | "forget" | "spoil" | "heal":
                getattr(self, name)()
            case "sync":
                done = self.sync()
                assert self.syncs.missing() <= self.unreadable()
                assert done.error is None or len(self.unreadable()) == len(self.server.runs)
            case "limited":
                most = self.random.choice([1, 2, 3, 5, 8])
                assert len(self.sync(max_requests=most, named=self.random.random() < 0.3).paths) <= most
            case "killed":
                self.sync(stop_after=self.random.randint(0, 25))
            case "full":
                self.sync(full=True, max_requests=self.random.choice([None, 4]))
            case "since":
                self.sync(since=NOW - self.random.choice([1, 10]) * (NOW - NOW.replace(day=1, month=1)) / 365)
            case "down":
                self.answers_left = self.random.randint(0, 8)
                self.sync()
                self.answers_left = -1

    def end(self) -> None:
        """Faults heal, and one sync of no limits brings the rest."""
        self.heal()
        done = self.sync()
        assert done.error is None
        assert done.unread == []
        assert self.syncs.missing() == set()
        assert self.syncs.progress.is_complete
        assert self.syncs.progress.failed == self.syncs.progress.leftover == ()
        again = self.sync()
        young = {run_id: body for run_id, body in self.server.runs.items() if float(run_id[1:]) < 14}
        brought = {outcome.run_id for outcome in (*done.came, *again.came)}
        assert young.keys() <= brought
        if not self.server.ascending:
            assert len(again.paths) <= len(young) / PAGE + 3


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with Simulator(api_key=KEY) as simulator:
        yield simulator


STEPS = ["change", "forget", "spoil", "heal", "killed", "full", "since", "down", *["arrive", "sync", "limited"] * 2]


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=14),
    seed=st.integers(0, 2**16),
    ascending=st.sampled_from([False, False, False, True]),
    honours_limit=st.booleans(),
)
def test_every_story_ends_with_everything_loaded(
    server: Simulator, steps: list[str], seed: int, *, ascending: bool, honours_limit: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        story = Story(server, Path(folder), seed, ascending=ascending, honours_limit=honours_limit)
        try:
            for step in steps:
                story.step(step)
            story.end()
        except AssertionError:
            note(f"{seed=} {steps=} {ascending=} {honours_limit=}")
            raise


@pytest.mark.parametrize("most", [3, 5])
def test_syncs_of_few_requests_bring_everything_in_time_once_faults_heal(
    server: Simulator, tmp_path: Path, most: int
) -> None:
    story = Story(server, tmp_path, most, ascending=False, honours_limit=False)
    for _ in range(20):
        story.step("arrive")
        story.spoil()
        story.sync(max_requests=most)
    story.heal()
    for _ in range(200):
        story.sync(max_requests=most)
        if not story.syncs.missing():
            return
    pytest.fail(f"{len(story.syncs.missing())} runs are missing: {story.syncs.progress}")
