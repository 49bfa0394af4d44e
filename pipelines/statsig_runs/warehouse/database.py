"""SQL on the engine that dlt loads into, over dlt's own connection to it; its errors come as ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from dlt.destinations.exceptions import DatabaseUndefinedRelation

from statsig_runs.errors import StorageError
from statsig_runs.warehouse.failures import translated

if TYPE_CHECKING:
    import dlt
    import pyarrow as pa

Rows = list[tuple[Any, ...]]

BATCH_ROWS: Final = 20_000
"""How many rows are read at a time."""
_READING: Final = "The warehouse could not be read"
_WRITING: Final = "The warehouse could not be written"


class SqlDatabase:
    """The database of a dlt pipeline.

    Args:
        pipeline: gives the pipeline; it is asked anew for each connection, since a repair may replace it.
    """

    def __init__(self, pipeline: Callable[[], dlt.Pipeline]) -> None:
        self._pipeline = pipeline
        self._connection: Any = None
        self._is_writing = False  # a transaction is open

    def query(self, sql: str, parameters: Collection[Any] = ()) -> Rows | None:
        """Rows of a query, each parameter written as `%s`; None where one of its tables does not exist yet.

        Raises:
            StorageError: the database cannot be reached, or refused the query.
        """
        kept = self._connection and self._connection.native_connection
        try:
            return self._query(sql, parameters)
        except StorageError:
            # A sync keeps it while it waits for the API, and something on the way may end it: dlt has opened another.
            is_another = kept and self._connection.native_connection is not kept
            if not is_another or self._is_writing:  # what a transaction has done is gone with it
                raise
        return self._query(sql, parameters)

    def _query(self, sql: str, parameters: Collection[Any]) -> Rows | None:
        with self._client() as client:
            try:
                return [tuple(row) for row in client.execute_sql(sql, *parameters) or ()]
            except DatabaseUndefinedRelation:
                return None

    def batches(self, sql: str, parameters: Collection[Any] = ()) -> Iterator[pa.Table]:
        """Rows of a query as Arrow tables, a batch each, none of a table that does not exist; else as `query`."""
        with (
            self._client() as client,
            suppress(DatabaseUndefinedRelation),
            client.execute_query(sql, *parameters) as cursor,
        ):
            yield from cursor.iter_arrow(chunk_size=BATCH_ROWS)

    def execute(self, sql: str, parameters: Collection[Any] = ()) -> None:
        """Run a statement; parameters and errors as of `query`."""
        with self._client(_WRITING) as client:
            client.execute_sql(sql, *parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is executed inside when it is left without an error, and nothing of it otherwise.

        To be used inside `connected`; errors as of `query`.
        """
        with self._client(_WRITING) as client, client.begin_transaction():
            self._is_writing = True
            try:
                yield
            finally:
                self._is_writing = False

    def qualified(self, schema: str) -> str:
        """The name of a schema as queries write it; errors as of `query`."""
        with self._client() as client, client.with_alternative_dataset_name(schema):
            return str(client.fully_qualified_dataset_name())

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Keep one connection for all queries inside: opening one costs ten times a query. It may be kept already."""
        before = self._connection
        with self._client() as client:
            self._connection = client
            try:
                yield
            finally:
                self._connection = before

    @contextmanager
    def _client(self, failure: str = _READING) -> Iterator[Any]:
        with translated(failure):
            if self._connection:
                yield self._connection
            else:
                with self._pipeline().sql_client() as client:
                    yield client
