"""Where the data lives: the batch job's own DuckDB file, its state, its lock, and the published copy that people read.

data/statsig_runs.duckdb                the job's file: one writer, nobody else
data/.statsig_runs/                     dlt's and dbt's working files, the lock
data/published/statsig_runs.duckdb      the copy for readers, replaced whole and at once

With another destination than the file only the state is here, in a folder for each place and project:

data/.statsig_runs/postgres-1f2e3d4c/statsig/
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final, NamedTuple

from statsig_runs.errors import AlreadyRunningError, ConfigurationError, StorageError
from statsig_runs.warehouse.destinations import Destination, local_file

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

STORAGE_VERSION: Final = "v1.4.0"
"""The oldest DuckDB that opens the files; a file keeps the version that it was created with."""


class Schemas(NamedTuple):
    """The schemas of one Statsig project; several projects in one warehouse differ by a suffix."""

    raw: str
    staging: str
    marts: str

    @classmethod
    def of_project(cls, project: str = "") -> Schemas:
        """The schemas of a project; the empty name is that of the only one."""
        suffix = f"_{project.lower()}" if project else ""
        return cls(f"statsig_raw{suffix}", f"statsig_staging{suffix}", f"statsig{suffix}")

    @property
    def suffix(self) -> str:
        """What tells this project's names from others', empty for the only one."""
        return self.marts.removeprefix("statsig")


class Warehouse:
    """The files of one database. Nothing is created before `prepare`.

    Args:
        database: the DuckDB file, which names the folder of the state with any destination.
        schemas: the project's schemas.
        destination: where the data goes; the DuckDB file unless another is given.
    """

    def __init__(self, database: Path, schemas: Schemas | None = None, destination: Destination | None = None) -> None:
        self.database = database.absolute()
        self.schemas = schemas or Schemas.of_project()
        self.destination = destination or local_file(self.database)
        self.state = self.database.parent / f".{self.database.stem}"
        self.published = self.database.parent / "published" / self.database.name
        if not self.destination.is_local_file:
            self.state = self.state / self.destination.key / self.schemas.marts
        elif self.database.stem.lower() in self.schemas:
            raise ConfigurationError(
                f"A database named {self.database.stem!r} would share its name with one of its schemas, which makes "
                "every query ambiguous. Choose another file name, such as statsig_runs.duckdb."
            )

    def prepare(self) -> None:
        """Create the folders and an empty database that DuckDB 1.4 and later open; what exists is left as it is.

        A database that was lost is taken back from the published copy. To be called under the lock.

        Raises:
            StorageError: the folder cannot be written, or the file is not a DuckDB database or is in use.
        """
        import duckdb

        try:
            self.state.mkdir(parents=True, exist_ok=True)
            if not self.destination.is_local_file:
                return
            self.published.parent.mkdir(parents=True, exist_ok=True)
            if self.published.exists() and not self.database.exists():
                self._restore()
            # opened in any case: a file in use or damaged is better found now than after an hour of fetching
            duckdb.connect(str(self.database), config={"storage_compatibility_version": STORAGE_VERSION}).close()
        except (OSError, duckdb.Error) as error:
            raise self.storage_error(error) from None

    def _restore(self) -> None:
        """Nothing else holds what Statsig no longer lists, and the next publication would replace it."""
        log.warning("%s is gone; going on from the published copy %s", self.database, self.published)
        for folder in ("pipelines", "dbt"):  # what they know is newer than the copy, and would leave a gap
            shutil.rmtree(self.state / folder, ignore_errors=True)
        self.database.with_name(f"{self.database.name}.wal").unlink(missing_ok=True)
        draft = self.database.with_suffix(".draft")
        try:
            shutil.copyfile(self.published, draft)
            draft.replace(self.database)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the only right to write. The kernel frees the lock of a process that dies.

        Raises:
            AlreadyRunningError: another process holds it; the text names its pid and since when.
            StorageError: the lock file cannot be written.
        """
        from filelock import FileLock, Timeout

        holder = self.state / "lock.json"
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.state / "lock")
            lock.acquire(timeout=0)
        except Timeout:
            raise AlreadyRunningError(
                f"Another statsig-runs works on {self.destination.place}{_describe_holder(holder)}. "
                "Nothing was changed; try again when it is done."
            ) from None
        except OSError as error:
            raise self.storage_error(error) from None
        try:
            holder.write_text(json.dumps({"pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()}))
            yield
        except OSError as error:
            if error.filename and Path(error.filename) == holder:
                raise self.storage_error(error) from None
            raise
        finally:
            lock.release()

    def publish(self) -> None:
        """Replace the published copy by the database as it is now; readers of the old one keep it.

        Raises:
            ConfigurationError: this destination has no published copy.
            StorageError: the copy could not be written; the last one is still there.
        """
        import duckdb

        self.destination.require_published()
        draft = self.published.with_suffix(".draft")
        try:
            with duckdb.connect(str(self.database)) as connection:
                connection.execute("checkpoint")  # a copy made while a WAL exists loses the WAL's rows
            shutil.copyfile(self.database, draft)
            with draft.open("rb+") as written:
                os.fsync(written.fileno())
            draft.replace(self.published)
        except (OSError, duckdb.Error) as error:
            draft.unlink(missing_ok=True)
            raise StorageError(
                f"The new data could not be published: {error}. It is loaded in {self.database}; readers still have "
                "the last good copy. Free some space or mend the folder's permissions, then sync again."
            ) from None

    @property
    def readers_place(self) -> str:
        """Where people find the marts: the published copy, or a schema of the warehouse."""
        if self.destination.is_local_file:
            return str(self.published)
        return f"{self.destination.place}, schema {self.schemas.marts}"

    def read_published(self) -> duckdb.DuckDBPyConnection:
        """Open the published copy to read, with the session in UTC.

        Raises:
            ConfigurationError: nothing was published yet, or nothing ever is with this destination.
        """
        import duckdb

        self.destination.require_published()

        if not self.published.exists():
            raise ConfigurationError(
                f"Nothing has been published at {self.published} yet. Run `statsig-runs sync` first, or name the "
                "database with --database."
            )
        connection = duckdb.connect(str(self.published), read_only=True)
        connection.execute("set timezone = 'UTC'")
        return connection

    def storage_error(self, error: Exception) -> StorageError:
        """Say what a database or file error means for the user."""
        text = str(error)
        if not self.destination.is_local_file:
            return StorageError(f"The folder of the job's state cannot be written: {text}\nNothing was changed.")
        if "Could not set lock" in text:
            return StorageError(
                f"{self.database} is open in another program, so nothing was changed. Close it there; to read while "
                f"syncs run, open the published copy {self.published} instead.\n{text}"
            )
        told = (
            f"{self.database} cannot be written: {text}\nWhat was loaded before is kept. Check free space and "
            f"permissions of {self.database.parent}, then run the same command again."
        )
        if ("not a valid DuckDB" in text or "Corrupt database" in text) and self.published.exists():
            told += (
                "\nA damaged file does not heal by itself. Remove it, and the next sync goes on from the published "
                f"copy, which holds everything that was published:\n  rm {quote(str(self.database))}*"
            )
        return StorageError(told)


def _describe_holder(file: Path) -> str:
    try:
        holder = json.loads(file.read_text())
        return f": pid {int(holder['pid'])}, since {holder['started_at']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
