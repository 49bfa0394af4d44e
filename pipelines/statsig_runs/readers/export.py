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

if TYPE_CHECKING:
    import duckdb

MANIFEST: Final = "manifest.json"
_GENERATOR: Final = "statsig-runs"
_WRITTEN_AS: Final = {
    "parquet": "format parquet, compression zstd",
    "csv": "format csv, header, timestampformat '%Y-%m-%dT%H:%M:%S.%gZ'",
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
        file_format: `parquet` or `csv`. CSV has a header; null is an empty field, an empty text is `""`.
        now: when this happens, by default now.

    Returns:
        The content of `manifest.json`: `generator`, `version`, `written_at`, `as_of` (the newest fetch; null without
        runs), `format`, and `tables`, each with `name`, `file`, `rows` and `columns` (`name`, `type`).

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
    target = str(file).replace("'", "''")
    [(rows,)] = connection.execute(f"copy {table} to '{target}' ({_WRITTEN_AS[file_format]})").fetchall()
    columns = fetch_rows(connection, f"select column_name as name, column_type as type from (describe {table})")  # noqa: S608  names of ours
    return {"name": name, "file": file.name, "rows": rows, "columns": columns}


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
