"""`settings` and `doctor`, as somebody calls them who sets the job up or wonders why it does not run."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from statsig_runs.simulator import Simulator
from tests.support.workplace import COMMAND, KEY, Workplace

CONFIG = """
[sources.statsig_runs]
settle_dayz = 3
settle_days = 21
api_key = "console-inTheWrongFile"
"\\u001b[31mred" = 1
[sources.statsig_runs.check]
max_findings = 1
[sources.statsig_runs.checks]
max_finding = 2
[sources.statsig_runs.checks.sources."Web events"]
max_overdue_dates = 2
[sources.other]
settle_dayz = 1
"""
SECRETS = '[sources.statsig_runs]\napi_key = "console-inTheRightFile"\n'
UNREAD = [
    "settle_dayz under [sources.statsig_runs] in .dlt/config.toml is not read. Did you mean 'settle_days'",
    "\\x1b[31mred under [sources.statsig_runs] in .dlt/config.toml is not read. ",
    "check under [sources.statsig_runs] in .dlt/config.toml is not read. ",
    "max_finding under [sources.statsig_runs.checks] in .dlt/config.toml is not read. Did you mean 'max_findings'",
    "api_key in .dlt/config.toml is not read: a secret belongs into .dlt/secrets.toml.",
]


@pytest.fixture
def configured(tmp_path: Path) -> Workplace:
    """A folder with both files, no variable of ours and no data."""
    plain = dict.fromkeys(("STATSIG_API_KEY", "SOURCES__STATSIG_RUNS__BASE_URL", "SOURCES__STATSIG_RUNS__RATE_LIMITS"))
    workplace = Workplace(tmp_path, "", **plain)
    (workplace.work / ".dlt").mkdir()
    (workplace.work / ".dlt" / "config.toml").write_text(CONFIG)
    (workplace.work / ".dlt" / "secrets.toml").write_text(SECRETS)
    return workplace


def test_settings_tells_where_each_value_came_from_and_no_secret(configured: Workplace) -> None:
    configured.environment["SOURCES__STATSIG_RUNS__PROJECT"] = "shop"
    done = configured.run("settings", "--json")
    assert done.code == 0, done.err
    told = {each["name"].rpartition(".")[2]: each for each in json.loads(done.out)["settings"]}
    assert told["settle_days"] == {
        "name": "sources.statsig_runs.settle_days",
        "value": 21.0,
        "origin": ".dlt/config.toml",
        "meaning": "Statsig re-checks loaded days for two weeks: younger runs are read again by every sync",
    }
    assert (told["project"]["value"], told["project"]["origin"]) == (
        "shop",
        "environment SOURCES__STATSIG_RUNS__PROJECT",
    )
    assert (told["api_key"]["value"], told["api_key"]["origin"]) == ("***", ".dlt/secrets.toml")
    assert told["sources"]["value"] == {"Web events": {"max_overdue_dates": 2}}
    assert (told["settle_hours"]["value"], told["settle_hours"]["origin"]) == (24.0, "default")

    shown = configured.run("settings")
    assert "settle_days = 21.0    (.dlt/config.toml)\n    Statsig re-checks loaded days" in shown.out
    assert "TheRightFile" not in shown.out + shown.err + done.out + done.err
    assert "TheWrongFile" not in shown.out + shown.err + done.out + done.err


@pytest.mark.parametrize("command", [["status"], ["settings"], ["sync"], ["query", "select 1"]])
def test_every_command_warns_of_names_that_no_setting_has(configured: Workplace, command: list[str]) -> None:
    configured.environment["SOURCES__STATSIG_RUNS__BASE_URL"] = "http://127.0.0.1:1"  # where nobody listens
    warned = [line.partition("WARNING ")[2] for line in configured.run(*command).err.splitlines() if "not read" in line]
    assert [line[: len(text)] for line, text in zip(warned, UNREAD, strict=True)] == UNREAD


def test_the_doctor_finds_nothing_in_a_place_that_is_well(
    copy_of_yesterday: Callable[..., Workplace], simulator: Simulator
) -> None:
    workplace = copy_of_yesterday(SOURCES__STATSIG_RUNS__CHECKS__MAX_HOURS_SINCE_LOAD="-1")
    before = simulator.statuses.total()
    done = workplace.run("doctor", "--json")
    told = json.loads(done.out)
    assert (done.code, told["is_well"], told["exit_code"]) == (0, True, 0), done.out
    assert {each["name"]: each["state"] for each in told["findings"]} == dict.fromkeys(
        ["settings", "key", "limiter log", "API", "space", "lock", "versions", "published copy", "last sync"], "ok"
    )
    assert simulator.statuses.total() == before + 1
    assert "v1.4.0" in next(each["told"] for each in told["findings"] if each["name"] == "published copy")
    assert KEY not in done.out + done.err


def test_the_doctor_tells_what_to_do_about_each_thing_that_is_missing(configured: Workplace) -> None:
    configured.environment["SOURCES__STATSIG_RUNS__BASE_URL"] = "http://127.0.0.1:1"
    done = configured.run("doctor")
    assert done.code == 6
    assert "warning  settings: 5 names are none of a setting\n         settle_dayz under" in done.out
    assert "failed   API: Could not reach the Console API at 127.0.0.1:1" in done.out
    assert "Check the network, a proxy" in done.out
    assert "warning  published copy: nothing was published yet\n         Run `statsig-runs sync`." in done.out
    assert "ok       space: " in done.out
    assert not (configured.work / "data").exists()
    (configured.work / ".dlt" / "secrets.toml").unlink()
    done = configured.run("doctor")
    assert done.code == 2
    assert "failed   key: No Console API key is set.\n         Set one of these:\n" in done.out


def test_the_doctor_has_the_exit_code_of_what_would_stop_a_sync(
    copy_of_yesterday: Callable[..., Workplace],
) -> None:
    workplace = copy_of_yesterday(SOURCES__STATSIG_RUNS__CHECKS__MAX_HOURS_SINCE_LOAD="0.0000001")
    old = workplace.run("doctor")
    assert old.code == 5
    assert "failed   last sync: " in old.out
    assert "see that the schedule runs" in old.out
    workplace.environment["STATSIG_API_KEY"] = "console-of-nobody"
    refused = workplace.run("doctor")
    assert refused.code == 3
    assert "failed   API: " in refused.out
    assert "console-of-nobody" not in refused.out + refused.err


@pytest.mark.skipif(not shutil.which("setpriv"), reason="who runs the tests as root may write everywhere")
def test_the_doctor_sees_files_of_another_user(copy_of_yesterday: Callable[..., Workplace]) -> None:
    workplace = copy_of_yesterday(SOURCES__STATSIG_RUNS__CHECKS__MAX_HOURS_SINCE_LOAD="-1")
    workplace.database.chmod(0o400)
    as_no_root = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", str(COMMAND), "doctor"]
    done = subprocess.run(
        as_no_root, cwd=workplace.work, env=workplace.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert f"failed   files: this user cannot write {workplace.database} of " in done.stdout
    assert "chown -R USER " in done.stdout


def test_the_doctor_sees_who_holds_the_lock(copy_of_yesterday: Callable[..., Workplace]) -> None:
    workplace = copy_of_yesterday(SOURCES__STATSIG_RUNS__CHECKS__MAX_HOURS_SINCE_LOAD="-1")
    quick = workplace.environment
    workplace.environment = quick | {"SOURCES__STATSIG_RUNS__RATE_LIMITS": "1/2,2/6"}
    running = workplace.start("sync", "--log-level", "info")
    running.wait_for("waiting")
    workplace.environment = quick
    done = workplace.run("doctor", "--base-url", "http://127.0.0.1:1", "--json")
    running.stop()
    lock = next(each for each in json.loads(done.out)["findings"] if each["name"] == "lock")
    assert lock["state"] == "ok"
    assert f"pid {running.pid}" in lock["told"]


def test_the_doctor_sees_a_limiter_log_that_another_program_holds(copy_of_yesterday: Callable[..., Workplace]) -> None:
    workplace = copy_of_yesterday(SOURCES__STATSIG_RUNS__CHECKS__MAX_HOURS_SINCE_LOAD="-1")
    assert workplace.run("doctor").code == 0  # and now it is there
    files = (workplace.home / ".local" / "state" / "statsig-runs").glob("rate-*.sqlite")
    with ExitStack() as holding:
        for file in files:
            holding.enter_context(closing(sqlite3.connect(file))).execute("begin immediate")
        done = workplace.run("doctor")
    assert done.code == 0
    assert "warning  limiter log: its file in " in done.out
    assert "database is locked" in done.out


def test_a_destination_without_credentials_hides_no_setting_and_is_a_finding(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, "http://127.0.0.1:9", SOURCES__STATSIG_RUNS__DESTINATION="postgres")
    shown = workplace.run("settings", "--json")
    assert (shown.code, "postgres" in shown.out) == (0, True), shown.err
    done = workplace.run("doctor", "--json")
    [finding] = json.loads(done.out)["findings"]
    assert (done.code, finding["name"], finding["state"], finding["exit_code"]) == (2, "settings", "failed", 2)
    assert finding["told"].startswith("The destination 'postgres' is not configured; missing: credentials.database")
