"""Keeps a lake small: merges small files into large ones, and deletes files that only older states need.

Each load and each build writes new files. The files that they replace stay: somebody may still read them, or may ask
for an older state. The upkeep is done once a day, so its cost hardly counts. Knows no model.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from statsig_runs.schemas import Schemas
    from statsig_runs.warehouse.lake import Lake
    from statsig_runs.warehouse.loader import Loader

_EVERY: Final = timedelta(hours=23)  # a nightly sync that begins a minute earlier than the last finds it due
_DELETED_SHARE: Final = 0.2
"""A file of DuckLake is written anew once this share of its rows is deleted."""
_FILE_BYTES: Final = 16 * 2**20
"""Files of Delta tables are put together up to this size. A merge rewrites each file that has a row of its runs."""


def is_due(state: Path) -> bool:
    """Whether the last upkeep was a day ago or longer, or never, by the mark in the state folder."""
    try:
        return datetime.now(UTC) - datetime.fromtimestamp(_mark(state).stat().st_mtime, UTC) > _EVERY
    except OSError:
        return True


def note_done(state: Path) -> None:
    """Leave a mark that the upkeep was done now."""
    _mark(state).touch()


def _mark(state: Path) -> Path:
    return state / "upkeep"


def tidy_delta(lake: Lake, schemas: Schemas, keep: timedelta) -> None:
    """Look after every Delta table of a project.

    Args:
        lake: where the tables are.
        schemas: the project's schemas.
        keep: how long the files of an older state are kept, and the log of how it came to be.
    """
    hours = int(keep / timedelta(hours=1))
    for schema in schemas:
        for table in lake.tables(schema):
            delta = lake.open(schema, table)
            if delta is None:
                continue
            delta.optimize.compact(target_size=_FILE_BYTES)
            delta.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False)
            retention = {"delta.logRetentionDuration": f"interval {max(hours, 1)} hours"}
            if not retention.items() <= delta.metadata().configuration.items():
                delta.alter.set_table_properties(retention)
            delta.create_checkpoint()
            delta.cleanup_metadata()


def tidy_ducklake(loader: Loader, keep: timedelta) -> None:
    """Look after the tables of a project. Old snapshots are deleted only where the catalogue holds nothing else.

    Args:
        loader: connects to the lake.
        keep: how long snapshots are kept, and files that no snapshot needs any more.
    """
    with loader.pipeline.sql_client() as client:
        connection: Any = client.native_connection
        name: str = client.credentials.ducklake_name
        until = f"now() - interval '{keep.total_seconds():.0f} seconds'"
        owned = {*loader.schemas, client.staging_dataset_name}
        query = f"select schema_name, table_name from duckdb_tables() where database_name = '{name}'"  # noqa: S608
        tables = connection.execute(query).fetchall()
        for schema, table in tables:
            if schema in owned:
                of_table = f"'{name}', '{table}', schema => '{schema}'"
                connection.execute(f"call ducklake_merge_adjacent_files({of_table})")
                connection.execute(
                    f"call ducklake_rewrite_data_files({of_table}, delete_threshold => {_DELETED_SHARE})"
                )
        if all(schema.startswith("statsig") for schema, _ in tables):  # a snapshot is of the whole catalogue
            connection.execute(f"call ducklake_expire_snapshots('{name}', older_than => {until})")
        connection.execute(f"call ducklake_cleanup_old_files('{name}', older_than => {until})")
