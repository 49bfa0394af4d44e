"""Where a published copy is from: the copy of a warehouse elsewhere says so itself, in a table of its own.

Knows a copy as a DuckDB file, and nothing of how it is made or read.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Final

from statsig_runs.moments import in_utc

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from statsig_runs.schemas import Schemas

_TABLE: Final = "published_from"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a copy is from, and what it holds of that: runs created, and messages first seen, from `since` on.

    A run that cannot have been created when it says is in the copy too.
    """

    destination: str
    place: str
    marts_schema: str
    shape: str
    since: datetime
    published_at: datetime

    def __str__(self) -> str:
        return (
            f"a copy of {self.place} with the runs created since {self.since:%Y-%m-%d}; "
            f"all are there, in the schema {self.marts_schema}"
        )


def read_origin(connection: duckdb.DuckDBPyConnection, schemas: Schemas) -> Origin | None:
    """Where the copy of a project is from; None for a copy of the job's own DuckDB file."""
    # no parameters: to take one, DuckDB imports pandas, which a reader would wait for
    named = f"schema_name = '{schemas.staging}' and table_name = '{_TABLE}'"
    if not connection.execute(f"select 1 from duckdb_tables() where {named}").fetchall():  # noqa: S608  names of ours
        return None
    names = ", ".join(field.name for field in fields(Origin))
    row = connection.execute(f"select {names} from {schemas.staging}.{_TABLE}").fetchone()  # noqa: S608  names of ours
    if not row:
        return None
    destination, place, marts_schema, shape, since, published_at = row
    return Origin(destination, place, marts_schema, shape, in_utc(since), in_utc(published_at))


def write_origin(connection: duckdb.DuckDBPyConnection, schemas: Schemas, origin: Origin) -> None:
    """Have the copy of a project say where it is from."""
    times = {"since", "published_at"}
    columns = ", ".join(f"{field.name} {'timestamptz' if field.name in times else 'text'}" for field in fields(Origin))
    connection.execute(f"create or replace table {schemas.staging}.{_TABLE} ({columns})")
    places = ", ".join("?" for _ in fields(Origin))
    sql = f"insert into {schemas.staging}.{_TABLE} values ({places})"  # noqa: S608  a schema of ours
    connection.execute(sql, list(astuple(origin)))


def places_of(copy: Path) -> set[str]:
    """The warehouses that a copy was read from, of any project.

    Empty for a copy of the job's own DuckDB file, and where there is no copy or it cannot be read.
    """
    import duckdb

    try:
        with duckdb.connect(str(copy), read_only=True) as connection:
            found = connection.execute("select schema_name from duckdb_tables() where table_name = ?", [_TABLE])
            schemas = [schema for (schema,) in found.fetchall()]
            sql = " union all ".join(f'select place from "{schema}".{_TABLE}' for schema in schemas)  # noqa: S608
            return {place for (place,) in connection.execute(sql).fetchall()} if sql else set()
    except duckdb.Error:
        return set()
