"""Builds and tests the marts, and writes their documentation page.

Knows a database and the raw tables in it; knows neither the API nor the loader.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from statsig_runs.errors import ModelsError, StorageError
from statsig_runs.models.dbt_project import DbtProject, fingerprint
from statsig_runs.models.definitions import Definitions
from statsig_runs.models.renewal import AS_OF_NEWEST_FETCH, BUILD_ID, RELATIONS, Mart, Renewal, Step
from statsig_runs.schemas import Schemas
from statsig_runs.whole_files import replacing

MEMORY_LIMITS: Final = ("1200MB", "2400MB", "4800MB")
"""What DuckDB may hold in memory while it builds; beyond it, it spills to a folder beside the database.

A grouping that needs little more than the limit may fail: DuckDB notices too late that it has to spill, though it does
with ten times the rows. Then the build is made again with the next limit.
"""
_OUT_OF_MEMORY: Final = "Out of Memory Error"

_BUILD: Final = ("build", "--exclude-resource-type", "unit_test")

_COMMENT: Final = re.compile(r"\s*/\*.*?\*/", re.DOTALL)
"""What dbt writes before each statement, to tell a server where it is from."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Build:
    """What one build did.

    `node_seconds` holds the time of each model, seed and test by its name, `renewal` what can spare the next build.
    """

    seconds: float
    model_count: int
    test_count: int
    node_seconds: dict[str, float] = field(repr=False)
    renewal: Renewal = field(repr=False)


def build_models(
    database: Path,
    *,
    schemas: Schemas | None = None,
    definitions: Definitions | None = None,
    full_refresh: bool = False,
    state: Path | None = None,
    profile: Mapping[str, Any] | None = None,
) -> Build:
    """Bring every mart up to date and run the data tests.

    Only runs that changed since the last build are modelled anew; a change of a setting, of the status catalogue or of
    the models themselves changes all of them. When this returns, no handle on the database is open.

    Args:
        database: the DuckDB file that holds the raw tables.
        schemas: where the raw tables are, and where working tables and marts go; by default those of the only project.
        definitions: the thresholds; the usual ones unless others are given.
        full_refresh: drop what is there and model all runs.
        state: folder for dbt's working files; by default one beside the database.
        profile: a dbt output for another adapter, in place of the DuckDB file.

    Raises:
        ModelsError: a model did not build or a test failed; the text names each.
        StorageError: the database could not be opened or written.
    """
    started = time.perf_counter()
    schemas = schemas or Schemas.of_project()
    projects = _projects(database, schemas, definitions, state, profile)
    for number, project in enumerate(projects, 1):
        told = Told()
        try:
            results = project.invoke([*_BUILD, *(["--full-refresh"] if full_refresh else [])], watch=told.note).results
            break
        except ModelsError as error:
            if number == len(projects) or _OUT_OF_MEMORY not in str(error):
                raise
            log.warning("the models did not fit into the memory; they are built again with %s", MEMORY_LIMITS[number])
    test_count = sum(result.node.resource_type == "test" for result in results)
    seconds = {result.node.name: result.execution_time for result in results}
    renewal = _renewal_of([result.node for result in results], schemas, told)
    build = Build(time.perf_counter() - started, len(results) - test_count, test_count, seconds, renewal)
    log.info("Built %d models, %d tests passed, %.1f s", build.model_count, build.test_count, build.seconds)
    return build


def read_models(
    database: Path,
    *,
    schemas: Schemas,
    definitions: Definitions,
    state: Path,
    profile: Mapping[str, Any] | None,
) -> None:
    """Read what `build_models` would read first, with the same arguments; the database is not opened.

    Raises:
        ModelsError: dbt could not read the project.
        StorageError: the state folder could not be written.
    """
    _projects(database, schemas, definitions, state, profile)[0].read()


def _projects(
    database: Path,
    schemas: Schemas,
    definitions: Definitions | None,
    state: Path | None,
    profile: Mapping[str, Any] | None,
) -> list[DbtProject]:
    """The project to build, and what to try where its queries do not fit into the memory."""
    variables = variables_of(schemas, definitions or Definitions()) | {"records_builds": profile is not None}
    profiles = [profile] if profile else [_duckdb_profile(database, schemas.marts, limit) for limit in MEMORY_LIMITS]
    return [DbtProject(state or _state_beside(database), each, variables) for each in profiles]


def variables_of(schemas: Schemas, definitions: Definitions) -> dict[str, Any]:
    """The variables of `dbt_project.yml` for a project with these definitions."""
    return {**_schema_variables(schemas), **definitions.to_variables(), "build_fingerprint": fingerprint()}


