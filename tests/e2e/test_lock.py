"""One at a time: the lock of a sync that lives, that of one that died, and other programs in the job's file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from statsig_runs.simulator import Simulator
from tests.support.workplace import Workplace


def test_a_second_sync_leaves_at_once_and_names_the_first_ones_pid_and_start(
    workplace: Workplace, simulator: Simulator
) -> None:
    simulator.latency = 600
    before = datetime.now(UTC)
    first = workplace.start("sync")
    first.wait_for("fetching")
    second = workplace.run("sync")
    after = datetime.now(UTC)
    assert first.process.poll() is None
    first.stop()
    assert second.code == 75
    told = f"Another statsig-runs works on {workplace.database}: pid {first.pid}, since "
    assert told in second.err
    started = datetime.fromisoformat(second.err.partition(told)[2].partition(". Nothing")[0])
    assert before < started < after
    assert "Nothing was changed; try again when it is done." in second.err


def test_every_command_that_writes_respects_the_lock_of_a_sync(workplace: Workplace, simulator: Simulator) -> None:
    simulator.latency = 600
    first = workplace.start("sync")
    first.wait_for("fetching")
    codes = {command: workplace.run(command).code for command in ("transform", "docs")}
    first.stop()
    assert codes == {"transform": 75, "docs": 75}


def test_a_lock_left_by_a_dead_process_is_no_lock(workplace: Workplace, simulator: Simulator) -> None:
    simulator.latency = 600
    first = workplace.start("sync")
    first.wait_for("fetching")
    first.stop()
    state = workplace.data / ".statsig_runs"
    assert json.loads((state / "lock.json").read_text())["pid"] == first.pid
    assert (state / "lock").exists()
    simulator.latency = 0
    simulator.api_key = "console-another"
    assert workplace.run("sync").code == 3  # it got as far as the API


def test_a_lock_file_that_holds_rubbish_does_not_hide_who_works(workplace: Workplace, simulator: Simulator) -> None:
    simulator.latency = 600
    first = workplace.start("sync")
    first.wait_for("fetching")
    (workplace.data / ".statsig_runs" / "lock.json").write_text("{")
    second = workplace.run("sync")
    first.stop()
    assert second.code == 75
    assert f"Another statsig-runs works on {workplace.database}. Nothing was changed" in second.err


def test_a_lock_that_is_older_than_any_sync_is_told_with_how_to_end_its_holder(
    workplace: Workplace, simulator: Simulator
) -> None:
    simulator.latency = 600
    first = workplace.start("sync")
    first.wait_for("fetching")
    holder = workplace.data / ".statsig_runs" / "lock.json"
    for hours, code in ((11, 75), (13, 7)):
        since = datetime.now(UTC) - timedelta(hours=hours)
        holder.write_text(json.dumps({"pid": first.pid, "started_at": since.isoformat()}))
        assert workplace.run("sync").code == code
    told = workplace.run("transform")
    assert told.code == 7
    assert f"pid {first.pid}, since {since.isoformat()}. That is 13 hours ago" in told.err
    assert "it hangs. Nothing was changed." in told.err
    command = next(line for line in told.err.splitlines() if line.startswith("  "))
    subprocess.run(["/bin/sh", "-ec", command], check=True)
    first.wait()
    simulator.latency = 0
    assert workplace.run("sync").code == 0


def test_a_database_open_in_another_program_is_left_alone_and_named(
    copy_of_yesterday: Callable[..., Workplace], simulator: Simulator
) -> None:
    workplace = copy_of_yesterday()
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, workplace.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"
        done = workplace.run("sync")
        other.communicate()
    assert done.code == 1
    assert f"{workplace.database} is open in another program, so nothing was changed." in done.err
    assert f"open the published copy instead:\n  duckdb -readonly {workplace.published}\n" in done.err
    assert f"PID {other.pid}" in done.err
    assert simulator.statuses.total() == 0
