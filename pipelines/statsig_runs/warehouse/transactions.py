"""One build of the models, one transaction: on PostgreSQL, where readers have the marts themselves.

Left to itself, dbt opens a connection for each model and commits each: between the first and the last, marts disagree.
Here all its connections are one, and what it takes for the transaction of a model is a savepoint: a model that fails
leaves the others as they are, and each failure is told. The commit comes at the end, if all models were built and all
tests passed. Knows dbt's adapter, and not what is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, ClassVar

import psycopg2
from dbt.adapters.contracts.connection import Connection, ConnectionState
from dbt.adapters.exceptions.connection import FailedToConnectError
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt.adapters.postgres.impl import PostgresAdapter
from psycopg2.extensions import TRANSACTION_STATUS_INERROR

from statsig_runs.errors import StorageError

_SAVEPOINT = "statsig_runs_model"


class _OneConnection(PostgresConnectionManager):
    """Gives dbt the same connection each time that it opens one."""

    server: ClassVar[Mapping[str, str]] = {}
    session: ClassVar[Any] = None

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        if cls.session is None:
            try:
                cls.session = psycopg2.connect(**cls.server)
            except psycopg2.Error as error:
                raise FailedToConnectError(str(error)) from None
        _execute(cls.session, f"savepoint {_SAVEPOINT}")
        connection.handle, connection.state = cls.session, ConnectionState.OPEN
        return connection

    def add_begin_query(self) -> None:
        """Do nothing: the transaction began with the first model."""

    def add_commit_query(self) -> None:
        """Do nothing: `one_transaction` commits, after the last test."""

    def cancel(self, connection: Connection) -> None:
        connection.handle.cancel()

    @classmethod
    def _rollback_handle(cls, connection: Connection) -> None:
        _execute(connection.handle, f"rollback to savepoint {_SAVEPOINT}")

    @classmethod
    def _close_handle(cls, connection: Connection) -> None:
        if connection.handle.info.transaction_status == TRANSACTION_STATUS_INERROR:
            cls._rollback_handle(connection)
        _execute(connection.handle, f"release savepoint {_SAVEPOINT}")


def _execute(session: Any, sql: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(sql)


@contextmanager
def one_transaction(server: Mapping[str, str]) -> Iterator[None]:
    """Commit what dbt does inside when it is left without an error, and nothing of it otherwise.

    dbt must use one thread. What its profile says of the connection does not count: it knows few options.

    Args:
        server: what to connect with, as the driver names it, credentials included.

    Raises:
        StorageError: the server did not commit.
    """
    _OneConnection.server, _OneConnection.session = server, None
    PostgresAdapter.ConnectionManager = _OneConnection
    try:
        yield
        if _OneConnection.session is not None:
            _OneConnection.session.commit()
    except psycopg2.Error as error:
        raise StorageError(
            f"The database did not take the models; the marts are as they were: {str(error).strip()}"
        ) from None
    finally:
        PostgresAdapter.ConnectionManager = PostgresConnectionManager
        if _OneConnection.session is not None:
            with closing(_OneConnection.session):  # what was not committed is rolled back
                _OneConnection.session = None
