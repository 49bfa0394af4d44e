"""Brings the marts up to a fetch that found every run as it was, without dbt.

Such a fetch moves the moment that the marts are as of, and nothing else. `fetched_at` of the runs that were read again
moves with it. The marts with the tag `as_of_newest_fetch` are filled anew, by the SQL that dbt made of their models for
the last build. Two questions tell that nothing else has changed: the view `int_outdated_runs` finds no run, and the
reports count every message. Knows no dbt: what it needs of a build is kept in a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from uuid import uuid4

import msgspec

from statsig_runs.kept import keep, read_kept
from statsig_runs.models.manifest import hashes_of
from statsig_runs.packaged import packaged

AS_OF_NEWEST_FETCH: Final = "as_of_newest_fetch"
"""The tag of the models whose rows depend on when a run was read last, though no run has changed."""

MESSAGES_TEST: Final = "assert_reports_count_every_message_once"
"""The test whose query gives a row where a message is not counted."""

RELATIONS: Final = ("int_run_states", "int_outdated_runs", "int_modelled_runs", "int_built_runs", "fct_runs")
"""The models that a renewal reads or updates itself; `int_built_runs` is not there for every engine."""

_FILE: Final = "renewal"


class Mart(NamedTuple):
    """A mart that was built: what it means, and of each column its type on the engine and what it means.

    `is_by_run` says that a build writes the rows of single runs, and leaves all others as they are.
    """

    meaning: str
    columns: dict[str, tuple[str, str]]
    is_by_run: bool


class Renewed(NamedTuple):
    """A mart to fill anew: its relation, its columns, and the query that gives its rows."""

    relation: str
    columns: tuple[str, ...]
    query: str


class Renewal(msgspec.Struct, frozen=True):
    """What is needed of a finished build.

    `relations` has the names of `RELATIONS` on the engine, by the names of their models. `unread` is the query of
    `MESSAGES_TEST`. `renewed` stand in the order in which they are built. `marts` are all marts.
    """

    relations: dict[str, str]
    unread: str
    renewed: list[Renewed]
    marts: dict[str, Mart]


class Database(Protocol):
    """The warehouse, with every name that a build uses."""

    def query(self, sql: str, parameters: Collection[Any] = ()) -> list[tuple[Any, ...]] | None:
        """Rows of a query; None where one of its tables does not exist."""

    def execute(self, sql: str, parameters: Collection[Any] = ()) -> None:
        """Run a statement."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commit what is executed inside when it is left without an error, and nothing of it otherwise."""


def take_renewal(state: Path, place: str, variables: Mapping[str, Any]) -> Renewal | None:
    """What the last build kept in this folder, which has it no longer; None if that was of another project or code.

    A process that changes what is loaded takes it first: if it is killed, the next one builds.

    Args:
        state: the folder for dbt's working files.
        place: where the tables are.
        variables: those of `dbt_project.yml`.
    """
    content = read_kept(state / _FILE, _key(place, variables))
    with suppress(FileNotFoundError):
        (state / _FILE).unlink()
    return msgspec.json.decode(content, type=Renewal) if content else None


def keep_renewal(renewal: Renewal, state: Path, place: str, variables: Mapping[str, Any]) -> None:
    """Keep what a build, or a renewal of it, has left; arguments as of `take_renewal`."""
    keep(state / _FILE, _key(place, variables), msgspec.json.encode(renewal))


def _key(place: str, variables: Mapping[str, Any]) -> str:
    made_of = [hashes_of(packaged("sql")), place, variables]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def renew(renewal: Renewal, database: Database) -> bool:
    """Bring the marts up to the newest fetch, if it found all as it was; in one transaction.

    Returns:
        Whether they are; where something else has changed, nothing was done.
    """
    named = renewal.relations
    outdated = database.query(f"select run_id from {named['int_outdated_runs']} limit 1")  # noqa: S608  names of models
    if outdated is None or outdated or database.query(renewal.unread) != []:
        return False
    with database.transaction():
        for statement in _statements(renewal):
            database.execute(statement)
    return True


def _statements(renewal: Renewal) -> Iterator[str]:
    named = renewal.relations
    states = f"{named['int_run_states']} as states"
    is_read_again = "modelled.run_id = states.run_id and modelled.fetched_at <> states.fetched_at"
    if "int_built_runs" in named:  # a copy of the marts reads again what has another id
        again = f"select states.run_id from {named['fct_runs']} as modelled inner join {states} on {is_read_again}"  # noqa: S608
        yield f"update {named['int_built_runs']} set build_id = '{uuid4()}' where run_id in ({again})"  # noqa: S608
    moments = {"fct_runs": ("fetched_at",), "int_modelled_runs": ("fetched_at", "newest_payload_at")}
    for model, columns in moments.items():
        moved = ", ".join(f"{column} = states.{column}" for column in columns)
        yield f"update {named[model]} as modelled set {moved} from {states} where {is_read_again}"  # noqa: S608
    for mart in renewal.renewed:
        names = ", ".join(mart.columns)
        yield f"delete from {mart.relation}"  # noqa: S608
        yield f"insert into {mart.relation} ({names}) select {names} from ({mart.query}) as renewed"  # noqa: S608
