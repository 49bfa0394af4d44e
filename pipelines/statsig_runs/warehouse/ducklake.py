"""One build of the models, one transaction of DuckLake: readers see all marts of a build at once, or none.

Left to itself, dbt opens a connection for each model, and commits each model. Here it gets one connection with one
transaction. DuckDB has no savepoints. So after the first statement that fails nothing more is built, and nothing of the
build stays. Knows dbt's adapter, and not what is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import duckdb
from dbt.adapters.contracts.connection import Connection, ConnectionState
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.duckdb.impl import DuckDBAdapter

from statsig_runs.errors import StorageError


class _OneConnection(DuckDBConnectionManager):
    """Gives dbt the same connection each time that it opens one."""

    session: ClassVar[Any] = None

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        if cls.session is None:
            cls.session = super().open(connection).handle
            cls.session.cursor().execute("begin transaction")
        connection.handle, connection.state = cls.session, ConnectionState.OPEN
        return connection

    def add_begin_query(self) -> None:
        """Do nothing: the transaction began when the connection was opened."""

    def add_commit_query(self) -> None:
        """Do nothing: `one_transaction` commits, after the last test."""

    @classmethod
    def _rollback_handle(cls, connection: Connection) -> None:
        """Do nothing: the failure has ended the transaction, and DuckDB refuses what follows."""

    @classmethod
    def _close_handle(cls, connection: Connection) -> None:
        """Do nothing: the next model uses the same connection."""


@contextmanager
def one_transaction() -> Iterator[None]:
    """Commit what dbt does inside when it is left without an error, and nothing of it otherwise.

    dbt must use one thread.

    Raises:
        StorageError: the catalogue did not take the commit.
    """
    _OneConnection.session = None
    DuckDBAdapter.ConnectionManager = _OneConnection
    try:
        yield
        if _OneConnection.session is not None:
            _OneConnection.session.cursor().execute("commit")
    except duckdb.Error as error:
        raise StorageError(f"The lake did not take the models; the marts are as they were: {error}") from None
    finally:
        DuckDBAdapter.ConnectionManager = DuckDBConnectionManager
        if _OneConnection.session is not None:
            _OneConnection.session.cursor().close()  # what was not committed is rolled back
        _OneConnection.session = _OneConnection._ENV = None
