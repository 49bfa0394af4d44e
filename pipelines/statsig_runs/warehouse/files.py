"""A warehouse as the job and the readers meet it: its files on this machine, its lock, its loader, its published copy.

data/statsig_runs.duckdb                the job's file: one writer, nobody else
data/.statsig_runs/                     dlt's and dbt's working files, the lock
data/published/statsig_runs.duckdb      the copy for readers, replaced whole and at once

With another destination the job's file is not here. The copy is read from the warehouse, and the state is in a folder
for each place and project:

data/.statsig_runs/postgres-1f2e3d4c/statsig/
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final

from statsig_runs.errors import ConfigurationError, StatsigRunsError, StorageError
from statsig_runs.origin import places_of
from statsig_runs.warehouse.lock import folder_lock, waiting_lock
from statsig_runs.warehouse.published import STORAGE_VERSION, Published, name_of

if TYPE_CHECKING:
    from statsig_runs.models import Mart
    from statsig_runs.schemas import Schemas
    from statsig_runs.warehouse.destination import Destination
    from statsig_runs.warehouse.loader import Loader
    from statsig_runs.warehouse.window import Window

log = logging.getLogger(__name__)

_DUCKDBS_OWN: Final = frozenset({"temp", "system", "main", "memory", "information_schema", "pg_catalog"})
_UNUSABLE_IN_NAMES: Final = frozenset("'\";")
_UNUSABLE_IN_PATHS: Final = frozenset("?#")
_HEALING: Final = "A damaged file does not heal by itself."


class Warehouse:
    """One project's data in one destination. Nothing is created before `prepare`.

    Args:
        database: the DuckDB file as an absolute path; it names the folder of the state with any destination.
        schemas: the project's schemas.
        destination: where the data goes.

    Raises:
        ConfigurationError: the database has a name that makes its queries ambiguous.
    """

    def __init__(self, database: Path, schemas: Schemas, destination: Destination) -> None:
        self.database = database
        self.schemas = schemas
        self.destination = destination
        self.folder = self.state = database.parent / f".{name_of(database)}"
        self.published = Published(database)
        _check_name(database, schemas)
        if not destination.file:
            self.state = self.state / destination.key / schemas.marts

    @contextmanager
    def writing(self) -> Iterator[Loader]:
        """Hold the only right to write, and give the loader, with what a killed load left behind repaired.

        Raises:
            AlreadyRunningError: another process holds that right.
            StorageError: the folder, the database or the destination cannot be written.
        """
        with self.locked():
            loader = self.destination.loader(self.schemas, self.state)
            loader.repair()
            yield loader

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the only right to write, with the files prepared; errors as of `writing`."""
        with ExitStack() as held:
            try:
                held.enter_context(folder_lock(self.state, self.destination.place))
            except OSError as error:
                raise self._storage_error(error) from None
            held.enter_context(self.destination.locked(self.schemas))
            self.prepare()
            try:
                yield
            except StatsigRunsError as error:
                raise self.advise(error) from None

    def prepare(self) -> None:
        """Create what is missing: the folders, and an empty database that DuckDB 1.4 and later open.

        A database that was there and is gone is made from the published copy. Only who holds the lock may call this.

        Raises:
            StorageError: the folder cannot be written, or the file is not a DuckDB database or is in use.
        """
        import duckdb

        try:
            self.state.mkdir(parents=True, exist_ok=True)
            if not self.destination.file:
                return
            self.published.file.parent.mkdir(parents=True, exist_ok=True)
            if not self.database.exists():
                self._begin(self.published)
            # opened in any case: a file in use or damaged is better found now than after an hour of fetching
            duckdb.connect(str(self.database), config={"storage_compatibility_version": STORAGE_VERSION}).close()
        except (OSError, duckdb.Error) as error:
            raise self._storage_error(error) from None

    def _begin(self, published: Published) -> None:
        """Prepare for a database that is not there: a lost one is made from the published copy, a first one is empty.

        It was lost if there is a copy. Statsig no longer lists old runs, so only the copy has them. A sync that began
        with an empty database would publish over it.

        Raises:
            StorageError: the copy is damaged.
        """
        if is_restored := published.file.exists() and not places_of(published.file):
            if damage := published.find_damage():
                raise StorageError(
                    f"{self.database} is gone, and the published copy {published.file} is damaged: {damage}\n"
                    f"Nothing was changed. {_without_both(self.database, published)}"
                )
            log.warning("%s is gone; going on from the published copy %s", self.database, published.file)
        # they say how far the lost database was: further than the copy is, and what lies between would never be read
        for folder in ("pipelines", "dbt"):
            shutil.rmtree(self.state / folder, ignore_errors=True)
        if is_restored:
            published.restore()

    def window(self, marts: Mapping[str, Mart], loader: Loader, days: float) -> Window | None:
        """What is to be published of a warehouse elsewhere; None for the job's own file, which is published whole.

        Args:
            marts: the marts as they were built.
            loader: reads from the warehouse.
            days: how many days of runs and messages are copied.
        """
        if self.destination.file:
            return None
        from statsig_runs.warehouse.window import (
            Window,  # with all that a sync needs: too much for a reader to wait for
        )

        return Window(loader, marts, self.destination.name, self.destination.place, days)

    def publish(self, window: Window | None = None) -> None:
        """Put the new copy before the readers: what `window` gave, or the job's own file.

        Raises:
            StorageError: the warehouse could not be read or the copy not be written; the last one is still there.
        """
        if window is None:
            self.published.publish()
            return
        try:
            with waiting_lock(self.folder):
                self.published.publish(partial(window.write, earlier=self.published.file), self.destination.place)
        except OSError as error:
            raise self._storage_error(error) from None

    def tidy(self, loader: Loader, days: float) -> None:
        """Once a day, keep a lake small. What fails is told and tried again: the data is loaded and published.

        Args:
            loader: writes to the warehouse.
            days: how long older states of the tables are kept; below 0 for ever.
        """
        from statsig_runs.warehouse.upkeep import is_due, note_done

        if not self.destination.tidy or days < 0 or not is_due(self.state):
            return
        try:
            self.destination.tidy(loader, timedelta(days=days))
            note_done(self.state)
        except Exception as error:  # noqa: BLE001  a writer of another project may have been at it
            log.warning("%s could not be tidied up; the next sync tries again: %s", self.destination.place, error)

    @property
    def report(self) -> Path:
        """The page for people, beside the copy; each project that shares the copy has its own."""
        return self._page(".html")

    @property
    def docs(self) -> Path:
        """The page with the models' documentation."""
        return self._page(".docs.html")

    @property
    def told(self) -> Path:
        """What `check --notify` has told of this project."""
        return self.state / f"told{self.schemas.suffix}.json"

    def _page(self, ending: str) -> Path:
        of_project = f".{self.schemas.marts}" if self.schemas.suffix else ""
        return self.published.file.with_name(f"{name_of(self.database)}{of_project}{ending}")

    @property
    def readers_place(self) -> str:
        """Where people find the marts: the published copy, and of a warehouse elsewhere its schema."""
        if self.destination.file:
            return str(self.published.file)
        return f"{self.published.file}, and whole in {self.destination.place}, schema {self.schemas.marts}"

    def advise(self, error: StatsigRunsError) -> StatsigRunsError:
        """The error, and where the job's own file is damaged what to do about it: it does not heal by itself."""
        told = str(error)
        is_damage = "not a valid DuckDB" in told or "Corrupt database" in told
        if not self.destination.file or _HEALING in told or not is_damage:
            return error
        return StorageError(f"{told}\n{_HEALING} {self._without_database(self.published)}")

    def _storage_error(self, error: Exception) -> StatsigRunsError:
        """Say what a database or file error means for the user."""
        text = str(error)
        if not self.destination.file:
            return StorageError(f"The folder of the job's state cannot be written: {text}\nNothing was changed.")
        if "Could not set lock" in text:
            return StorageError(
                f"{self.database} is open in another program, so nothing was changed. Close it there; to read while "
                f"syncs run, open the published copy instead:\n  duckdb -readonly {quote(str(self.published.file))}\n"
                f"{text}"
            )
        return self.advise(
            StorageError(
                f"{self.database} cannot be written: {text}\nWhat was loaded before is kept. Check free space and "
                f"permissions of {self.database.parent}, then run the same command again."
            )
        )

    def _without_database(self, published: Published) -> str:
        if not published.file.exists():
            return f"Nothing was published of it yet. To begin anew, move it away:\n{_moving(self.database)}"
        if damage := published.find_damage():
            return f"The published copy is damaged as well: {damage}\n{_without_both(self.database, published)}"
        return (
            "Move it away, and the next sync goes on from the published copy, which holds everything that was "
            f"published:\n{_moving(self.database)}"
        )


