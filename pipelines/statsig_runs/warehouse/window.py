"""The published copy of a warehouse elsewhere: a DuckDB file with the runs of the last days, and small tables whole.

A reader of the copy needs neither the warehouse's credentials nor its engine. Only what has changed is read again.
Each build has an id, and notes it beside every run whose rows it wrote (`int_built_runs`). The copy keeps these ids.
Where the warehouse has another id for a run, the rows of that run are read again.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from statsig_runs import tables
from statsig_runs.moments import in_utc
from statsig_runs.origin import Origin, places_of, read_origin, write_origin
from statsig_runs.plan import FIRST_PLAUSIBLE
from statsig_runs.sql_text import literal
from statsig_runs.warehouse.published import STORAGE_VERSION, find_damage

if TYPE_CHECKING:
    import duckdb

    from statsig_runs.models import Mart
    from statsig_runs.warehouse.loader import Loader

log = logging.getLogger(__name__)

_BUILT: Final = "int_built_runs"
_KEYS_PER_QUERY: Final = 500
_OF_RUNS_WITHOUT_ROWS: Final = frozenset({"rejected_runs", "missing_runs"})
_TYPES: Final = {
    tables.TEXT: "varchar",
    tables.TIMESTAMP: "timestamptz",
    tables.NUMBER: "bigint",
    tables.REAL: "double",
    tables.DATE: "date",
}
_DUCKDBS: Final = {"timestamp": "timestamptz", "float64": "double", "int64": "bigint", "bool": "boolean"}
"""What DuckDB calls the types that engines call otherwise; the other names it knows."""


@dataclass(frozen=True, slots=True, eq=False)
class _Copied:
    """A table of the copy; `columns` maps names to DuckDB's type and the meaning."""

    schema: str
    name: str
    meaning: str
    columns: Mapping[str, tuple[str, str]]

    @property
    def path(self) -> str:
        return f'"{self.schema}"."{self.name}"'


class _Keyed(NamedTuple):
    """Tables that are copied key by key, for example run by run.

    One of them is the `ledger`, with a row per key. Its column `version` says whether the rows of a key have changed:
    where the copy has another version, the rows of that key are read again from all `members`, the ledger included.
    Its column of time, `since`, says whether a key is inside the window.
    """

    ledger: _Copied
    key: str
    version: str
    since: str
    members: tuple[_Copied, ...]


