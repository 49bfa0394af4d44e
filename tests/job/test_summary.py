"""What a load says it did: every run counted once, and an exit code that hides nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from statsig_runs.contract import AcceptedRun, MissingRun, Outcome, RejectedRun, read_run
from statsig_runs.errors import ApiError
from statsig_runs.fetch import Unread
from statsig_runs.job.summary import Summary
from tests.support.one_run import NOW, payload


def accepted() -> Outcome:
    return read_run(json.dumps(payload()).encode(), fetched_at=NOW)


@pytest.mark.parametrize(
    ("outcome", "exit_code"),
    [
        (accepted(), 0),
        (RejectedRun("r2", NOW, "hash", "reason", "{}"), 4),
        (MissingRun("r3", NOW, "not found"), 4),
        (Unread("run r4", ApiError("it answers 500")), 4),
    ],
    ids=["accepted", "rejected", "missing", "unreadable"],
)
def test_a_single_run_that_could_not_be_used_shows_in_the_exit_code(outcome: Outcome | Unread, exit_code: int) -> None:
    summary = Summary(datetime.now(UTC))
    summary.count(outcome)
    assert summary.exit_code == exit_code
    summary.error = ApiError("it could not be reached")
    assert summary.exit_code == 6


def test_a_run_that_comes_twice_is_counted_as_it_was_first() -> None:
    run = accepted()
    assert isinstance(run, AcceptedRun)
    summary = Summary(datetime.now(UTC))
    summary.count(run, None)
    summary.count(run, run.content_hash)
    assert (summary.new, summary.changed, summary.unchanged) == (1, 0, 0)
    another = Summary(datetime.now(UTC))
    another.count(run, "another hash")
    assert (another.new, another.changed, another.unchanged) == (0, 1, 0)
