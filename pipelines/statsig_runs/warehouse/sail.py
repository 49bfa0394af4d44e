"""The session in which dbt models the lake, by Sail or by a Spark of the user's own.

Sail is an engine that programs use as if it were Spark. It forgets at the end of a session which tables there are, so
each session begins by naming the tables in the folder. Knows where the tables are, not how they are loaded.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.environment import environment
from statsig_runs.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from statsig_runs.schemas import Schemas
    from statsig_runs.warehouse.lake import Lake

_WITHOUT_DELTA: Final = (
    "The Spark at SPARK_REMOTE has no Delta Lake, and the lake's tables are Delta tables. Start it with the package "
    "io.delta:delta-spark for its version, spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension and "
    "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog; or unset SPARK_REMOTE, and Sail "
    "builds the models in this process. What was loaded is kept."
)


@contextmanager
def modelling(lake: Lake, schemas: Schemas) -> Iterator[None]:
    """Open a Sail session that knows the lake's tables.

    Sail runs inside this process, on all cores. With SAIL_MODE=local-cluster it runs as a driver and workers. Where
    SPARK_REMOTE holds the address of a server, that server is used; it has its own credentials for a bucket.

    Raises:
        ConfigurationError: that server is a Spark without Delta Lake.
    """
    # a warning about data frames, which are not used here
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    with environment(lake.environment), _server() as address, environment({"SPARK_REMOTE": address}):
        from pyspark.sql import SparkSession

        # dbt switches Hive on, and a client of Spark Connect has no such switch
        SparkSession.Builder.enableHiveSupport = lambda builder: builder  # type: ignore[method-assign,assignment]
        session = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
        try:
            _name_tables(session, lake, schemas)
            yield
        finally:
            session.stop()


def profile(schemas: Schemas) -> dict[str, Any]:
    """The dbt output that uses the session of `modelling`."""
    return {
        "type": "spark",
        "method": "session",
        "host": "none",
        "schema": schemas.marts,
        "threads": 1,  # one model at a time uses all cores
        "server_side_parameters": {"spark.sql.session.timeZone": "UTC"},
    }


def _name_tables(session: SparkSession, lake: Lake, schemas: Schemas) -> None:
    from pyspark.errors import PySparkException

    try:
        for schema in schemas:
            session.sql(f"create schema if not exists {schema} location '{lake.location(schema)}'")
            for table, columns in lake.tables(schema).items():
                where = lake.location(schema, table)
                session.sql(f"create table if not exists {schema}.{table} ({columns}) using delta location '{where}'")
    except PySparkException as error:
        if error.getCondition() == "DATA_SOURCE_NOT_FOUND":
            raise ConfigurationError(_WITHOUT_DELTA) from None
        raise


@contextmanager
def _server() -> Iterator[str]:
    if address := os.environ.get("SPARK_REMOTE"):
        yield address
        return
    os.environ.setdefault("RUST_LOG", "error")  # or Sail writes about each session to stderr, beside our log
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.listening_address
        yield f"sc://{host}:{port}"
    finally:
        server.stop()