class Window:
    """What is copied of one project in one warehouse.

    Args:
        loader: reads from the warehouse.
        marts: the marts as they were built.
        destination: what `--destination` calls the warehouse.
        place: where it is, for people.
        days: how many days of runs and of messages are kept.
    """

    def __init__(self, loader: Loader, marts: Mapping[str, Mart], destination: str, place: str, days: float) -> None:
        schemas = loader.schemas
        self._place = place
        self._loader = loader
        self._source = loader.database
        self._schemas = schemas
        self._days = days
        raw = {name: _raw_table(schemas.raw, table) for name, table in tables.TABLES.items()}
        built = _built_runs(schemas.staging)
        modelled = {name: _mart(schemas.marts, name, mart) for name, mart in marts.items()}
        of_runs = [raw[name] for name in tables.RUN_TABLES if name not in _OF_RUNS_WITHOUT_ROWS]
        of_runs += [modelled[name] for name, mart in marts.items() if mart.is_by_run]
        messages = raw["ingestion_status_messages"]
        self._keyed = (
            _Keyed(built, "run_id", "build_id", "created_at", (built, *of_runs)),
            _Keyed(messages, "message_hash", "first_fetched_at", "first_fetched_at", (messages,)),
        )
        self._since = {raw[name]: "fetched_at" for name in (*_OF_RUNS_WITHOUT_ROWS, "rejected_status_messages")}
        keyed = {member for group in self._keyed for member in group.members}
        self._whole = [each for each in (*raw.values(), *modelled.values()) if each not in keyed | self._since.keys()]
        self._describe = partial(Origin, destination, place, schemas.marts, self._shape)

    @property
    def _tables(self) -> list[_Copied]:
        return [*(member for group in self._keyed for member in group.members), *self._since, *self._whole]

    @property
    def _shape(self) -> str:
        """A short hash of the tables' columns: a copy of another shape is made anew."""
        columns = sorted((table.path, list(table.columns.items())) for table in self._tables)
        return hashlib.sha256(repr((columns, self._days)).encode()).hexdigest()[:16]

    def write(self, draft: Path, earlier: Path) -> None:
        """Write the copy, going on from an earlier one of the same warehouse.

        Args:
            draft: the file to write.
            earlier: the copy as it is; it need not exist, nor be sound.

        Raises:
            duckdb.Error: the draft cannot be written.
            StorageError: the warehouse cannot be read.
        """
        import duckdb

        if places_of(earlier) != {self._place}:  # of this project, or of others beside it
            self._write(draft)
            return
        shutil.copyfile(earlier, draft)
        try:
            self._write(draft)
        except duckdb.Error:
            if not (damage := find_damage(lambda: duckdb.connect(str(draft), read_only=True))):
                raise
            log.warning("%s is damaged and is read from %s anew: %s", earlier, self._place, damage)
            draft.unlink()
            self._write(draft)

    def _write(self, draft: Path) -> None:
        import duckdb

        config: dict[str, Any] = {} if draft.exists() else {"storage_compatibility_version": STORAGE_VERSION}
        with self._loader.connected(), duckdb.connect(str(draft), config=config) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute("begin")
            origin = self._describe(self._begins_at(), datetime.now(UTC))
            before = read_origin(connection, self._schemas)
            if not before or before.shape != origin.shape:
                self._begin(connection)
            for group in self._keyed:
                self._read_changed(connection, group, origin.since)
            for table, column in self._since.items():
                connection.execute(f"delete from {table.path}")  # noqa: S608  names of ours, here and below
                self._read(connection, table, f"where {column} >= %s", [origin.since])
            for table in self._whole:
                connection.execute(f"delete from {table.path}")  # noqa: S608
                self._read(connection, table)
            write_origin(connection, self._schemas, origin)
            connection.execute("commit")
            connection.execute("checkpoint")

    def _begins_at(self) -> datetime:
        """So many days before the newest run: a project that sleeps keeps its last runs."""
        now = datetime.now(UTC)
        sql = f"select max(created_at) from {self._named(self._keyed[0].ledger)} where created_at <= %s"  # noqa: S608
        [(newest,)] = self._source.query(sql, [now]) or [(None,)]
        return min(now, in_utc(newest) if newest else now) - timedelta(days=self._days)

    def _begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        for schema in self._schemas:
            connection.execute(f"drop schema if exists {schema} cascade; create schema {schema}")
        windowed = {*self._since, *(member for group in self._keyed for member in group.members)}
        part = f" Of the last {self._days:g} days: the others are in {self._place}."
        for table in self._tables:
            meaning = table.meaning + (part if table in windowed else "")
            columns = ", ".join(f'"{name}" {kind}' for name, (kind, _) in table.columns.items())
            connection.execute(f"create table {table.path} ({columns})")
            connection.execute(f"comment on table {table.path} is {literal(meaning)}")
            for name, (_, meaning) in table.columns.items():
                connection.execute(f'comment on column {table.path}."{name}" is {literal(meaning)}')

    def _read_changed(self, connection: duckdb.DuckDBPyConnection, group: _Keyed, since: datetime) -> None:
        """Delete the keys that left the window or the warehouse; read those that are new or have another version."""
        is_inside = f"{group.since} >= %s or {group.since} < %s"
        sql = f"select {group.key}, {group.version} from {self._named(group.ledger)} where {is_inside}"  # noqa: S608
        found = self._source.query(sql, [since, FIRST_PLAUSIBLE]) or ()
        wanted = {key: _comparable(version) for key, version in found}
        held = connection.execute(f"select {group.key}, {group.version} from {group.ledger.path}").fetchall()  # noqa: S608
        have = {key: _comparable(version) for key, version in held}
        for member in group.members:
            if member.name == "dq_findings":  # has rows of no run as well
                connection.execute(f"delete from {member.path} where {group.key} is null")  # noqa: S608
                self._read(connection, member, f"where {group.key} is null")
        stale = [key for key, version in have.items() if wanted.get(key) != version]
        for part in _parts(stale):
            for member in group.members:
                connection.execute(f"delete from {member.path} where {group.key} in (select unnest(?))", [part])  # noqa: S608
        changed = [key for key, version in wanted.items() if have.get(key) != version]
        for part in _parts(changed):
            places = ", ".join(["%s"] * len(part))
            for member in group.members:
                self._read(connection, member, f"where {group.key} in ({places})", part)

    def _read(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: _Copied,
        condition: str = "",
        parameters: Sequence[Any] = (),
    ) -> None:
        for batch in self._source.batches(f"select * from {self._named(table)} {condition}", parameters):  # noqa: S608
            rows = batch.rename_columns([name.lower() for name in batch.column_names])
            # dlt leaves out a column that is null in all rows of a batch
            names = ", ".join(f'"{name}"' for name in table.columns if name in rows.column_names)
            connection.register("batch", rows)
            connection.execute(f"insert into {table.path} by name select {names} from batch")  # noqa: S608  names of ours
            connection.unregister("batch")

    def _named(self, table: _Copied) -> str:
        return f"{self._source.qualified(table.schema)}.{table.name}"


def _raw_table(schema: str, table: tables.Table) -> _Copied:
    columns = {name: (_TYPES[column.kind], column.meaning) for name, column in table.columns.items()}
    return _Copied(schema, table.name, table.meaning, columns)


def _mart(schema: str, name: str, mart: Mart) -> _Copied:
    columns = {column: (_DUCKDBS.get(kind, kind), meaning) for column, (kind, meaning) in mart.columns.items()}
    return _Copied(schema, name, mart.meaning, columns)


def _built_runs(schema: str) -> _Copied:
    columns = {
        "run_id": ("varchar", "The run's id."),
        "created_at": ("timestamptz", "When the run was created, UTC."),
        "build_id": ("varchar", "The build that wrote the run's rows last."),
    }
    return _Copied(schema, _BUILT, "One row per run of this copy.", columns)


def _comparable(version: Any) -> Any:
    return in_utc(version) if isinstance(version, datetime) else version


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        yield keys[start : start + _KEYS_PER_QUERY]
