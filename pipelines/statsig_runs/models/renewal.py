"""Brings the marts up to a fetch that changed nothing, or little, without dbt: its start alone takes seconds.

A build leaves behind what dbt has made of the models: for each table a *step*, which deletes what is made anew and
inserts it again, and for each data test a *check*, a query that gives a row for what is wrong. Both are SQL of the
project; nothing here knows what it says.

Where nothing has changed, `fetched_at` of the runs that were read again moves, and the marts with the tag
`as_of_newest_fetch` are filled anew. The view `int_differing_runs` tells which runs were read again or have changed,
`int_outdated_runs` which of them a build has to make, and one of the checks whether a message is not counted yet. Where
few runs have to be made, all steps are taken, as a build would, and all checks are made. Either is one transaction.
Knows no dbt: what it needs of a build is kept in a file.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from uuid import uuid4

import msgspec

from statsig_runs.errors import StorageError
from statsig_runs.kept import keep, read_kept
from statsig_runs.models.manifest import hashes_of
from statsig_runs.packaged import packaged
from statsig_runs.sql_text import literals

AS_OF_NEWEST_FETCH: Final = "as_of_newest_fetch"
"""The tag of the models whose rows change with the time of the newest fetch, even when no run has changed."""

BUILD_ID: Final = "{build id}"
"""Stands in a step's query for the id of the build, which is another one each time."""

FEW: Final = 1_000
"""More changed runs than this are left to dbt, which commits each table: then its start does not matter."""

MESSAGES_CHECK: Final = "assert_reports_count_every_message_once"
"""The check that gives a row where a message is not counted."""

RELATIONS: Final = ("int_differing_runs", "int_modelled_runs", "int_built_runs", "fct_runs")
"""The models that a renewal reads or updates itself; `int_built_runs` is not there for every engine."""

_DIFFERING: Final = "renewed_runs"
"""A temporary table with the rows of `int_differing_runs`: these are found once, by a look at all runs."""

_CHANGED: Final = "int_changed_runs"
"""The table of the changed runs, whose rows a renewal takes from that temporary table."""

_FILE: Final = "renewal"

log = logging.getLogger(__name__)


class Mart(NamedTuple):
    """A mart that was built: what it means, and of each column its type on the engine and what it means.

    `is_by_run` says that a build writes the rows of single runs, and leaves all others as they are.
    """

    meaning: str
    columns: dict[str, tuple[str, str]]
    is_by_run: bool


class Step(NamedTuple):
    """How a table is brought up to date: a statement that deletes the old rows, and a query that gives the new ones.

    The statement is None where the last build made the whole of a table that is made in parts, by runs or days: then it
    has not said how a part is made anew.
    """

    schema: str
    table: str
    relation: str
    delete: str | None
    query: str
    is_as_of_newest_fetch: bool


class Renewal(msgspec.Struct, frozen=True):
    """What is needed of a finished build.

    `relations` has the names of `RELATIONS` on the engine, by the names of their models. `outdated` is the query of
    `int_outdated_runs`. `steps` stand in the order in which a build takes them. `checks` are queries by the names of
    their tests. `marts` are all marts.
    """

    relations: dict[str, str]
    outdated: str
    steps: list[Step]
    checks: dict[str, str]
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
    """Read what the last build kept in this folder, and delete it there.

    A process takes it before it changes what is loaded. If that process is killed, the next one finds nothing, and
    builds.

    Args:
        state: the folder for dbt's working files.
        place: where the tables are.
        variables: those of `dbt_project.yml`.

    Returns:
        What a renewal needs. None where nothing was kept, or where the place, the variables or the code were others.
    """
    content = read_kept(state / _FILE, _key(place, variables))
    try:
        (state / _FILE).unlink(missing_ok=True)
    except OSError:  # what cannot be taken away could be taken twice
        return None
    with suppress(msgspec.MsgspecError):  # another version may have kept something else
        return msgspec.json.decode(content, type=Renewal) if content else None
    return None


def keep_renewal(renewal: Renewal, state: Path, place: str, variables: Mapping[str, Any]) -> None:
    """Keep what the next renewal needs, after a build or after a renewal; arguments as of `take_renewal`."""
    keep(state / _FILE, _key(place, variables), msgspec.json.encode(renewal))


