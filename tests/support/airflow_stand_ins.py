"""Airflow's classes as the example in `deploy/` uses them: Airflow itself cannot be installed beside dbt and dlt.

Operators keep their arguments, and an operator that is executed runs its script.
"""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest


class Recorder:
    """Whatever is made with arguments; those of tasks are in `tasks`, in the order in which they were made."""

    tasks: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, *values: Any, **arguments: Any) -> None:
        self.values = values
        if "task_id" in arguments:
            self.tasks.append(arguments)

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
    def __rshift__(self, other: object) -> None: ...


class Operator(Recorder):
    """What a `BashOperator` has for those that extend it."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.bash_command, self.cwd = arguments["bash_command"], None
        self.warnings: list[str] = []
        self.log = SimpleNamespace(warning=self.warnings.append)
        self.subprocess_hook = SimpleNamespace(run_command=self.run)

    def get_env(self, _context: Any) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin"}

    def run(self, command: list[str], env: dict[str, str], cwd: str | None) -> SimpleNamespace:
        return SimpleNamespace(exit_code=subprocess.run(command, env=env, cwd=cwd, check=False).returncode)


MODULES: dict[str, dict[str, Any]] = {
    "airflow.providers.common.compat.sdk": {
        name: type(name, (Exception,), {})
        for name in ("AirflowException", "AirflowFailException", "AirflowSkipException")
    },
    "airflow.providers.standard.operators.bash": {"BashOperator": Operator},
    "airflow.providers.standard.sensors.bash": {"BashSensor": Recorder},
    "airflow.sdk": {"DAG": Recorder, "Asset": Recorder},
    "pendulum": {"datetime": lambda *_, **__: None},
}


def install(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put the stand-ins in Airflow's place; the arguments of the tasks that will be made."""
    tasks: list[dict[str, Any]] = []
    monkeypatch.setattr(Recorder, "tasks", tasks)
    rooms = {name.rsplit(".", depth)[0] for name in MODULES for depth in range(name.count(".") + 1)}
    for name in rooms:
        module = ModuleType(name)
        vars(module).update(MODULES.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    return tasks
