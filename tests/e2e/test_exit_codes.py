"""Every exit code that the command documents, from the shell, with words that say what was kept and what to do.

5 belongs to the tests of `check`, 7 and 75 to those of the lock, 130 to those of Ctrl-C.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from statsig_runs.cli import cli
from statsig_runs.simulator import Simulator
from statsig_runs.simulator.faults import Reply, reply_error
from tests.e2e.conftest import TODAY, YESTERDAY
from tests.support.workplace import Running, Workplace

Copy = Callable[..., Workplace]


@pytest.fixture(scope="module", autouse=True)
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sync with a port where nobody listens, started early: its retries take 20 s of doing nothing."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        running = Workplace(tmp_path_factory.mktemp("refused"), url).start("sync")
        yield running
        running.stop()


def test_0_is_done(synced_yesterday: Workplace) -> None:
    assert synced_yesterday.run("--version").code == 0
    assert synced_yesterday.query("select count(*) from statsig.fct_runs") == [(len(YESTERDAY),)]


def test_1_is_a_database_that_is_none(workplace: Workplace, simulator: Simulator) -> None:
    workplace.data.mkdir()
    workplace.database.write_text("a shopping list, much longer than the header of a database file\n" * 100)
    done = workplace.run("sync")
    assert done.code == 1
    assert f"{workplace.database} cannot be written" in done.err
    assert "What was loaded before is kept." in done.err
    assert "then run the same command again" in done.err
    assert "Traceback" not in done.err
    assert simulator.statuses.total() == 0


def test_1_is_a_damaged_database_too_and_the_commands_it_tells_bring_it_back(copy_of_yesterday: Copy) -> None:
    workplace = copy_of_yesterday("a folder")
    with workplace.database.open("r+b") as file:
        for block in range(16384, workplace.database.stat().st_size, 16384):
            file.seek(block)
            file.write(b"damage")
    done = workplace.run("sync")
    assert done.code == 1
    commands = [line for line in done.err.splitlines() if line.startswith("  ")]
    subprocess.run(["/bin/sh", "-ec", "\n".join(commands)], check=True)
    assert workplace.run("sync", "--no-discover").code == 0
    assert workplace.query("select count(*) from statsig.fct_runs") == [(len(YESTERDAY),)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sync", "--nonsense"], "No such option"),
        (["sync", "--run-id", " "], "--run-id holds an empty id"),
        (["sync", "--base-url", "http://example.org"], "must be https"),
        (["sync", "--database", "data/statsig.duckdb"], "Choose another --database"),
    ],
)
def test_2_is_wrong_usage_and_says_what_is_wrong(workplace: Workplace, arguments: list[str], told: str) -> None:
    done = workplace.run(*arguments)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["synch"], "No such command 'synch'"),
        (["sync", "--max-requests", "few"], "'few' is not a valid integer"),
        (["sync", "--run-ids-file", "absent.txt"], "absent.txt"),
        (["simulate", "--port", "65536"], "65536 is not in the range"),
        (["simulate", "--latency", "-1"], "-1.0 is not in the range"),
        (["simulate", "--malformed", "-1"], "-1 is not in the range"),
        (["report", "--png", "a.png", "--output", "a.html"], "leave out --output"),
    ],
)
def test_2_is_what_the_command_line_itself_refuses(arguments: list[str], told: str) -> None:
    refused = CliRunner().invoke(cli, arguments)
    assert refused.exit_code == 2
    assert told in refused.output


def test_2_is_no_key_and_names_every_place_for_one(tmp_path: Path, simulator: Simulator) -> None:
    workplace = Workplace(tmp_path, simulator.url, STATSIG_API_KEY=None)
    done = workplace.run("sync")
    assert done.code == 2
    for place in ("STATSIG_API_KEY", "SOURCES__STATSIG_RUNS__API_KEY", str(workplace.work / ".dlt/secrets.toml")):
        assert place in done.err
    assert simulator.statuses.total() == 0


def test_2_is_an_address_where_something_else_answers(workplace: Workplace, simulator: Simulator) -> None:
    simulator.script = lambda _, __: Reply(200, b"<!doctype html><title>Sign in</title>")
    done = workplace.run("sync")
    assert done.code == 2
    assert "is not the Console API: it sends a web page. Check the setting base_url" in done.err
    assert simulator.statuses.total() == 3


def test_4_is_a_page_that_cannot_be_read_too(copy_of_yesterday: Copy, simulator: Simulator) -> None:
    simulator.script = lambda path, _: reply_error(418, "no tea") if path.endswith("page=2") else None
    done = copy_of_yesterday().sync()
    assert done.code == 4
    assert "page 2 of the list could not be read: " in done.err
    assert (done.summary["failed"], done.summary["error"]) == (1, None)
    assert sum(done.summary[name] for name in ("new", "changed", "unchanged")) == len(TODAY) - 10


def test_3_is_a_refused_key_and_is_tried_once(copy_of_yesterday: Copy, simulator: Simulator) -> None:
    workplace = copy_of_yesterday(STATSIG_API_KEY="console-revoked")
    done = workplace.run("sync")
    assert done.code == 3
    assert "refused the key" in done.err
    assert "Nothing new was loaded; readers keep what was published last." in done.err
    assert "console-revoked" not in done.out + done.err
    assert simulator.statuses == {401: 1}
    assert workplace.query("select count(*) from statsig.fct_runs") == [(len(YESTERDAY),)]


def test_4_is_done_with_runs_that_are_missing_rejected_or_unreadable(
    copy_of_yesterday: Copy, simulator: Simulator
) -> None:
    simulator.runs.add({**TODAY[0], "runID": "odd", "createdAt": "half past nine"})
    simulator.script = lambda path, _: reply_error(418, "no tea") if path.endswith("/teapot") else None
    workplace = copy_of_yesterday()
    done = workplace.sync("--no-discover", "--run-id", "absent", "--run-id", "odd", "--run-id", "teapot")
    assert done.code == 4
    summary = {name: done.summary[name] for name in ("new", "rejected", "missing", "failed", "exit_code")}
    assert summary == {"new": 0, "rejected": 1, "missing": 1, "failed": 1, "exit_code": 4}
    assert "run odd breaks the contract and went to rejected_runs" in done.err
    assert "createdAt" in done.err
    assert "run absent does not exist" in done.err
    assert "run teapot could not be read" in done.err
    assert workplace.query("select run_id from statsig_raw.rejected_runs") == [("odd",)]
    assert workplace.query("select run_id from statsig_raw.missing_runs") == [("absent",)]
    assert workplace.query("select count(*) from statsig.fct_runs") == [(len(YESTERDAY),)]


def test_what_ends_a_sync_is_an_object_in_a_log_for_machines(copy_of_yesterday: Copy) -> None:
    workplace = copy_of_yesterday(STATSIG_API_KEY="console-revoked")
    done = workplace.run("sync", "--log-format", "json")
    assert done.code == 3
    told = [json.loads(line) for line in done.err.splitlines()]
    assert told[-1]["level"] == "error"
    assert "refused the key" in told[-1]["message"]
    assert "Nothing new was loaded; readers keep what was published last." in told[-1]["message"]
    workplace.environment["SOURCES__STATSIG_RUNS__SETTLE_DAYS"] = "soon"
    (told,) = [json.loads(line) for line in workplace.run("check", "--log-format", "json").err.splitlines()]
    assert "settle_days must be of type float" in told["message"]


def test_what_ends_a_replay_is_an_object_for_who_asked_for_one(workplace: Workplace) -> None:
    done = workplace.run("replay", "--json", "--from", "absent.ndjson")
    assert (done.code, done.summary["exit_code"]) == (2, 2)
    assert done.summary["error"] == "The archive absent.ndjson does not exist."


def test_6_is_an_api_that_stays_away_and_nothing_is_lost(refused: Running) -> None:
    done = refused.wait()
    assert done.code == 6
    assert "Could not reach the Console API at 127.0.0.1:" in done.err
    assert "Connection refused" in done.err
    assert "Nothing that was loaded is lost; run sync again." in done.err


def test_6_half_way_keeps_publishes_and_says_what_came_before(copy_of_yesterday: Copy, simulator: Simulator) -> None:
    page = b'{"data": [], "pagination": {"nextPage": "https://elsewhere.invalid/"}}'
    simulator.script = lambda path, _: Reply(200, page) if path.endswith("page=2") else None
    workplace = copy_of_yesterday()
    done = workplace.run("sync")
    assert done.code == 6
    assert "links its next page to another place; not followed" in done.err
    assert "10 runs were loaded by this sync; they are published." in done.err
    newest = [run["runID"] for run in TODAY[:10]]
    published = workplace.query(f"select count(*) from statsig.fct_runs where run_id in {tuple(newest)}")
    assert published == [(10,)]


def test_the_help_documents_every_exit_code(workplace: Workplace) -> None:
    told = workplace.run("sync", "--help").out
    assert re.findall(r"^ +(\d+) +\w", told, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "6", "7", "75", "130"]
