"""The published copy: one DuckDB file with marts and raw tables, which people read while the next sync works.

It is in the folder `published` beside the database and has its name. It is replaced whole and at once, and whoever has
the old one open keeps it. This module writes it, opens it, names it and takes a lost database back from it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.whole_files import remove_unfinished, replacing

if TYPE_CHECKING:
    import duckdb


def folder_for_readers(database: Path) -> Path:
    """Where all that people read of a database is."""
    return database.parent / "published"


class Published:
    """The copy of the job's own DuckDB file.

    Args:
        database: the job's file, as an absolute path.
    """

    def __init__(self, database: Path) -> None:
        self.database = database
        self.file = folder_for_readers(database) / database.name

    @property
    def report(self) -> Path:
        """The page for people, beside the copy."""
        return self.file.with_name("report.html")

    def publish(self) -> None:
        """Replace the copy by the database as it is now. To be called under the lock.

        Raises:
            StorageError: the copy could not be written; the last one is still there.
        """
        import duckdb

        try:
            with duckdb.connect(str(self.database)) as connection:
                connection.execute("checkpoint")  # a copy made while a WAL exists loses the WAL's rows
            remove_unfinished(self.file)
            with replacing(self.file) as draft:
                shutil.copyfile(self.database, draft)
        except (OSError, duckdb.Error) as error:
            raise StorageError(
                f"The new data could not be published: {error}. It is loaded in {self.database}; readers still have "
                "the last good copy. Free some space or mend the folder's permissions, then sync again."
            ) from None

    def restore(self) -> None:
        """Make the database anew from the copy, which stays.

        Raises:
            OSError: the database cannot be written.
        """
        self.database.with_name(f"{self.database.name}.wal").unlink(missing_ok=True)  # of the file that is lost
        with replacing(self.database) as draft:
            shutil.copyfile(self.file, draft)

    def open(self) -> duckdb.DuckDBPyConnection:
        """Open the copy to read, with the session in UTC.

        Raises:
            ConfigurationError: nothing was published yet.
            duckdb.Error: the copy is damaged.
        """
        import duckdb

        if not self.file.exists():
            raise ConfigurationError(
                f"Nothing has been published at {self.file} yet. Run `statsig-runs sync` first, or name the "
                "database with --database."
            )
        connection = duckdb.connect(str(self.file), read_only=True)
        connection.execute("set timezone = 'UTC'")
        return connection
