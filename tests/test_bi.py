"""What `docs/bi.md` says was run here is run here, as it stands, in a folder with a published copy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "bi.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^### (.+?): \*(.+?)\*\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
ELSEWHERE = {"Streamlit", "Superset", "MetricFlow", "dlt's commands", "A dbt project of your own"}
"""Run by tests of their own."""
RECIPES = {
    tool: code
    for tool, mark, text in SECTIONS
    for code in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    if mark == "run here" and tool not in ELSEWHERE
}
ENVIRONMENT = Path(sys.executable).parent


def test_every_tool_says_how_far_it_was_tried():
    assert len(SECTIONS) == len(re.findall("^### ", PAGE, re.MULTILINE)) >= 18
    assert {mark for _, mark, _ in SECTIONS} == {"run here", "from its documentation"}
    assert RECIPES.keys() | ELSEWHERE == {tool for tool, mark, _ in SECTIONS if mark == "run here"}


@pytest.mark.parametrize("tool", RECIPES)
def test_a_recipe_runs_as_it_stands_and_shows_the_sources(tool: str, folder: Path):
    language, code = RECIPES[tool]
    missing = [name for name in re.findall(r"^import (\w+)", code, re.MULTILINE) if not find_spec(name)]
    if not (missing or find_spec("polars") or ".pl()" not in code):
        missing = ["polars"]
    if "to_excel" in code and not find_spec("openpyxl"):
        missing = ["openpyxl"]
    if code.startswith("duckdb ") and not (ENVIRONMENT / "duckdb").exists():
        missing = ["duckdb-cli"]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    program = [sys.executable, "-c", code] if language == "python" else ["/bin/sh", "-ec", code]
    done = subprocess.run(
        program,
        cwd=folder,
        env={
            "PATH": f"{ENVIRONMENT}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TZ": "Asia/Tokyo",
            "POLARS_FMT_TABLE_ROWS": "-1",
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Events 1" in done.stdout
