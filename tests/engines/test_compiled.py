"""The warehouses that need an account: every model compiles offline, and what it compiles to means the same rows.

dbt's adapters are made to believe in an empty warehouse that they are connected to. sqlglot reads their SQL in the
warehouse's own dialect and writes it in DuckDB's, which runs it on the raw tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import duckdb
import pytest
import sqlglot
from sqlfluff.core import dialect_selector
from sqlglot import exp

from statsig_runs.models.dbt_project import DbtProject
from tests.support.two_syncs import Table, differences

PROFILES: dict[str, dict[str, Any]] = {
    "snowflake": {"account": "a", "user": "u", "password": "p", "database": "db", "warehouse": "w"},
    "bigquery": {"method": "oauth", "project": "db"},
    "redshift": {"host": "h", "port": 5439, "user": "u", "password": "p", "dbname": "db"},
    "databricks": {"host": "h", "http_path": "/sql/1.0/warehouses/w", "token": "t", "catalog": "db"},
}
BY_DAY = {
    "snowflake": ("cluster_by", ["created_date"]),
    "bigquery": ("cluster_by", ["created_date"]),
    "redshift": ("sort", "created_date"),
    "databricks": ("liquid_clustered_by", "created_date"),
}
"""How each is told that dashboards filter by the day of a run."""
SEEDS = {"status_catalogue", "report_statuses"}
VARIABLES = {
    "raw_schema": "statsig_raw",
    "staging_schema": "statsig_staging",
    "mart_schema": "statsig",
    "settle_hours": 24,
    "terminal_success_statuses": ["pulse_complete"],
}

pytestmark = pytest.mark.timeout(900)  # the first test waits for two syncs on DuckDB and on the engine


@pytest.fixture(params=PROFILES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An adapter that finds a warehouse without models, and asks it nothing."""
    name: str = request.param
    pytest.importorskip(f"dbt.adapters.{name}", reason=f"the extra `{name}` is not installed")
    from dbt.adapters.factory import FACTORY

    FACTORY.load_plugin(name)
    adapter = FACTORY.get_adapter_class_by_name(name)

    def get_relation(self: Any, database: str, schema: str, identifier: str, **_: Any) -> Any:
        is_raw = identifier.lower() in {"sync_loads", "ingestion_status_messages"}
        return self.Relation.create(database=database, schema=schema, identifier=identifier) if is_raw else None

    monkeypatch.setattr(adapter, "get_relation", get_relation)
    monkeypatch.setattr(adapter, "list_relations", lambda *_: [])
    monkeypatch.setattr(adapter, "has_dbr_capability", lambda *_: True, raising=False)
    monkeypatch.setattr(adapter.ConnectionManager, "get_thread_connection", lambda _: MagicMock())
    monkeypatch.setattr(adapter.ConnectionManager, "open", classmethod(opened))
    return name


def opened(_: Any, connection: Any) -> Any:
    connection.state, connection.handle = "open", MagicMock()
    return connection


def test_compiled_models_mean_duckdbs_rows(
    engine: str, duckdb_file: Path, duckdb_marts: dict[str, Table], tmp_path: Path
) -> None:
    profile = {"type": engine, "schema": "statsig", "threads": 1, **PROFILES[engine]}
    project = DbtProject(tmp_path, profile, VARIABLES)

    compiled = {
        result.node.name: result.node
        for result in project.invoke(["compile", "--no-introspect", "--no-populate-cache"]).results
        if result.node.resource_type == "model"
    }

    option, value = BY_DAY[engine]
    assert compiled["fct_runs"].config.get(option) == value
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach '{duckdb_file}' as built (read_only)")
        connection.execute("create schema statsig_staging; create schema statsig")
        connection.execute("create macro timestamp_micros(us) as make_timestamptz(us)")  # sqlglot leaves Spark's name
        for node in in_order(compiled):
            sql = in_duckdb(node.compiled_code, engine)
            connection.execute(f"create table {node.schema}.{node.name} as {sql}")

        def read(mart: str) -> Table:
            columns = [name for name in duckdb_marts[mart][0] if is_exact(engine, name)]
            result = connection.execute(f"select {', '.join(columns)} from statsig.{mart}")
            return columns, [row for row in result.fetchall() if is_exact(engine, str(row[0]))]

        expected = {mart: exact_part(engine, table) for mart, table in duckdb_marts.items()}
        findings, rows = expected["dq_findings"]
        exact = [row for row in rows if is_exact(engine, row[0])]
        expected["dq_findings"] = findings, [row for row in exact if "contract_drift" not in row]
        assert differences(expected, read) == {}


def test_no_name_is_a_reserved_word_without_quotes(engine: str, tmp_path: Path) -> None:
    project = DbtProject(tmp_path, {"type": engine, "schema": "statsig", "threads": 1, **PROFILES[engine]}, VARIABLES)
    reserved = dialect_selector(engine).sets("reserved_keywords")
    assert len(reserved) > 10

    found = set()
    for result in project.invoke(["compile", "--no-introspect", "--no-populate-cache"]).results:
        if result.node.resource_type != "seed":
            found |= {name.upper() for name in unquoted_columns(result.node.compiled_code, engine)}
        found |= {column.name.upper() for column in result.node.columns.values() if not column.quote}

    assert {"RUN_ID", "STATUS"} <= found
    assert found & reserved == set()


def unquoted_columns(sql: str, engine: str) -> Iterator[str]:
    for place in sqlglot.parse_one(sql, read=engine).find_all(exp.Column, exp.Alias):
        name = place.this if isinstance(place, exp.Column) else place.args["alias"]
        if isinstance(name, exp.Identifier) and not name.quoted:
            yield name.name


def is_exact(engine: str, column: str) -> bool:
    """Of a column or a finding: BigQuery aggregates no exact percentile, and what follows from one differs as well."""
    of_percentiles = ("p50_", "p95_", "expected_", "is_late", "row_count_ratio", "is_volume_drop", "volume_drop")
    return engine != "bigquery" or not column.startswith(of_percentiles)


def exact_part(engine: str, table: Table) -> Table:
    columns, rows = table
    kept = [position for position, name in enumerate(columns) if is_exact(engine, name)]
    return [columns[position] for position in kept], [tuple(row[position] for position in kept) for row in rows]


def in_order(nodes: Mapping[str, Any]) -> Iterator[Any]:
    """Each model after those it reads."""
    waiting = dict(nodes)
    while waiting:
        ready = [
            name
            for name, node in waiting.items()
            if not any(other.split(".")[-1] in waiting for other in node.depends_on.nodes)
        ]
        assert ready, waiting
        for name in ready:
            yield waiting.pop(name)


def in_duckdb(sql: str, engine: str) -> str:
    tree = sqlglot.parse_one(sql, read=engine)
    for table in tree.find_all(exp.Table):
        if table.db:
            is_given = table.db.lower() == "statsig_raw" or table.name.lower() in SEEDS
            table.set("catalog", exp.to_identifier("built") if is_given else None)
    for cte in tree.find_all(exp.CTE):
        if cte.alias == "unknown_fields":  # each warehouse's own way into JSON: read, and not translated
            cte.set("this", sqlglot.parse_one("select null::text as run_id, null::text as path where false"))
    return tree.sql(dialect="duckdb")