def _renewal_of(nodes: Sequence[Any], schemas: Schemas, told: Told) -> Renewal:
    """What a renewal needs of the nodes that dbt has built, which stand in the order in which it built them."""
    by_name = {node.name: node for node in nodes}
    tables = [node for node in nodes if node.resource_type == "model" and node.config.materialized != "view"]
    return Renewal(
        relations={name: by_name[name].relation_name for name in RELATIONS if name in by_name},
        outdated=by_name["int_outdated_runs"].compiled_code,
        steps=[
            Step(
                schema=node.schema,
                table=node.alias,
                relation=node.relation_name,
                delete=told.delete_of_part(node) if _is_in_parts(node) else f"delete from {node.relation_name}",  # noqa: S608
                query=node.compiled_code.replace(told.build_id, BUILD_ID),
                is_as_of_newest_fetch=AS_OF_NEWEST_FETCH in node.tags,
            )
            for node in tables
        ],
        checks={node.name: node.compiled_code for node in nodes if node.resource_type == "test"},
        marts={node.name: _as_mart(node) for node in nodes if _is_mart(node, schemas)},
    )


class Told:
    """What dbt tells of a build beside its results.

    Attributes:
        build_id: dbt's own id of the build.
    """

    def __init__(self) -> None:
        self.build_id = ""
        self._deletes: dict[str, list[str]] = {}

    def note(self, event: Any) -> None:
        """Take from an event of dbt's what it has."""
        self.build_id = event.info.invocation_id
        if event.info.name == "SQLQuery":
            statement = _COMMENT.sub("", event.data.sql, count=1).strip()
            if statement.startswith("delete from"):
                self._deletes.setdefault(event.data.node_info.unique_id, []).append(statement)

    def delete_of_part(self, node: Any) -> str | None:
        """The statement that deleted from a model's table what is made anew; None where it was made whole."""
        own = f"delete from {node.relation_name} "  # noqa: S608  a name of ours
        deletes = [statement for statement in self._deletes.get(node.unique_id, ()) if statement.startswith(own)]
        return deletes[0] if len(deletes) == 1 else None


def _is_mart(node: Any, schemas: Schemas) -> bool:
    return bool(node.resource_type == "model" and node.schema == schemas.marts)


def _as_mart(node: Any) -> Mart:
    columns = {column.name.lower(): (column.data_type, column.description) for column in node.columns.values()}
    return Mart(node.description, columns, is_by_run=_is_in_parts(node) and "run_id" in columns)


def _is_in_parts(node: Any) -> bool:
    """Whether a build makes rows of some runs or days, and leaves the others as they are."""
    return bool(node.config.materialized == "incremental")


def write_docs(
    database: Path,
    file: Path,
    *,
    schemas: Schemas | None = None,
    state: Path | None = None,
    profile: Mapping[str, Any] | None = None,
) -> None:
    """Write dbt's documentation of the built tables, lineage included, as one HTML file that needs no network.

    dbt's `catalog.json`, the columns as the database has them, goes beside the other artifacts of the builds.

    Args:
        database: the DuckDB file that holds the marts.
        file: the page to write, replaced whole.
        schemas: where the tables are; by default those of the only project.
        state: folder for dbt's working files; by default one beside the database.
        profile: a dbt output for another adapter, in place of the DuckDB file.

    Raises:
        ModelsError: dbt could not describe the project.
        StorageError: the database could not be opened, or the page not written.
    """
    schemas = schemas or Schemas.of_project()
    state = state or _state_beside(database)
    project = DbtProject(
        state=state / "docs",
        profile=profile or _duckdb_profile(database, schemas.marts, MEMORY_LIMITS[0]),
        variables=_schema_variables(schemas),
    )
    project.invoke(["docs", "generate", "--static"], write_json=True)
    try:
        with replacing(file) as draft:
            shutil.copyfile(project.target / "static_index.html", draft)
        with replacing(state / "target" / "catalog.json") as draft:
            shutil.copyfile(project.target / "catalog.json", draft)
    except OSError as error:
        raise StorageError(f"The documentation could not be written to {file}: {error.strerror}.") from None


def _schema_variables(schemas: Schemas) -> dict[str, str]:
    return {"raw_schema": schemas.raw, "staging_schema": schemas.staging, "mart_schema": schemas.marts}


def _state_beside(database: Path) -> Path:
    return database.absolute().parent / f".{database.stem}" / "dbt"


def _duckdb_profile(database: Path, schema: str, memory_limit: str) -> dict[str, Any]:
    """No `config_options`: with them, DuckDB refuses dlt's next connection in the same process."""
    return {
        "type": "duckdb",
        "path": str(database.absolute()),
        "schema": schema,
        "threads": 1,  # each query uses all cores; two large ones at a time do not fit into the memory limit
        "settings": {"TimeZone": "UTC", "memory_limit": memory_limit, "preserve_insertion_order": False},
    }
