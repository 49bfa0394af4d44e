"""The examples in deploy/ call what exists, and treat every exit code as their README says.

A stand-in for `statsig-runs` that ends with a given exit code is called by the very lines of the examples; none of the
schedulers is needed.
"""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
import shutil
import subprocess
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from statsig_runs.cli import EXIT_CODES, cli
from statsig_runs.readers.check import run_checks
from statsig_runs.readers.published import reading
from statsig_runs.settings import Checks
from statsig_runs.warehouse import Warehouse
from tests.support import airflow_stand_ins
from tests.support.published_runs import NOW

DEPLOY = Path(__file__).parents[1] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc")
PROGRAM = "/opt/statsig-runs/bin/statsig-runs"
FOLDER = "/var/lib/statsig-runs"
DAY = "2026-11-23"
WAIT = ["wait-for", "--source", "Web events", "--date", DAY, "--no-sync", "--timeout", "0s"]
CALL = re.compile(
    r'(?<!-[uGg] )(?:statsig-runs|\$STATSIG_RUNS"|\{COMMAND\}) '
    r"([a-z]+(?:-[a-z]+)*\b(?: --[\w-]+(?: '[^']*'| (?!once)[\w.]+)?)*)"
)
WORKFLOW = yaml.safe_load((DEPLOY / "github-actions/sync.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["sync"]["steps"]
SERVICE = (DEPLOY / "systemd/statsig-runs.service").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "container/Dockerfile").read_text(encoding="utf-8")
README = (DEPLOY / "README.md").read_text(encoding="utf-8")


def calls(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8")
    found = [shlex.split(call.replace("{DAY}", DAY)) for call in CALL.findall(text)]
    if path.name == "Dockerfile":
        found += [yaml.safe_load(arguments) for arguments in re.findall(r"^CMD (.*)$", text, re.MULTILINE)]
    if path.parent.name == "dagster":
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        named = [node for node in nodes if isinstance(node.func, ast.Name) and node.func.id == "call"]
        named.sort(key=lambda node: node.lineno)
        found += [[*map(literal, node.args), "--json"] for node in named]
    return found


def literal(argument: ast.expr) -> str:
    """An argument as it stands in the code; the only variable is a day."""
    return DAY if ast.unparse(argument) == "day" else ast.literal_eval(argument)


@pytest.fixture
def stand_in(tmp_path: Path) -> Any:
    """Makes a `statsig-runs` that says something on both streams and ends with a given exit code."""

    def make(code: int) -> Path:
        program = tmp_path / "bin" / "statsig-runs"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho a result\n[ {code} -eq 0 ] || echo an error >&2\nexit {code}\n")
        program.chmod(0o755)
        return program

    return make


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_call_has_a_command_and_options_that_exist(path: Path) -> None:
    for name, *arguments in calls(path):
        assert name in cli.commands
        cli.commands[name].make_context(name, arguments)  # parses, and refuses what it does not know


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("cron/crontab", [["sync", "--json", "--log-level", "error"], ["check"]]),
        ("systemd/statsig-runs.service", [["sync", "--log-format", "json"], ["check", "--log-format", "json"]]),
        ("container/Dockerfile", [["sync", "--log-format", "json"]]),
        ("github-actions/sync.yml", [["sync"], ["status"], ["check"]]),
        ("airflow/statsig_runs_dag.py", [["sync", "--log-format", "json"], WAIT, ["check"]]),
        (
            "dagster/statsig_runs_assets.py",
            [["sync", "--log-format", "json", "--json"], ["check", "--json"], [*WAIT, "--json"]],
        ),
    ],
)
def test_each_example_syncs_and_then_checks(path: str, expected: list[list[str]]) -> None:
    assert calls(DEPLOY / path) == expected


def test_the_readme_treats_every_exit_code_and_links_every_example() -> None:
    assert set(re.findall(r"^\| (\d+) \|", README, re.MULTILINE)) == set(
        re.findall(r"^  (\d+)", EXIT_CODES, re.MULTILINE)
    )
    links = [DEPLOY / link for link in re.findall(r"\]\(([^)]+)\)", README)]
    assert [link for link in links if not link.exists()] == []
    assert {link.relative_to(DEPLOY).parts[0] for link in links if DEPLOY in link.resolve().parents} == {
        path.name for path in DEPLOY.iterdir() if path.is_dir()
    }


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 6, 7, 75])
def test_cron_keeps_the_result_and_mails_only_what_the_command_says_on_stderr(
    code: int, stand_in: Any, tmp_path: Path
) -> None:
    lines = (DEPLOY / "cron/crontab").read_text(encoding="utf-8").replace(FOLDER, str(tmp_path)).splitlines()
    jobs = [line.split(maxsplit=5)[5] for line in lines if re.match(r"[\d*]", line)]
    assert [job for job in jobs if "%" in job] == []  # a line's end to cron
    mailed = "" if code == 0 else "an error\n"
    for job, file in zip(jobs, ("sync.log", "check.log"), strict=True):
        done = run("/bin/sh", "-c", job, folder=tmp_path, PATH="/usr/bin:/bin", STATSIG_RUNS=str(stand_in(code)))
        assert (done.returncode, done.stdout, done.stderr) == (code, "", mailed)
        assert (tmp_path / file).read_text() == "a result\n"


