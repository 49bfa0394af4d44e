"""Builds and tests the marts, and writes their documentation page.

Knows a database and the raw tables in it; knows neither the API nor the loader.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from statsig_runs.errors import StorageError
from statsig_runs.models.dbt_project import DbtProject, fingerprint
from statsig_runs.schemas import Schemas
from statsig_runs.whole_files import replacing

MEMORY_LIMIT: Final = "1200MB"
"""What DuckDB may hold in memory while it builds; beyond it, it spills to a folder beside the database."""

log = logging.getLogger(__name__)


class Mart(NamedTuple):
    """A mart that was built: what it means, and of each column its type on the engine and what it means.

    `is_by_run` says that a build writes the rows of single runs, and leaves all others as they are.
    """

    meaning: str
    columns: dict[str, tuple[str, str]]
    is_by_run: bool


@dataclass(frozen=True, slots=True)
class Build:
    """What one build did; `node_seconds` holds the time of each model, seed and test by its name."""

    seconds: float
    model_count: int
    test_count: int
    node_seconds: dict[str, float] = field(repr=False)
    marts: dict[str, Mart] = field(repr=False)


def build_models(
    database: Path,
    *,
    schemas: Schemas | None = None,
    settle_hours: float = 24,
    terminal_success_statuses: Iterable[str] = ("pulse_complete",),
    day_utc_offset_hours: float = -8,
    overdue_grace_hours: float = 2,
    completeness_days: int = 28,
    volume_drop_ratio: float = 0.5,
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
        settle_hours: the age at which a complete stage means success, and silence means stalled.
        terminal_success_statuses: the statuses that end a history in success at once.
        day_utc_offset_hours: how far the day of a date stamp is ahead of UTC; -8 is Statsig's own, all year.
        overdue_grace_hours: how much later than its source's habit a date may land before it is overdue.
        completeness_days: how many days back overdue dates are counted for each source.
        volume_drop_ratio: the share of its weekday's usual rows under which a date's rows are a drop.
        full_refresh: drop what is there and model all runs.
        state: folder for dbt's working files; by default one beside the database.
        profile: a dbt output for another adapter, in place of the DuckDB file.

    Raises:
        ModelsError: a model did not build or a test failed; the text names each.
        StorageError: the database could not be opened or written.
    """
    started = time.perf_counter()
    schemas = schemas or Schemas.of_project()
    project = DbtProject(
        state=state or _state_beside(database),
        profile=profile or _duckdb_profile(database, schemas.marts),
        variables={
            **_schema_variables(schemas),
            "settle_hours": settle_hours,
            "terminal_success_statuses": list(terminal_success_statuses),
            "day_utc_offset_hours": day_utc_offset_hours,
            "overdue_grace_hours": overdue_grace_hours,
            "completeness_days": completeness_days,
            "volume_drop_ratio": volume_drop_ratio,
            "build_fingerprint": fingerprint(),
            "records_builds": profile is not None,
        },
    )
    refresh = ["--full-refresh"] if full_refresh else []
    results = project.invoke(["build", "--exclude-resource-type", "unit_test", *refresh]).results
    test_count = sum(result.node.resource_type == "test" for result in results)
    seconds = {result.node.name: result.execution_time for result in results}
    marts = {node.name: _as_mart(node) for result in results if _is_mart(node := result.node, schemas)}
    build = Build(time.perf_counter() - started, len(results) - test_count, test_count, seconds, marts)
    log.info("Built %d models, %d tests passed, %.1f s", build.model_count, build.test_count, build.seconds)
    return build


def _is_mart(node: Any, schemas: Schemas) -> bool:
    return bool(node.resource_type == "model" and node.schema == schemas.marts)


def _as_mart(node: Any) -> Mart:
    columns = {column.name.lower(): (column.data_type, column.description) for column in node.columns.values()}
    return Mart(node.description, columns, is_by_run=node.config.materialized == "incremental")


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
        profile=profile or _duckdb_profile(database, schemas.marts),
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


def _duckdb_profile(database: Path, schema: str) -> dict[str, Any]:
    """No `config_options`: with them, DuckDB refuses dlt's next connection in the same process."""
    return {
        "type": "duckdb",
        "path": str(database.absolute()),
        "schema": schema,
        "threads": 1,  # each query uses all cores; two large ones at a time do not fit into the memory limit
        "settings": {"TimeZone": "UTC", "memory_limit": MEMORY_LIMIT, "preserve_insertion_order": False},
    }
