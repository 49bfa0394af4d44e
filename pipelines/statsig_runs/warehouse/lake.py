"""The lake: raw tables and marts as Delta tables in a folder or a bucket. dlt loads them, `sail` models them.

Elsewhere a load deletes all rows of its runs and inserts the new ones. For Delta tables dlt has no such merge. Its
`cdc` strategy comes to the same: it is given a *scope*, here the runs of the load. It updates and inserts the rows that
the load brings, and deletes the other rows in the scope.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from statsig_runs import tables
from statsig_runs.contract import AcceptedRun, MissingRun, UnchangedRun
from statsig_runs.errors import ConfigurationError
from statsig_runs.sql_text import literals
from statsig_runs.warehouse.database import BATCH_ROWS
from statsig_runs.warehouse.loader import NOTHING_BESIDE, NOTHING_KNOWN, Loader

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import pyarrow as pa
    from deltalake import DeltaTable
    from dlt.extract import DltResource

    from statsig_runs.contract import Outcome
    from statsig_runs.plan import KnownRun, Progress
    from statsig_runs.schemas import Schemas
    from statsig_runs.status_messages import Message

_PREFIXES: Final = {
    **dict.fromkeys(("s3", "s3a"), "AWS_"),
    **dict.fromkeys(("gs", "gcs"), "GOOGLE_"),
    **dict.fromkeys(("az", "abfss"), "AZURE_STORAGE_"),
}
_PLAIN_ADDRESS: Final = re.compile(r"[A-Za-z0-9_./:@=+~-]+")
_QUALIFIED: Final = re.compile(r"\b(statsig\w*)\.(\w+)")


class Lake:
    """Where the lake is, and how Delta tables in it are opened.

    Args:
        config: dlt's resolved configuration of its `filesystem` destination.
    """

    def __init__(self, config: Any) -> None:
        from dlt.common.libs.deltalake import deltalake_storage_options
        from dlt.common.storages.fsspec_filesystem import fsspec_from_config

        address = config.make_local_path(config.bucket_url) if config.is_local_filesystem else config.bucket_url
        if not _PLAIN_ADDRESS.fullmatch(address):
            raise ConfigurationError(
                f"The lake cannot be in {address!r}: Sail finds no table under an address with spaces or other special "
                "characters. Choose another bucket_url."
            )
        self.address: str = address.rstrip("/")
        self._options = deltalake_storage_options(config.credentials, config.deltalake_storage_options)
        self._files, _ = fsspec_from_config(config)

    @property
    def environment(self) -> dict[str, str]:
        """The credentials of a bucket as the variables that Sail reads; nothing for a folder."""
        prefix = _PREFIXES.get(self.address.partition("://")[0], "")
        names = {name: prefix + name.upper().removeprefix(prefix) for name in self._options}
        return {names[name]: str(value) for name, value in self._options.items()} if prefix else {}

    def location(self, schema: str, table: str = "") -> str:
        """The address of a schema's folder, or of a table in it."""
        return "/".join(part for part in (self.address, schema, table) if part)

    def open(self, schema: str, table: str) -> DeltaTable | None:
        """A Delta table as it is now; None where there is none."""
        import deltalake
        from deltalake.exceptions import TableNotFoundError

        try:
            return deltalake.DeltaTable(self.location(schema, table), storage_options=self._options)
        except TableNotFoundError:
            return None

    def create(self, schema: str, table: str, columns: pa.Schema) -> None:
        """Create an empty Delta table where there is none."""
        import deltalake

        deltalake.DeltaTable.create(self.location(schema, table), columns, mode="ignore", storage_options=self._options)

    def tables(self, schema: str) -> dict[str, str]:
        """The Delta tables in a schema's folder, with their columns as Spark's SQL writes them."""
        path = self._files._strip_protocol(self.location(schema))
        if not self._files.exists(path):
            return {}
        names = sorted(log.split("/")[-2] for log in self._files.glob(f"{path}/*/_delta_log"))
        return {name: _columns(delta) for name in names if (delta := self.open(schema, name))}


