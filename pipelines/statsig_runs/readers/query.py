"""`statsig-runs query`: one question in SQL to the published copy, its answer as a table, CSV, JSON or Parquet.

A question reads and does nothing else: the copy is opened read only, and DuckDB is shut off from files, other
databases, extensions and its own settings before it sees the question.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from statsig_runs.errors import ConfigurationError, StorageError
from statsig_runs.readers.display import align, cell, plain, visible
from statsig_runs.sql_text import literal

if TYPE_CHECKING:
    import duckdb

ROWS_SHOWN: Final = 10_000
"""A table's columns are as wide as their widest cell, so all its rows are in memory at once."""
_CELL_ON_TERMINAL: Final = 60
_ROWS_AT_ONCE: Final = 1000
_SHUT_OFF: Final = ("disabled by configuration", "disabled through configuration", "configuration has been locked")
"""What DuckDB says where `shut_off` forbids something."""


def shut_off(connection: duckdb.DuckDBPyConnection, output: Path | None = None) -> None:
    """Leave a connection nothing but reading what it has open; there is no way back.

    Refused from then on: COPY and EXPORT, reading a file or an address, ATTACH, INSTALL and LOAD, stored secrets, SET
    of DuckDB's settings. Temporary tables, `use` and `set variable` stay.

    Args:
        connection: of `published.reading`.
        output: the file that `write_parquet` will write.
    """
    if output:
        connection.execute(f"set allowed_paths = [{literal(str(_unfinished(output)))}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


class Answer:
    """The rows of a query, still to be read.

    Args:
        connection: of `published.reading`.
        sql: one statement or several; the rows are the last one's.

    Raises:
        ConfigurationError: DuckDB does not accept it; the text is DuckDB's own.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
        if not sql.strip():
            raise ConfigurationError('The query is empty. Try: statsig-runs query "show all tables"')
        with _explained():
            self._cursor = connection.execute(sql)
        self.columns: list[str] = [column[0] for column in self._cursor.description or ()]

    def batches(self, size: int = _ROWS_AT_ONCE) -> Iterator[list[tuple[Any, ...]]]:
        """The rows, `size` at a time.

        Raises:
            ConfigurationError: a value of a later row stops the query, such as a cast that fails.
        """
        while self.columns:
            with _explained():
                rows = self._cursor.fetchmany(size)
            if not rows:
                return
            yield rows


def write_table(answer: Answer, out: TextIO, *, limit: int = ROWS_SHOWN) -> bool:
    """Write aligned columns; cells are cut on a terminal. Returns whether these are all rows."""
    if not answer.columns:
        return True
    found = next(answer.batches(limit + 1), [])
    width = _CELL_ON_TERMINAL if out.isatty() else None
    rows = [[visible(cell(value), width) for value in row] for row in found[:limit]]
    names = [visible(name, width) for name in answer.columns]
    right = [number for number, values in enumerate(zip(*found, strict=True)) if _are_numbers(values)]
    out.writelines(f"{line}\n" for line in align([names, *rows], right=right, rule=True))
    return len(found) <= limit


def write_csv(answer: Answer, out: TextIO) -> None:
    """Write CSV with a header; null is an empty field."""
    if not answer.columns:
        return
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.columns)
    for rows in answer.batches():
        writer.writerows([[cell(value) for value in row] for row in rows])


def write_json(answer: Answer, out: TextIO) -> None:
    """Write an array of objects, one a line; a name that stands twice gets a number, as in DuckDB's Parquet."""
    names = _unique(answer.columns)
    separator = "[\n"
    for rows in answer.batches():
        for row in rows:
            values = dict(zip(names, map(plain, row), strict=True))
            out.write(separator + json.dumps(values, ensure_ascii=False, allow_nan=False))
            separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def write_parquet(connection: duckdb.DuckDBPyConnection, sql: str, file: Path) -> None:
    """Write a query's rows to a Parquet file, whole or not at all; a file of that name is replaced.

    Raises:
        ConfigurationError: DuckDB does not accept the query, or it gives no rows to write.
        StorageError: the file cannot be written; what was there before is still there.
    """
    import duckdb

    unfinished = _unfinished(file)
    if not unfinished.parent.is_dir():
        raise ConfigurationError(f"The folder {unfinished.parent} does not exist.")
    with _explained():
        relation = connection.sql(sql)
        if relation is None:
            raise ConfigurationError("The query gives no rows that a Parquet file could hold.")
        try:
            relation.write_parquet(str(unfinished), compression="zstd")
            unfinished.replace(file)
        except (OSError, duckdb.IOException) as error:
            raise StorageError(f"{file} cannot be written: {error}") from None
        finally:
            unfinished.unlink(missing_ok=True)


def _unfinished(file: Path) -> Path:
    return file.absolute().with_name(f".{file.name}.unfinished")


@contextmanager
def _explained() -> Iterator[None]:
    """DuckDB knows best what is wrong with a query; we know what it is asked of."""
    import duckdb

    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:  # Ctrl-C comes as either
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        hint = 'See what there is: statsig-runs query "show all tables"'
        if any(text in str(error) for text in _SHUT_OFF):
            hint = (
                "A query reads the published copy and nothing else. --allow-files lets it read and write files, attach "
                "databases, load extensions and change DuckDB's settings."
            )
        elif "read-only mode" in str(error):
            hint = "Queries read the published copy; only `sync`, `replay` and `transform` write."
        raise ConfigurationError(f"{error}\n{hint}") from None


def _are_numbers(values: tuple[Any, ...]) -> bool:
    return all(
        value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool)) for value in values
    )


def _unique(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return unique
