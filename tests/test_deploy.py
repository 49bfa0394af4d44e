"""The examples in deploy/ call what exists, and treat every exit code as their README says.

A stand-in for `statsig-runs` that ends with a given exit code is called by the very lines of the examples; none of the
schedulers is needed.
"""

from __future__ import annotations

import ast
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from statsig_runs.cli import EXIT_CODES, cli

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
            "dagster/statsig_runs_job.py",
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


@pytest.mark.parametrize(("code", "ends_with"), [(0, 0), (4, 0), (75, 75), (1, 1), (3, 3), (6, 6), (7, 7)])
def test_airflow_warns_of_unusable_runs_skips_while_another_sync_runs_and_fails_else(
    code: int, ends_with: int, stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, check, *_ = airflow_tasks(monkeypatch)
    script = sync["bash_command"].replace(PROGRAM, str(stand_in(code)))
    done = run("bash", "-c", script, folder=tmp_path, PATH="/usr/bin:/bin")
    assert done.returncode == ends_with
    assert ("WARNING" in done.stdout) == (code == 4)
    assert sync["skip_on_exit_code"] == 75
    assert (sync["task_id"], check["task_id"], check["cwd"]) == ("sync", "check", FOLDER)


@pytest.mark.parametrize("code", [0, 1, 2, 5])
def test_airflows_sensor_waits_on_what_is_not_in_and_fails_on_the_rest(
    code: int, stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, sensor, _ = airflow_tasks(monkeypatch)
    script = sensor["bash_command"].replace(PROGRAM, str(stand_in(code))).replace(FOLDER, str(tmp_path))
    assert run("bash", "-c", script, folder=Path("/"), PATH="/usr/bin:/bin").returncode == code
    assert (sensor["retry_exit_code"], sensor["mode"]) == (5, "reschedule")
    assert "{{ macros.ds_add(ds, -1) }}" in script


@pytest.mark.parametrize(("code", "asks"), [(0, "a run"), (5, "nothing"), (2, "somebody")])
def test_dagsters_sensor_starts_one_run_a_day_once_the_date_is_in(
    code: int, asks: str, stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(code).write_text(f'#!/bin/sh\necho \'{{"landed_at": "at nine"}}\'\nexit {code}\n')
    example = dagster_example(monkeypatch)
    monkeypatch.setitem(example["call"].__globals__, "COMMAND", str(tmp_path / "bin" / "statsig-runs"))
    monkeypatch.setitem(example["call"].__globals__, "FOLDER", str(tmp_path))
    if asks == "somebody":
        with pytest.raises(example["Failure"], match="exit code 2"):
            example["web_events_landed"]()
        return
    answer = example["web_events_landed"]().told
    day = str((datetime.now(UTC) - timedelta(hours=8)).date() - timedelta(days=1))
    assert answer == (
        ("RunRequest", (), {"run_key": day, "tags": {"landed_at": "at nine"}})
        if asks == "a run"
        else ("SkipReason", (f"{day} is not in yet",), {})
    )


def dagster_example(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the example, with stand-ins for Dagster's: decorators that change nothing, and records."""
    dagster = ModuleType("dagster")

    class Record:
        def __init__(self, *values: Any, **named: Any) -> None:
            self.told = (type(self).__name__, values, named)

    for name in ("Definitions", "In", "Nothing", "Out", "Output", "RunRequest", "ScheduleDefinition", "SkipReason"):
        vars(dagster)[name] = type(name, (Record,), {})
    for name in ("job", "op", "sensor"):
        vars(dagster)[name] = lambda function=None, **_: function or (lambda each: each)
    vars(dagster).update(Failure=type("Failure", (Exception,), {}), RetryRequested=Exception, OpExecutionContext=object)
    vars(dagster)["Output"] = list  # with a type of its content in brackets
    monkeypatch.setitem(sys.modules, "dagster", dagster)
    return runpy.run_path(str(DEPLOY / "dagster/statsig_runs_job.py"))


def airflow_tasks(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of the DAG's operators, recorded by stand-ins for Airflow's classes."""
    tasks: list[dict[str, Any]] = []

    class Recorder:
        def __init__(self, **arguments: Any) -> None:
            if "task_id" in arguments:
                tasks.append(arguments)

        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...
        def __rshift__(self, other: object) -> None: ...

    rooms = ("airflow.providers.standard.operators.bash", "airflow.providers.standard.sensors.bash", "airflow.sdk")
    modules = {".".join(room.split(".")[: n + 1]) for room in rooms for n in range(room.count(".") + 1)}
    for name in [*modules, "pendulum"]:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    vars(sys.modules["airflow.sdk"])["DAG"] = Recorder
    vars(sys.modules["airflow.providers.standard.operators.bash"])["BashOperator"] = Recorder
    vars(sys.modules["airflow.providers.standard.sensors.bash"])["BashSensor"] = Recorder
    vars(sys.modules["pendulum"])["datetime"] = lambda *_, **__: None
    runpy.run_path(str(DEPLOY / "airflow/statsig_runs_dag.py"))
    return tasks
