"""The dbt sources are the raw tables: `tables.py` describes them, and dbt takes that to the database's comments.

`UPDATE_SOURCES=1 pytest tests/models/test_sources.py` writes the sources anew.
"""

from __future__ import annotations

import os
from typing import Any

import yaml

from statsig_runs.packaged import packaged
from statsig_runs.tables import TABLES

SOURCES = packaged("sql") / "models" / "staging" / "_sources.yml"
HEAD = "    tables:\n"


def described() -> list[dict[str, Any]]:
    return [
        {
            "name": table.name,
            "description": table.meaning,
            "columns": [{"name": name, "description": column.meaning} for name, column in table.columns.items()],
        }
        for table in TABLES.values()
    ]


def test_the_sources_are_the_raw_tables_as_they_are_described_in_one_place() -> None:
    if os.environ.get("UPDATE_SOURCES"):
        head, _, _ = SOURCES.read_text(encoding="utf-8").partition(HEAD)
        written = yaml.safe_dump(described(), sort_keys=False, allow_unicode=True, width=10_000)
        lines = "".join(f"      {line}\n" for line in indented(written).splitlines())
        SOURCES.write_text(head + HEAD + lines, encoding="utf-8")
    (source,) = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))["sources"]
    assert source["tables"] == described()


def indented(text: str) -> str:
    """With the columns below their key, as in every other file."""
    lines = []
    is_column = False
    for line in text.splitlines():
        is_column = line.startswith("  ") and (is_column or line.startswith("  - "))
        lines.append(f"  {line}" if is_column else line)
    return "\n".join(lines)


def test_every_table_says_its_grain_first_and_its_key_is_of_its_columns() -> None:
    assert [table.name for table in TABLES.values() if not table.meaning.startswith("One row per ")] == []
    assert [table.name for table in TABLES.values() if not {*table.key, *table.replaced_by} <= set(table.columns)] == []