def _key(place: str, variables: Mapping[str, Any]) -> str:
    made_of = [hashes_of(packaged("sql")), place, variables]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def renew(renewal: Renewal, database: Database) -> bool:
    """Bring the marts up to the newest fetch, if it changed nothing or little; in one transaction.

    Returns:
        Whether they are. If not, nothing was done: a build is needed, which tells what is wrong if something is.
    """
    try:
        with database.transaction():
            done = _renew(renewal, database)
    except (StorageError, _BuildNeededError) as error:
        log.debug("the marts were not renewed: %s", error)
        return False
    log.info("%s", done)
    return True


class _BuildNeededError(Exception):
    """The steps of the last build cannot make the marts right."""


def _renew(renewal: Renewal, database: Database) -> str:
    """Renew the marts, and tell what was done."""
    differing = renewal.relations["int_differing_runs"]
    database.execute(f"create temporary table {_DIFFERING} as select * from {differing}")  # noqa: S608  names of models
    outdated = renewal.outdated.replace(differing, _DIFFERING)
    changed = _rows(f"select run_id from (\n{outdated}\n) as outdated limit {FEW + 1}", database)  # noqa: S608
    is_same = not changed and not _rows(renewal.checks[MESSAGES_CHECK], database)
    if not is_same and (len(changed) > FEW or not all(step.delete for step in renewal.steps)):
        raise _BuildNeededError(f"{len(changed)} runs have changed")
    steps = [step for step in renewal.steps if step.is_as_of_newest_fetch or not is_same]
    columns = _columns(steps, database)
    for statement in _statements(renewal, steps, columns, [run_id for (run_id,) in changed]):
        database.execute(statement)
    for name, check in renewal.checks.items():
        if not is_same and _rows(check, database):
            raise _BuildNeededError(f"a check has found something: {name}")
    database.execute(f"drop table {_DIFFERING}")
    if is_same:
        return "nothing has changed: the marts are as of the newest fetch"
    return f"Brought {len(renewal.marts)} marts up to date with {len(changed)} changed runs"


def _rows(query: str, database: Database) -> list[tuple[Any, ...]]:
    rows = database.query(query)
    if rows is None:
        raise _BuildNeededError("a table is gone")
    return rows


def _columns(steps: Collection[Step], database: Database) -> dict[tuple[str, str], str]:
    """The columns of the tables that the steps fill, by schema and table: a query may give them in another order."""
    schemas = ", ".join(sorted({f"'{step.schema}'" for step in steps}))
    found = database.query(
        "select table_schema, table_name, column_name from information_schema.columns "  # noqa: S608  names of schemas
        f"where table_schema in ({schemas}) order by ordinal_position"
    )
    columns: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in found or ():
        columns.setdefault((schema, table), []).append(f'"{column}"')
    if not all((step.schema, step.table) in columns for step in steps):
        raise _BuildNeededError("a table is gone")
    return {place: ", ".join(names) for place, names in columns.items()}


def _statements(
    renewal: Renewal, steps: Collection[Step], columns: Mapping[tuple[str, str], str], changed: Collection[str]
) -> Iterator[str]:
    named = renewal.relations
    build_id = str(uuid4())
    only_read_again = f"run_id not in ({literals(changed)})" if changed else "true"
    states = f"(select * from {_DIFFERING} where {only_read_again}) as states"  # noqa: S608  names of models
    if "int_built_runs" in named:  # a copy of the marts reads again what has another id
        yield (
            f"update {named['int_built_runs']} set build_id = '{build_id}' "  # noqa: S608
            f"where run_id in (select run_id from {_DIFFERING} where {only_read_again})"
        )
    moments = {"fct_runs": ("fetched_at",), "int_modelled_runs": ("fetched_at", "newest_payload_at")}
    for model, moved_columns in moments.items():
        moved = ", ".join(f"{column} = states.{column}" for column in moved_columns)
        yield f"update {named[model]} as modelled set {moved} from {states} where modelled.run_id = states.run_id"  # noqa: S608
    yield f"delete from {_DIFFERING} where {only_read_again}"  # noqa: S608
    for step in steps:
        names = columns[step.schema, step.table]
        query = step.query.replace(BUILD_ID, build_id) if step.table != _CHANGED else f"select * from {_DIFFERING}"  # noqa: S608
        yield str(step.delete)
        yield f"insert into {step.relation} ({names}) select {names} from (\n{query}\n) as renewed"  # noqa: S608
