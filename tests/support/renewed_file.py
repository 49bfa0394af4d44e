"""A DuckDB file as a renewal of the marts asks it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from statsig_runs.errors import StorageError


class File:
    """The file, and what was executed in it; a query outside a transaction has a connection of its own."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.executed: list[str] = []
        self._connection: duckdb.DuckDBPyConnection | None = None

    def query(self, sql: str, parameters: Collection[Any] = ()) -> list[tuple[Any, ...]]:
        if self._connection:
            return self._connection.execute(sql, list(parameters)).fetchall()
        with duckdb.connect(str(self.file)) as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def execute(self, sql: str, parameters: Collection[Any] = ()) -> None:
        assert self._connection
        self.executed.append(sql)
        try:
            self._connection.execute(sql, list(parameters))
        except duckdb.Error as error:
            raise StorageError(str(error)) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        try:
            with duckdb.connect(str(self.file)) as self._connection:
                self._connection.execute("set timezone = 'UTC'")
                self._connection.execute("begin")
                yield
                self._connection.execute("commit")
        finally:
            self._connection = None