def _without_both(database: Path, published: Published) -> str:
    return (
        f"Move away what is damaged:\n{_moving(database, published.file)}\nIf you have a backup, put it at "
        f"{published.file}: the next sync goes on from it. Without one the next sync begins anew, with what Statsig "
        "still lists; `statsig-runs replay --from` brings back what you keep in an archive."
    )


def _moving(*files: Path) -> str:
    """Commands that move away databases that are damaged, with the logs beside them."""
    logs = [file.with_name(f"{file.name}.wal") for file in files]
    paths = [path for path in (*files, *logs) if path.exists()]
    return "\n".join(f"  mv {quote(str(path))} {quote(f'{path}.damaged')}" for path in paths)


def _check_name(database: Path, schemas: Schemas) -> None:
    """Refuse what DuckDB or the models would stumble over later.

    Raises:
        ConfigurationError: the file cannot have this name, or be in this folder.
    """
    path = str(database)
    name = database.name.lstrip(".").split(".")[0]  # of the database in the file, as DuckDB has it
    if name.lower() in schemas:
        problem = f"A database named {name!r} would share its name with one of its schemas"
    elif name.lower() in _DUCKDBS_OWN:
        problem = f"DuckDB has a database or a schema of its own that is named {name!r}"
    elif not _UNUSABLE_IN_NAMES.isdisjoint(name):
        problem = f"The models cannot use a database named {name!r}, for its quotes or semicolons"
    elif not _UNUSABLE_IN_PATHS.isdisjoint(path):
        problem = f"DuckDB and dbt take a ? or # in {path} for the end of the path"
    elif not _is_text(path):
        problem = f"The path {path!r} is not text in UTF-8"
    else:
        return
    raise ConfigurationError(f"{problem}. Choose another --database, such as data/statsig_runs.duckdb.")


def _is_text(path: str) -> bool:
    try:
        return bool(path.encode())
    except UnicodeEncodeError:
        return False
