"""Ctrl-C, and the signal that schedulers send: a sync ends soon, keeps what was loaded, and goes on the next time."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import pytest

from statsig_runs.simulator import Simulator
from tests.e2e.conftest import TODAY
from tests.support.workplace import Done, Running, Workplace

SOON = 15.0
"""Seconds; a request or a wait that is not interrupted lasts ten minutes here."""

KEPT = "Interrupted. Everything loaded so far is kept; the next sync goes on from there."


def interrupt(running: Running, number: signal.Signals = signal.SIGINT) -> Done:
    running.process.send_signal(number)
    try:
        running.process.wait(SOON)
    except subprocess.TimeoutExpired:
        pytest.fail(f"still running {SOON:.0f} s after {number.name}:\n{running.stop().err}")
    return running.wait()


def test_ctrl_c_during_a_request_ends_the_sync_and_leaves_everything_as_it_was(
    copy_of_yesterday: Callable[..., Workplace], simulator: Simulator
) -> None:
    workplace = copy_of_yesterday()
    before = workplace.query("select count(*), max(fetched_at) from statsig.fct_runs")
    simulator.latency = 600
    running = workplace.start("sync")
    running.wait_for("fetching")
    done = interrupt(running)
    assert done.code == 130
    assert KEPT in done.err
    assert "Traceback" not in done.err
    assert workplace.query("select count(*), max(fetched_at) from statsig.fct_runs") == before


def test_ctrl_c_while_many_reads_are_under_way_ends_the_sync(workplace: Workplace, simulator: Simulator) -> None:
    ids = [argument for run in TODAY for argument in ("--run-id", run["runID"])]
    simulator.script = lambda *_: setattr(simulator, "latency", 600)  # from the second answer on
    running = workplace.start("sync", "--no-discover", *ids)
    running.wait_for("fetching")
    done = interrupt(running)
    assert done.code == 130
    assert KEPT in done.err


def test_ctrl_c_while_the_rate_limit_holds_ends_the_sync(workplace: Workplace) -> None:
    workplace.environment["SOURCES__STATSIG_RUNS__RATE_LIMITS"] = "2/600"
    running = workplace.start("sync")
    running.wait_for("waiting for the rate limit until")
    done = interrupt(running)
    assert done.code == 130
    assert KEPT in done.err


def test_ctrl_c_while_a_retry_waits_for_the_api_ends_the_sync(workplace: Workplace, simulator: Simulator) -> None:
    simulator.windows = type(simulator.windows)("1/600")
    running = workplace.start("sync")
    running.wait_for("waiting for the rate limit until")
    assert interrupt(running).code == 130


def test_ctrl_c_in_later_steps_is_no_error_and_the_next_sync_goes_on(
    copy_of_yesterday: Callable[..., Workplace],
) -> None:
    workplace = copy_of_yesterday()
    for step in ("building the models", "loading"):
        running = workplace.start("sync")
        running.wait_for(step)
        done = interrupt(running)
        assert done.code == 130, done.err
        assert KEPT in done.err
    assert workplace.sync().code == 0
    assert workplace.query("select count(*) from statsig.fct_runs") == [(len(TODAY),)]


def test_a_scheduler_that_terminates_a_sync_finds_it_gone(workplace: Workplace, simulator: Simulator) -> None:
    simulator.latency = 600
    running = workplace.start("sync")
    running.wait_for("fetching")
    assert interrupt(running, signal.SIGTERM).code == -signal.SIGTERM
