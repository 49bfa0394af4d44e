"""The package as its metadata and its map of rooms describe it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import statsig_runs
from statsig_runs import errors

PACKAGE = Path(statsig_runs.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ROOMS = [
    {
        "environment",
        "errors",
        "json_text",
        "harmless",
        "moments",
        "packaged",
        "plan",
        "schemas",
        "simulator",
        "sql_text",
        "tables",
        "unfold",
        "whole_files",
    },
    {"contract", "kept", "listing", "origin", "redact", "request"},
    {"api", "logs", "models", "setting_places"},
    {"dlt_start"},
    {"settings"},
    {"flatten", "pages", "readers"},
    {"fetch", "settings_explained"},
    {"status_messages"},
    {"report", "source"},
    {"warehouse"},
    {"dlt_context", "job"},
    {"cli"},
    {"__main__"},
]
"""Floor by floor, from the ground up: a module or folder imports from the floors below its own."""


def imports(file: Path, *, annotated: bool = False) -> Iterator[str]:
    """The modules that a file imports when it runs, dotted; with `annotated` also those that only annotations name."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    unused = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING" and not annotated
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and id(node) not in unused:
            own = node.module.startswith("statsig_runs") and (PACKAGE.parent / node.module.replace(".", "/")).is_dir()
            yield from (f"{node.module}.{alias.name}" for alias in node.names) if own else (node.module,)


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_every_library_that_is_imported_is_a_dependency_of_its_own() -> None:
    extras = [each for extra in PROJECT["optional-dependencies"].values() for each in extra]
    declared = {re.match(r"[\w-]+", each)[0].lower() for each in (*PROJECT["dependencies"], *extras)}
    providers = packages_distributions()
    imported = {name.partition(".")[0] for file in PACKAGE.rglob("*.py") for name in imports(file)}
    foreign = imported - sys.stdlib_module_names - {"statsig_runs"}
    undeclared = {
        name for name in foreign if not declared & {each.lower().replace("_", "-") for each in providers[name]}
    }
    assert undeclared == set()


def test_imports_run_downward_only() -> None:
    floors = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).with_suffix("").parts[0]
        for name in imports(file):
            if name.startswith("statsig_runs.") and (target := name.split(".")[1]) != room:
                assert floors[target] < floors[room], f"{file.relative_to(PACKAGE)} imports {name}"


def test_no_module_needs_another_that_needs_it() -> None:
    """Not in its annotations either: two such modules can only be understood together."""
    files = {module_of(file): file for file in PACKAGE.rglob("*.py")}
    needs = {
        module: {name if name in files else name.rpartition(".")[0] for name in imports(file, annotated=True)}
        for module, file in files.items()
    }
    circles = []
    order = TopologicalSorter({module: needed & files.keys() - {module} for module, needed in needs.items()})
    try:
        order.prepare()
    except CycleError as error:
        circles = error.args[1]
    assert circles == []
    assert "statsig_runs.warehouse.destination" in needs["statsig_runs.warehouse.destinations"]


def test_api_and_simulator_know_neither_each_other_nor_any_table() -> None:
    known = {
        room: {
            name.split(".")[1]
            for file in (PACKAGE / room).rglob("*.py")
            for name in imports(file)
            if name.startswith("statsig_runs.")
        }
        for room in ("api", "simulator")
    }
    assert known == {"api": {"api", "contract", "errors", "json_text", "moments", "redact"}, "simulator": {"simulator"}}


def test_no_test_module_imports_another() -> None:
    """What tests share is in `tests/support`, in `tests/oracle` or in a conftest."""
    tests = Path(__file__).parent
    for file in tests.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                named = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                parts = [part for name in named for part in name.split(".")]
                assert not [part for part in parts if part.startswith("test_")], file.relative_to(tests)


def test_the_tree_of_errors_at_the_head_of_its_module_is_the_tree_of_classes() -> None:
    drawn = dict(re.findall(r"(\w+Error) +(?:exit )?(\d+|never)", errors.__doc__))
    del drawn["RequestsSpentError"]  # it ends a sync in good order
    kinds: dict[str, Any] = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    found = {name: str(kind.exit_code) for name, kind in kinds.items()}
    assert drawn == {name: code for name, code in found.items() if name != "RequestsSpentError"}
