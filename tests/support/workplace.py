"""A user's machine in a folder: a home, a place to work in, and the installed command as a process of its own.

Nothing here imports the package's job: what the tests see is what a user or a scheduler sees.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb

from tests.support.prepared import Prepared

COMMAND = Path(sys.executable).with_name("statsig-runs")
OF_OUR_OWN = re.compile("PATH|HOME|LC_ALL|STATSIG_API_KEY|SOURCES__STATSIG_RUNS__.*")
"""Variables that no process reads while it starts."""

KEY = "console-kEy0f7heTests"
PATIENCE = 250.0
"""Seconds after which a step that hangs fails its test; none is meant to come near."""


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON object of `sync --json`."""
        summary: dict[str, Any] = json.loads(self.out)
        return summary


class Running:
    """A process whose stderr is read as it comes, so that a test can wait for a step."""

    def __init__(self, process: subprocess.Popen[str] | Prepared) -> None:
        self.process = process
        self.pid = process.pid
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._out: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_errors, args=(process.stderr,), daemon=True),
            threading.Thread(target=self._read_output, args=(process.stdout,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_errors(self, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _read_output(self, stream: IO[str]) -> None:
        self._out.append(stream.read())

    def wait_for(self, text: str) -> None:
        """Return as soon as a line of stderr holds the text."""
        with self._news:
            found = self._news.wait_for(lambda: self._ended or any(text in line for line in self._lines), PATIENCE)
            seen = "".join(self._lines)
        assert found, f"no {text!r} within {PATIENCE:.0f} s after:\n{seen}"
        assert text in seen, f"ended without {text!r}:\n{seen}"

    def wait(self) -> Done:
        """Wait for the end."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return Done(code, "".join(self._out), "".join(self._lines))

    def stop(self, number: signal.Signals = signal.SIGKILL) -> Done:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.wait()


class Workplace:
    """One user's folder, key and settings.

    Args:
        folder: becomes `folder/home` and `folder/work`, with the data in `folder/work/data`.
        url: the API.
        environment: more variables, or other values for the usual ones; None leaves one out.
    """

    as_installed = False
    """Whether commands start as users start them, and a sync draws the page; `test_odd_folders` does so with each."""

    def __init__(self, folder: Path, url: str, **environment: str | None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.work = folder / "work"
        self.data = self.work / "data"
        self.database = self.data / "statsig_runs.duckdb"
        self.published = self.data / "published" / "statsig_runs.duckdb"
        for path in (self.home, self.work):
            path.mkdir(parents=True, exist_ok=True)
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "STATSIG_API_KEY": KEY,
            "SOURCES__STATSIG_RUNS__BASE_URL": url,
            "SOURCES__STATSIG_RUNS__RATE_LIMITS": "10000/1",
            **environment,
        }
        self.environment = {name: value for name, value in variables.items() if value is not None}

    def start(self, *arguments: str) -> Running:
        """Start the command, prepared where that is the same."""
        is_prepared = not self.as_installed and arguments[0] not in {"demo", "simulate"}
        if is_prepared and all(map(OF_OUR_OWN.fullmatch, self.environment)):
            return Running(Prepared(arguments, self.work, self.environment))
        return Running(
            subprocess.Popen(
                [COMMAND, *arguments],
                cwd=self.work,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        )

    def run(self, *arguments: str) -> Done:
        """Run the command to its end."""
        return self.start(*arguments).wait()

    def sync(self, *arguments: str) -> Done:
        """Run `sync --json`."""
        return self.run("sync", "--json", *arguments)

    def copy(self, folder: Path) -> Workplace:
        """The same user's files in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        copied = Workplace(folder, "")
        copied.environment = {**self.environment, "HOME": str(copied.home)}
        return copied

    def query(self, sql: str, *, published: bool = True) -> list[tuple[Any, ...]]:
        """Rows of one query on the published copy, or on the job's own file."""
        return query(self.published if published else self.database, sql)


def query(file: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of one query; nothing stays open."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


def contents(file: Path, *, without: str = "") -> dict[str, list[str]]:
    """Every row of every raw table and mart, in an order of its own, as text.

    Args:
        file: a database of the job's, or a published copy.
        without: a regular expression; columns whose whole name it matches are left out.
    """
    found: dict[str, list[str]] = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        columns = connection.execute(
            "select table_schema, table_name, column_name from information_schema.columns "
            "where table_schema in ('statsig', 'statsig_raw') and table_name not like '\\_dlt%' escape '\\' "
            "order by table_schema, table_name, ordinal_position"
        ).fetchall()
        tables: dict[str, list[str]] = {}
        for schema, table, column in columns:
            names = tables.setdefault(f"{schema}.{table}", [])
            if not re.fullmatch(without, column):
                names.append(f'"{column}"')
        for table, names in tables.items():
            rows = connection.execute(f"select {', '.join(names)} from {table}").fetchall()
            found[table] = sorted(map(repr, rows))
    return found


def bytes_below(folders: Sequence[Path]) -> dict[Path, bytes]:
    """The content of every file below some folders."""
    return {path: path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}


OF_THE_FETCH = r"(first_)?fetched_at|_dlt.*|hours_since_success"
"""Columns that tell when a run was fetched, and so differ between two syncs that do the same."""


def state(workplace: Workplace) -> dict[str, list[str]]:
    """Every row that two syncs of the same runs agree on, published and in the job's own file alike."""
    published, own = (contents(file, without=OF_THE_FETCH) for file in (workplace.published, workplace.database))
    for tables in (published, own):
        del tables["statsig_raw.sync_loads"], tables["statsig.fct_loads"]
    assert published == own
    return published
