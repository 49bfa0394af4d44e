"""The published copy as its readers open it: in UTC, read only, with the marts' names at hand.

Knows where the copy is and what it may be called; what is asked of it is the business of `query`, `export`, `status`
and `check`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.origin import read_origin

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from statsig_runs.origin import Origin
    from statsig_runs.schemas import Schemas
    from statsig_runs.warehouse import Warehouse

log = logging.getLogger(__name__)

Row = dict[str, Any]


@contextmanager
def reading(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that finds marts and raw tables without their schema; syncs meanwhile do not change what it sees.

    Raises:
        ConfigurationError: nothing was published yet, or not for this project.
        StorageError: the file is not a DuckDB database, or cannot be read.
    """
    import duckdb

    published = warehouse.published
    try:
        connection = published.open()
    except (OSError, duckdb.Error) as error:
        source = f" from {published.database}" if published.database.exists() else ", once it is removed"
        raise StorageError(
            f"{published.file} cannot be read: {error}\nCheck its permissions. Where it is damaged, the next sync or "
            f"`statsig-runs transform` writes it anew{source}."
        ) from None
    with connection:
        use_schemas(connection, warehouse.schemas, published.file)
        try:
            yield connection
        except BaseException:
            connection.interrupt()  # after Ctrl-C, closing would wait for the query's threads
            raise


def read_origin_of(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, destination: str) -> Origin | None:
    """Where the copy is from, None for the job's own DuckDB file; says so where syncs go elsewhere by now.

    Args:
        warehouse: whose copy this is.
        connection: of `reading`.
        destination: where the settings say that syncs go.
    """
    origin = read_origin(connection, warehouse.schemas)
    if destination not in ("duckdb", origin.destination if origin else ""):
        log.warning(
            "The setting `destination` is %s, and nothing was published from there yet: this is the copy of %s",
            destination,
            origin.place if origin else warehouse.database,
        )
    return origin


def use_schemas(connection: duckdb.DuckDBPyConnection, schemas: Schemas, file: Path) -> None:
    """Have a connection to `file` find marts and raw tables by their plain names, and no variable of this program.

    Raises:
        ConfigurationError: the file holds no marts of this project.
    """
    present = {name for (name,) in connection.execute("select schema_name from duckdb_schemas()").fetchall()}
    if schemas.marts not in present:
        raise ConfigurationError(
            f"{file} has no schema {schemas.marts!r}. Check the setting `project`, or run `statsig-runs sync` first."
        )
    path = [name for name in (schemas.marts, schemas.raw) if name in present]
    connection.execute(f"set search_path = '{','.join(path)}'")
    connection.execute("set python_enable_replacements = false")


def fetch_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> list[Row]:
    """All rows of a query of ours by column name, moments in UTC.

    Raises:
        StorageError: the copy has no such table or column, since another version of this program published it, or it
            is damaged.
    """
    import duckdb

    try:
        cursor = connection.execute(sql, parameters if isinstance(parameters, Mapping) else list(parameters))
        rows = cursor.fetchall()
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        cause = str(error).partition("\n")[0]
        raise StorageError(
            "Another version of statsig-runs wrote the published copy. The next `statsig-runs sync` writes it anew. "
            f"What it lacks: {cause}"
        ) from None
    except duckdb.IOException as error:
        raise StorageError(
            f"The published copy cannot be read: {error}\nWhere it is damaged, remove it once syncs work: the next "
            "`statsig-runs sync` or `statsig-runs transform` writes it anew."
        ) from None
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, map(_in_utc, row), strict=True)) for row in rows]


def newest_fetch(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """The moment that the data stands for: the newest `fetched_at` of any run, None without runs."""
    [row] = fetch_rows(connection, "select max(fetched_at) as newest from fct_runs")
    newest: datetime | None = row["newest"]
    return newest


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
