"""Brings the marts up to a fetch that changed nothing, or little, without dbt: its start alone takes seconds.

A build leaves behind what dbt has made of the models: for each table a *step*, which deletes what is made anew and
inserts it again, and for each data test a *check*, a query that gives a row for what is wrong. Both are SQL of the
project; nothing here knows what it says.

Where nothing has changed, `fetched_at` of the runs that were read again moves, and the marts with the tag
`as_of_newest_fetch` are filled anew. The view `int_outdated_runs` tells which runs have changed, and one of the checks
whether a message is not counted yet. Where few runs have changed, all steps are taken, as a build would, and all
checks are made. Either is one transaction. Knows no dbt: what it needs of a build is kept in a file.
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

RELATIONS: Final = ("int_run_states", "int_outdated_runs", "int_modelled_runs", "int_built_runs", "fct_runs")
"""The models that a renewal reads or updates itself; `int_built_runs` is not there for every engine."""

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

    The statement is None where the last build made the whole table of rows of single runs: then it has not said how
    a part is made anew.
    """

    schema: str
    table: str
    relation: str
    delete: str | None
    query: str
    is_as_of_newest_fetch: bool


class Renewal(msgspec.Struct, frozen=True):
    """What is needed of a finished build.

    `relations` has the names of `RELATIONS` on the engine, by the names of their models. `steps` stand in the order in
    which a build takes them. `checks` are queries by the names of their tests. `marts` are all marts.
    """

    relations: dict[str, str]
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
    with suppress(FileNotFoundError):
        (state / _FILE).unlink()
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
    outdated = f"select run_id from {renewal.relations['int_outdated_runs']} limit {FEW + 1}"  # noqa: S608  of models
    changed = database.query(outdated)
    if changed is None:
        return False
    is_same = not changed and database.query(renewal.checks[MESSAGES_CHECK]) == []
    if not is_same and (len(changed) > FEW or not all(step.delete for step in renewal.steps)):
        return False
    steps = [step for step in renewal.steps if step.is_as_of_newest_fetch or not is_same]
    checks = {} if is_same else renewal.checks
    columns = _columns(steps, database)
    if not all((step.schema, step.table) in columns for step in steps):
        return False
    try:
        with database.transaction():
            for statement in _statements(renewal, steps, columns, [run_id for (run_id,) in changed]):
                database.execute(statement)
            _make(checks, database)
    except (StorageError, _CheckFailedError) as error:
        log.debug("the marts were not renewed: %s", error)
        return False
    if is_same:
        log.info("nothing has changed: the marts are as of the newest fetch")
    else:
        log.info("Brought %d marts up to date with %d changed runs", len(renewal.marts), len(changed))
    return True


class _CheckFailedError(Exception):
    """A check found something: the marts stay as they were."""


def _make(checks: Mapping[str, str], database: Database) -> None:
    for name, check in checks.items():
        if database.query(check) != []:
            raise _CheckFailedError(name)


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
    return {place: ", ".join(names) for place, names in columns.items()}


def _statements(
    renewal: Renewal, steps: Collection[Step], columns: Mapping[tuple[str, str], str], changed: Collection[str]
) -> Iterator[str]:
    named = renewal.relations
    build_id = str(uuid4())
    others = f" where run_id not in ({literals(changed)})" if changed else ""
    states = f"(select * from {named['int_run_states']}{others}) as states"  # noqa: S608  names of models
    is_read_again = "modelled.run_id = states.run_id and modelled.fetched_at <> states.fetched_at"
    if "int_built_runs" in named:  # a copy of the marts reads again what has another id
        again = f"select states.run_id from {named['fct_runs']} as modelled inner join {states} on {is_read_again}"  # noqa: S608
        yield f"update {named['int_built_runs']} set build_id = '{build_id}' where run_id in ({again})"  # noqa: S608
    moments = {"fct_runs": ("fetched_at",), "int_modelled_runs": ("fetched_at", "newest_payload_at")}
    for model, moved_columns in moments.items():
        moved = ", ".join(f"{column} = states.{column}" for column in moved_columns)
        yield f"update {named[model]} as modelled set {moved} from {states} where {is_read_again}"  # noqa: S608
    for step in steps:
        names = columns[step.schema, step.table]
        yield str(step.delete)
        query = step.query.replace(BUILD_ID, build_id)
        yield f"insert into {step.relation} ({names}) select {names} from (\n{query}\n) as renewed"  # noqa: S608
