"""The analysts' page stays true: each of its queries is run again, and its answer compared.

`UPDATE_README=1 pytest tests/models/test_sql_readme.py` writes the answers anew instead.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from statsig_runs.simulator.sample_messages import Message, tell_messages
from statsig_runs.simulator.sample_runs import generate_runs
from statsig_runs.warehouse.published import Published
from tests.support import warehouse_of_runs as warehouse

README = Path(__file__).parents[2] / "sql" / "README.md"
NOW = datetime(2024, 3, 18, 9, tzinfo=UTC)
SECTION = re.compile(
    r"(## (?P<question>[^\n]+)\n.*?```sql\n(?P<query>.*?)```\n)(?P<answer>\n(?:\|[^\n]*\n)+)?", re.DOTALL
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("readme") / "statsig_runs.duckdb"
    runs = generate_runs(600, seed=1, until=NOW)
    told = [message for run in runs for message in tell_messages(run)]
    # the sample is three weeks long; what a weekday usually has takes more
    told += [weeks_before(message, weeks) for message in told for weeks in (3, 6) if "rowCount" in message]
    warehouse.load(path, [(run, NOW) for run in runs], messages=[(message, NOW) for message in told])
    warehouse.build(path)
    published = Published(path)
    published.publish()
    return published.file


def weeks_before(message: Message, weeks: int) -> Message:
    """The same message about an earlier date."""
    moments = {name: datetime.fromisoformat(message[name]) - timedelta(weeks=weeks) for name in ("ds", "timestamp")}
    return message | {name: moment.isoformat() for name, moment in moments.items()}


def answer(con: duckdb.DuckDBPyConnection, query: str) -> str:
    """The result as a Markdown table, numbers to the right."""
    rows = warehouse.read_rows(con, query)
    assert rows, "a question without an answer teaches nothing"
    lines = [list(rows[0]), *([show(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    is_number = [all(is_figure(row[name]) for row in rows) for name in rows[0]]
    rule = ["-" * (width - 1) + ":" if right else "-" * width for width, right in zip(widths, is_number, strict=True)]
    padded = [
        [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ]
        for line in [lines[0], rule, *lines[1:]]
    ]
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in padded) + "\n"


def is_figure(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def show(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case _:
            return str(value).replace("|", "\\|")


def test_every_answer_on_the_analysts_page_is_what_its_query_gives(database: Path):
    page = README.read_text(encoding="utf-8")
    with duckdb.connect(str(database), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        anew = SECTION.sub(lambda found: found[1] + answer(con, found["query"]), page)
    if os.environ.get("UPDATE_README"):
        README.write_text(anew, encoding="utf-8")
    assert anew == README.read_text(encoding="utf-8")


def test_the_analysts_page_asks_at_least_ten_questions():
    found = [match["question"] for match in SECTION.finditer(README.read_text(encoding="utf-8"))]
    assert len(found) == README.read_text(encoding="utf-8").count("\n## ") >= 10