def test_systemd_fails_on_what_needs_somebody_and_on_nothing_else() -> None:
    (harmless,) = re.findall(r"^SuccessExitStatus=(.*)$", SERVICE, re.MULTILINE)
    assert harmless.split() == ["4", "75", "130"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        (tmp_path / unit.name).write_text(unit.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"))
    units = [str(unit) for unit in sorted(tmp_path.iterdir())]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "statsig-runs" in line] == []
    assert done.returncode == 0


def test_the_image_copies_only_what_exists_and_what_its_ignore_file_lets_in() -> None:
    ignored = (DEPLOY / "container/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [word for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()]
    assert [path for path in copied if not (DEPLOY.parent / path).exists()] == []
    assert next(line for line in ignored if not line.startswith("#")) == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)


def test_the_image_runs_as_somebody_without_rights_and_stops_as_ctrl_c_does() -> None:
    assert re.findall(r"^(USER|STOPSIGNAL) (.*)$", DOCKERFILE, re.MULTILINE) == [
        ("USER", "10001:10001"),
        ("STOPSIGNAL", "SIGINT"),
    ]


@pytest.mark.parametrize(
    ("code", "ends_with", "says"),
    [
        (0, 0, None),
        (4, 0, "::warning::"),
        (75, 0, "::notice::"),
        (1, 1, None),
        (3, 3, None),
        (6, 6, None),
        (7, 7, None),
    ],
)
def test_the_workflow_fails_on_what_needs_somebody_and_warns_of_unusable_runs(
    code: int, ends_with: int, says: str | None, stand_in: Any, tmp_path: Path
) -> None:
    (script,) = [step["run"] for step in STEPS if step.get("name") == "Sync"]
    path = f"{stand_in(code).parent}:/usr/bin:/bin"
    done = run("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, folder=tmp_path, PATH=path)
    assert done.returncode == ends_with
    assert re.findall("::[a-z]+::", done.stdout) == ([says] if says else [])


def test_the_workflow_shows_the_key_to_one_step_and_saves_under_the_name_it_restores() -> None:
    assert [step["name"] for step in STEPS if "secrets." in str(step)] == ["Sync"]
    assert WORKFLOW["concurrency"] == {"group": "statsig-runs", "cancel-in-progress": False}
    (restore,) = [step["with"] for step in STEPS if step.get("uses", "").startswith("actions/cache/restore@")]
    (save,) = [step["with"] for step in STEPS if step.get("uses", "").startswith("actions/cache/save@")]
    assert (save["path"], save["key"]) == (restore["path"], restore["key"])
    assert restore["key"].startswith(restore["restore-keys"])
    (backup,) = [step for step in STEPS if step.get("name") == "Back up"]
    crons = [each["cron"] for each in WORKFLOW[True]["schedule"]]  # `on` is a yes to YAML 1.1
    assert [cron for cron in crons if f"== '{cron}'" in backup["if"]] == ["17 0 * * *"]


@pytest.mark.parametrize(
    ("code", "ends_with"),
    [
        (0, None),
        (4, None),
        (75, "AirflowSkipException"),
        (2, "AirflowFailException"),
        (3, "AirflowFailException"),
        (1, "AirflowException"),
        (6, "AirflowException"),
        (7, "AirflowException"),
    ],
)
def test_airflow_skips_while_another_sync_runs_and_tries_nothing_again_that_is_hopeless(
    code: int, ends_with: str | None, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks, example = airflow_example(monkeypatch)
    sync, check = tasks[:2]
    assert (sync["task_id"], sync["retries"], check["task_id"], check["cwd"]) == ("sync", 2, "check", FOLDER)
    assert [asset.values for asset in sync["outlets"]] == [("statsig_marts",)]
    operator = example["SyncOperator"](
        **sync | {"bash_command": sync["bash_command"].replace(PROGRAM, str(stand_in(code)))}
    )
    ended = None
    try:
        operator.execute({})
    except Exception as error:  # noqa: BLE001
        ended = type(error).__name__
    assert ended == ends_with
    assert len(operator.warnings) == (code == 4)


@pytest.mark.parametrize("code", [0, 1, 2, 5])
def test_airflows_sensor_waits_on_what_is_not_in_and_fails_on_the_rest(
    code: int, stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, sensor, _ = airflow_example(monkeypatch)[0]
    script = sensor["bash_command"].replace(PROGRAM, str(stand_in(code))).replace(FOLDER, str(tmp_path))
    assert run("bash", "-c", script, folder=Path("/"), PATH="/usr/bin:/bin").returncode == code
    assert (sensor["retry_exit_code"], sensor["mode"]) == (5, "reschedule")
    assert "{{ macros.ds_add(ds, -1) }}" in script


@pytest.mark.parametrize(
    ("sync", "check", "is_success", "missed"),
    [
        (0, 0, True, []),
        (4, 0, True, []),
        (0, 5, False, ["overdue_dates"]),
        (0, 2, False, None),
        (75, 0, True, None),
        (1, 0, False, None),
        (3, 0, False, None),
    ],
)
def test_dagster_materializes_what_a_sync_renews_and_checks_it(
    sync: int, check: int, is_success: bool, missed: list[str] | None, stand_in: Any, dagster_example: dict[str, Any]
) -> None:
    from dagster import DagsterInstance

    found = [
        {"name": "overdue_dates", "source": "A", "is_met": check != 5, "figure": 1, "detail": "8 Nov"},
        {"name": "overdue_dates", "source": "B", "is_met": True, "figure": 0, "detail": ""},
    ]
    stand_in(0).write_text(
        "#!/bin/sh\n"
        f"[ $1 = check ] && echo '{json.dumps({'checks': found})}' && exit {check}\n"
        f"echo '{json.dumps({'new': 3, 'error': None})}'\nexit {sync}\n"
    )
    with DagsterInstance.ephemeral() as instance:
        job = dagster_example["defs"].resolve_job_def("statsig_runs_hourly")
        done = job.execute_in_process(instance=instance, raise_on_error=False)
    assert done.success == is_success
    made = {event.asset_key.to_user_string() for event in done.get_asset_materialization_events()}
    assert made == ({"statsig_raw", "statsig_marts", "statsig_page"} if sync in {0, 4} else set())
    checked = done.get_asset_check_evaluations()
    assert {each.check_name for each in checked} == (set() if missed is None else set(dagster_example["CHECKS"]))
    assert [each.check_name for each in checked if not each.passed] == (missed or [])
    told = [{name: value.value for name, value in each.metadata.items()} for each in checked if not each.passed]
    assert told == [{"A": "8 Nov"} for _ in missed or []]


def test_dagster_tries_again_when_the_api_cannot_be_reached_and_only_then(
    stand_in: Any, dagster_example: dict[str, Any]
) -> None:
    from dagster import Failure, RetryRequested, build_asset_context

    for code, raised in ((6, RetryRequested), (2, Failure), (3, Failure)):
        stand_in(code).write_text(f"#!/bin/sh\nexit {code}\n")
        with pytest.raises(raised) as caught:
            list(dagster_example["statsig_runs"](build_asset_context()))
        assert getattr(caught.value, "allow_retries", True) == (code == 6)


def test_dagsters_checks_are_those_of_the_command(published: Warehouse, dagster_example: dict[str, Any]) -> None:
    thresholds: dict[str, Any] = {each.name: 0 for each in fields(Checks) if each.name.startswith("max_")}
    with reading(published) as connection:
        checks = run_checks(connection, Checks(**thresholds), NOW)
    assert {check.name for check in checks} == set(dagster_example["CHECKS"])


@pytest.mark.parametrize(("code", "asks"), [(0, "a run"), (5, "nothing"), (2, "somebody")])
def test_dagsters_sensor_starts_one_run_a_day_once_the_date_is_in(
    code: int, asks: str, stand_in: Any, dagster_example: dict[str, Any]
) -> None:
    from dagster import Failure, RunRequest, SkipReason, build_sensor_context

    stand_in(code).write_text(f'#!/bin/sh\necho \'{{"landed_at": "at nine"}}\'\nexit {code}\n')
    sensor = dagster_example["web_events_landed"]
    if asks == "somebody":
        with pytest.raises(Failure, match="exit code 2"):
            sensor(build_sensor_context())
        return
    answer = sensor(build_sensor_context())
    day = str((datetime.now(UTC) - timedelta(hours=8)).date() - timedelta(days=1))
    if asks == "a run":
        assert isinstance(answer, RunRequest)
        assert (answer.run_key, answer.tags) == (day, {"landed_at": "at nine"})
    else:
        assert answer == SkipReason(f"{day} is not in yet")


@pytest.fixture
def dagster_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the example, which calls the stand-in."""
    pytest.importorskip("dagster", reason="dagster is not installed")
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "true")
    example = runpy.run_path(str(DEPLOY / "dagster/statsig_runs_assets.py"))
    monkeypatch.setitem(example["call"].__globals__, "COMMAND", str(tmp_path / "bin" / "statsig-runs"))
    monkeypatch.setitem(example["call"].__globals__, "FOLDER", str(tmp_path))
    return example


def airflow_example(monkeypatch: pytest.MonkeyPatch) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The arguments of the DAG's operators, and the example's names."""
    tasks = airflow_stand_ins.install(monkeypatch)
    return tasks, runpy.run_path(str(DEPLOY / "airflow/statsig_runs_dag.py"))
