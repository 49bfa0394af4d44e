"""The published copy: one DuckDB file with marts and raw tables, which people read while the next sync works.

It is in the folder `published` beside the database and has its name. It is replaced whole and at once, and whoever has
the old one open keeps it. This module writes it, opens it, names it and takes a lost database back from it. What only
the next build needs is not in it: from a database without that, it builds all runs anew.

DuckDB opens a file to write unless it is told not to. Somebody who does that to the copy locks all others out, and what
is written stands in a log beside it (`statsig_runs.duckdb.wal`). The log belongs to that version alone: beside the next
one it makes every open fail. So nobody may write into the copy, a publication takes such a log away, and our own
commands read a private copy where somebody is in their way all the same: root may write into any file.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.schemas import is_for_readers
from statsig_runs.whole_files import remove_unfinished, replacing

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

STORAGE_VERSION: Final = "v1.4.0"
"""The oldest DuckDB that opens the files; a file keeps the version that it was created with."""


def name_of(database: Path) -> str:
    """What other files of a database are named after: two databases in one folder share none of them."""
    if database.suffix == ".duckdb":
        return database.stem
    return database.name if database.suffix else f"{database.name}.file"


class Published:
    """The copy of the job's own DuckDB file, or of a warehouse elsewhere.

    Args:
        database: the job's file, as an absolute path; with a warehouse elsewhere it only names the copy.
    """

    def __init__(self, database: Path) -> None:
        self.database = database
        self.file = database.parent / "published" / database.name
        self._log = self.file.with_name(f"{self.file.name}.wal")

    def publish(self, write: Callable[[Path], None] | None = None, loaded_in: str = "") -> None:
        """Replace the copy, and open it once. To be called under the lock.

        Args:
            write: writes the new copy to a path; without it, it is the copy of the job's own file.
            loaded_in: where the data is, for people, when that is elsewhere.

        Raises:
            StorageError: the copy could not be written, or not be read; the last one is still there.
        """
        import duckdb

        try:
            remove_unfinished(self.file)
            with replacing(self.file, read_only=True) as draft:
                (write or self._copy_database)(draft)
                _look_into(draft)
                self._log.unlink(missing_ok=True)
            self._look_into_published()
        except (OSError, duckdb.Error) as error:
            raise StorageError(
                f"The new data could not be published: {error}. It is loaded in {loaded_in or self.database}; readers "
                "still have the last good copy. Free some space or mend the folder's permissions, then sync again."
            ) from None

    def _copy_database(self, draft: Path) -> None:
        import duckdb

        with duckdb.connect(str(self.database)) as connection:
            connection.execute("checkpoint")  # a copy made while a WAL exists loses the WAL's rows
        shutil.copyfile(self.database, draft)
        _tidy(draft)

    def _look_into_published(self) -> None:
        """Read the new copy's catalogue. Whoever has the last copy open to write may have written its log again."""
        import duckdb

        try:
            _look_into(self.file)
        except duckdb.Error as error:
            if _is_locked(error):  # by somebody who was quicker than we are; what is in the file is known to be good
                return
            self._log.unlink(missing_ok=True)
            _look_into(self.file)

    def find_damage(self) -> str:
        """What is wrong with the copy, in DuckDB's words; nothing where every row of it can be read."""
        return find_damage(self.open)

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
            duckdb.Error: the copy is damaged, or may not be read.
            OSError: somebody has it open to write, and there is no room for a private copy.
        """
        import duckdb

        if not self.file.exists():
            raise ConfigurationError(
                f"Nothing has been published at {self.file} yet. Run `statsig-runs sync` first, or name the "
                "database with --database."
            )
        try:
            connection = duckdb.connect(str(self.file), read_only=True)
        except duckdb.Error as error:
            if not (_is_locked(error) or self._log.exists()):
                raise
            log.warning(
                "%s is open to write in another program, or was: reading it as it was published. Others cannot open it "
                "until it is closed there or a sync has published again. Open it read only: duckdb -readonly. %s",
                self.file,
                error,
            )
            connection = self._open_aside()
        connection.execute("set timezone = 'UTC'")
        return connection

    def _open_aside(self) -> duckdb.DuckDBPyConnection:
        """Open a private copy, of the file alone. Its name can go at once: DuckDB keeps the file open."""
        import duckdb

        with tempfile.TemporaryDirectory(prefix="statsig-runs-") as folder:
            aside = Path(folder) / self.file.name
            shutil.copyfile(self.file, aside)
            return duckdb.connect(str(aside), read_only=True)


def find_damage(connect: Callable[[], duckdb.DuckDBPyConnection]) -> str:
    """What is wrong with a DuckDB file, in its words; nothing where every row of it can be read."""
    import duckdb

    try:
        with connect() as connection:
            tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in tables:
                connection.execute(f'select max(hash(rows)) from "{schema}"."{table}" as rows').fetchall()  # noqa: S608
    except (OSError, duckdb.Error) as error:
        return str(error)
    return ""


def _tidy(file: Path) -> None:
    """Drop what only the next build and the next load need: in a BI tool's list it is most of the relations."""
    import duckdb

    with duckdb.connect(str(file)) as connection:
        schemas = connection.execute("select schema_name from duckdb_schemas() where not internal").fetchall()
        for (schema,) in schemas:
            if not is_for_readers(schema):
                connection.execute(f'drop schema "{schema}" cascade')
        connection.execute("checkpoint")


def _look_into(file: Path) -> None:
    """Read a database's catalogue once; what cannot be read now would fail for every reader."""
    import duckdb

    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("select count(*) from duckdb_tables()").fetchall()


def _is_locked(error: duckdb.Error) -> bool:
    return "Could not set lock" in str(error)