class LakeLoader(Loader):
    """The loader for a lake: what differs from a database stands here."""

    def __init__(self, destination: Any, schemas: Schemas, state: Path, lake: Lake) -> None:
        self._lake = lake
        self._tables = LakeDatabase(lake)
        super().__init__(destination, schemas, state, self._tables)

    def connected(self) -> AbstractContextManager[None]:
        """There is no connection to keep."""
        return nullcontext()

    def load(
        self,
        outcomes: Iterable[Outcome | Message],
        progress: Progress,
        superseded: Iterable[AcceptedRun] = (),
        beside: Mapping[str, Any] = NOTHING_BESIDE,
        known: Mapping[str, KnownRun] = NOTHING_KNOWN,
    ) -> None:
        """As for any destination; and create the tables that nothing has filled yet.

        Raises:
            StorageError: the lake refused it; what was loaded before is kept.
        """
        super().load(outcomes, progress, superseded, beside, known)
        for name, table in tables.BATCH_TABLES.items():
            self._lake.create(self.schemas.raw, name, table.schema)

    def record(self, load: dict[str, Any]) -> None:
        """Write one row of `sync_loads`, or replace it: no statement can."""
        self._load_record(load)

    def note(self, load: dict[str, Any]) -> None:
        """Complete the row that `record` wrote."""
        self.record(load)

    def look_at_tables(self) -> None:
        """Nothing to do: `load` makes what is missing."""

    def drop_accepted_refusals(self) -> None:
        """Forget refusals of payloads that the contract has come to accept."""
        raw = self.schemas.raw
        for refused, (accepted, key) in tables.REFUSALS.items():
            known = f"select {key} from {raw}.{accepted}"  # noqa: S608  names of ours
            both = f"select {key} from {raw}.{refused} where {key} in ({known})"  # noqa: S608
            hashes = [found for (found,) in self._tables.query(both) or ()]
            table = self._lake.open(raw, refused)
            if hashes and table:
                table.delete(f"{key} in ({literals(hashes)})")

    def _adapt(self, resources: Mapping[str, DltResource], outcomes: Collection[Outcome | Message]) -> None:
        accepted = {outcome.run_id for outcome in outcomes if isinstance(outcome, AcceptedRun)}
        unchanged = {outcome.run_id for outcome in outcomes if isinstance(outcome, UnchangedRun)}
        missing = {outcome.run_id for outcome in outcomes if isinstance(outcome, MissingRun)}
        for name, table in tables.TABLES.items():
            if resource := resources.get(name):
                # a run that the API no longer knows keeps its rows: only `missing_runs` is about it
                scope = accepted | missing if name == "missing_runs" else accepted
                if "fetched_at" not in table.columns:
                    scope = scope - unchanged
                resource.apply_hints(
                    table_format="delta",
                    # in a tombstone only the run's id is not null
                    columns={key: {"primary_key": True, "nullable": key != table.key[0]} for key in table.key},
                    merge_key="",
                    write_disposition=_disposition(table, scope),
                )
                if table.may_be_empty and self._lake.open(self.schemas.raw, name) is None:
                    # the first load of a table is no merge: dlt would write the tombstones as rows
                    resource.add_map(_without_tombstones)


class LakeDatabase:
    """Answers questions about the lake's tables: DuckDB reads the Delta tables that a query names."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def query(self, sql: str, parameters: Collection[Any] = ()) -> list[tuple[Any, ...]] | None:
        """Rows of a query, each parameter written as `%s`; None where one of its tables does not exist yet."""
        with self._executed(sql, parameters) as connection:
            return connection.fetchall() if connection else None

    def batches(self, sql: str, parameters: Collection[Any] = ()) -> Iterator[pa.Table]:
        """Rows of a query as Arrow tables, a batch each; parameters as of `query`."""
        import pyarrow as pa

        with self._executed(sql, parameters) as connection:
            for batch in connection.to_arrow_reader(BATCH_ROWS) if connection else ():
                yield pa.Table.from_batches([batch])

    @contextmanager
    def _executed(self, sql: str, parameters: Collection[Any]) -> Iterator[duckdb.DuckDBPyConnection | None]:
        import duckdb

        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            for schema, table in set(_QUALIFIED.findall(sql)):
                delta = self._lake.open(schema, table)
                if delta is None:
                    yield None
                    return
                connection.register(f"{schema}__{table}", delta.to_pyarrow_dataset())
            statement = _QUALIFIED.sub(r"\1__\2", sql).replace("%s", "?")
            yield connection.execute(statement, list(parameters))

    def qualified(self, schema: str) -> str:
        """The name of a schema as queries write it."""
        return schema


def _disposition(table: tables.Table, run_ids: Iterable[str]) -> Any:
    if table.replaced_by != ("run_id",):  # row by row, not all rows of a run
        return {"disposition": "merge", "strategy": "upsert"}
    scope = f"{{table}}.run_id in ({literals(run_ids).replace('{', '{{').replace('}', '}}')})"
    return {"disposition": "merge", "strategy": "cdc", "destination_scope": scope}


def _columns(delta: DeltaTable) -> str:
    def column(name: str, kind: str, *, nullable: bool) -> str:
        return f"{name} {'bigint' if kind == 'long' else kind}{'' if nullable else ' not null'}"

    return ", ".join(column(each.name, each.type.type, nullable=each.nullable) for each in delta.schema().fields)


def _without_tombstones(rows: pa.Table) -> pa.Table:
    return rows.filter(rows[tables.TOMBSTONE].is_null())
