"""`statsig-runs export`: every mart as one file in a folder, whole or not at all, with a manifest of what it holds."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.readers.display import plain, visible
from statsig_runs.readers.published import fetch_rows, newest_fetch
from statsig_runs.sql_text import literal

if TYPE_CHECKING:
    import duckdb

MANIFEST: Final = "manifest.json"
_GENERATOR: Final = "statsig-runs"
_WRITTEN_AS: Final = {
    "parquet": "format parquet, compression zstd",
    # in UTC, as spreadsheets read a time: a `T` or a `Z` in it makes a text of it
    "csv": "format csv, header, timestampformat '%Y-%m-%d %H:%M:%S.%g'",
}


def export_marts(
    connection: duckdb.DuckDBPyConnection,
    marts_schema: str,
    folder: Path,
    file_format: str,
    *,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Write every mart into `folder`, which is created, or replaced when it holds an earlier export and nothing else.

    The files are written beside the folder first; then the two change places. Between the two renames of that there is
    a moment without a folder of this name.

    Args:
        connection: of `published.reading`.
        marts_schema: the schema whose tables and views are written.
        folder: where the files go.
        file_format: `parquet` or `csv`. CSV has a header and its moments are in UTC; null is an empty field, an empty
            text is `""`. Parquet holds what a mart and its columns mean as metadata: `description`, and `columns`, a
            JSON object of descriptions by name.
        now: when this happens, by default now.

    Returns:
        The content of `manifest.json`: `generator`, `version`, `written_at`, `as_of` (the newest fetch; null without
        runs), `format`, `time_zone`, and `tables`, each with `name`, `file`, `rows`, `description` and `columns`
        (`name`, `type`, `description`).

    Raises:
        ConfigurationError: there is something else of that name.
        StorageError: a file could not be written; the folder is as it was.
    """
    import duckdb

    folder = folder.resolve()
    _check_replaceable(folder)
    manifest = {
        "generator": _GENERATOR,
        "version": version(_GENERATOR),
        "written_at": plain(now or datetime.now(UTC)),
        "as_of": plain(newest_fetch(connection)),
        "format": file_format,
        "time_zone": "UTC",
    }
    draft = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".unfinished", dir=folder.parent))
        manifest["tables"] = [
            _write(connection, marts_schema, name, draft, file_format) for name in _marts(connection, marts_schema)
        ]
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.chmod(0o777 & ~_umask())  # mkdtemp's folders are for their owner only
        _put_in_place(draft, folder)
    except (OSError, duckdb.Error) as error:
        raise StorageError(
            f"The export to {folder} failed: {error}\nWhat was there before is unchanged. A folder that is mounted "
            "cannot be replaced: name one inside it."
        ) from None
    finally:
        if draft:
            shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _marts(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    found = fetch_rows(
        connection,
        "select table_name from information_schema.tables where table_schema = ? order by table_name",
        [schema],
    )
    return [row["table_name"] for row in found]


def _write(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str, draft: Path, file_format: str
) -> dict[str, Any]:
    table = f'"{schema}"."{name}"'
    file = draft / f"{name}.{file_format}"
    columns = fetch_rows(connection, _COLUMNS, [schema, name])
    [described] = fetch_rows(connection, _DESCRIPTION, [schema, name] * 2)
    written_as = _WRITTEN_AS[file_format]
    if file_format == "parquet":
        of_columns = json.dumps({column["name"]: column["description"] for column in columns}, ensure_ascii=False)
        metadata = {"description": described["description"], "columns": of_columns}
        written_as += f", kv_metadata {{{', '.join(f'{key}: {literal(text)}' for key, text in metadata.items())}}}"
    [(rows,)] = connection.execute(f"copy {table} to {literal(str(file))} ({written_as})").fetchall()
    return {"name": name, "file": file.name, "rows": rows, **described, "columns": columns}


_COLUMNS: Final = """
    select column_name as name, data_type as type, coalesce(comment, '') as description
    from duckdb_columns() where schema_name = ? and table_name = ? order by column_index
"""
_DESCRIPTION: Final = """
    select coalesce(comment, '') as description from duckdb_tables() where schema_name = ? and table_name = ?
    union all
    select coalesce(comment, '') from duckdb_views() where schema_name = ? and view_name = ?
"""


def _check_replaceable(folder: Path) -> None:
    """Nothing is deleted but what an earlier export wrote."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file; name a folder for the export.")
    try:
        present = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {error.strerror}.") from None
    foreign = sorted(present - _files_of_export(folder))
    if foreign:
        raise ConfigurationError(
            f"{folder} holds {visible(foreign[0], 60)!r}, which no export wrote, so it is not replaced. Name a new "
            "folder, an empty one, or that of an earlier export."
        )


def _files_of_export(folder: Path) -> set[str]:
    """The files that an earlier export left in a folder, by its manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["generator"] != _GENERATOR:
            return set()
        return {MANIFEST, *(str(table["file"]) for table in manifest["tables"])}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _put_in_place(draft: Path, folder: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    earlier = draft.with_suffix(".earlier")
    folder.rename(earlier)
    try:
        draft.rename(folder)
    except OSError:
        earlier.rename(folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
