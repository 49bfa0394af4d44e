"""What each engine is called, which settings of dlt's say where it is, and how dbt reaches it.

One function an engine: from dlt's configuration to a name of the place for people and one output of a dbt profile, its
secrets marked as such. Nothing is connected to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from statsig_runs.models.dbt_project import Secret
from statsig_runs.warehouse.postgres import require_usable

if TYPE_CHECKING:
    from statsig_runs.warehouse.loader import Loader

Profile = dict[str, Any]
"""One output of a dbt profile."""
LockPlace = Mapping[str, str] | Path
"""What to connect to a PostgreSQL server with, or a file that every machine has."""


def _without_none(profile: Profile) -> Profile:
    return {name: value for name, value in profile.items() if value is not None}


def _secret(value: Any) -> Secret | None:
    return None if value is None else Secret(value)


def _postgres(config: Any) -> tuple[str, Profile]:
    credentials = config.credentials
    ssl = {name: value for name, value in (credentials.query or {}).items() if name.startswith("ssl")}
    place = f"{config.destination_type} at {credentials.host}:{credentials.port}/{credentials.database}"
    return place, {
        "type": config.destination_type,
        "host": credentials.host,
        "port": credentials.port,
        "user": credentials.username,
        "password": _secret(credentials.password),
        "dbname": credentials.database,
        "connect_timeout": credentials.connect_timeout,
        **ssl,
    }


def _snowflake(config: Any) -> tuple[str, Profile]:
    credentials = config.credentials
    return f"Snowflake account {credentials.host}, database {credentials.database}", _without_none(
        {
            "type": "snowflake",
            "account": credentials.host,
            "user": credentials.username,
            "password": _secret(credentials.password),
            "private_key": _secret(credentials.private_key),
            "private_key_passphrase": _secret(credentials.private_key_passphrase),
            "authenticator": credentials.authenticator,
            "token": _secret(credentials.token),
            "database": credentials.database,
            "warehouse": credentials.warehouse,
            "role": credentials.role,
        }
    )


def _bigquery(config: Any) -> tuple[str, Profile]:
    credentials = config.credentials
    project = config.project_id or credentials.project_id
    profile: Profile = {"type": "bigquery", "project": project, "location": config.location, "method": "oauth"}
    if getattr(credentials, "client_email", None):  # a service account; otherwise the machine's own login counts
        profile |= {
            "method": "service-account-json",
            "keyfile_json": {
                "type": "service_account",
                "project_id": credentials.project_id,
                "private_key": _secret(credentials.private_key),
                "client_email": credentials.client_email,
                "token_uri": "https://oauth2.googleapis.com/token",
            },
        }
    return f"BigQuery project {project}", profile


def _databricks(config: Any) -> tuple[str, Profile]:
    credentials = config.credentials
    return f"Databricks at {credentials.server_hostname}, catalog {credentials.catalog}", _without_none(
        {
            "type": "databricks",
            "host": credentials.server_hostname,
            "http_path": credentials.http_path,
            "catalog": credentials.catalog,
            "token": _secret(credentials.access_token),
            "auth_type": "oauth" if credentials.client_secret else None,
            "client_id": _secret(credentials.client_id),
            "client_secret": _secret(credentials.client_secret),
        }
    )


def _motherduck(config: Any) -> tuple[str, Profile]:
    credentials = config.credentials
    return f"MotherDuck database {credentials.database}", {
        "type": "duckdb",
        "path": f"md:{credentials.database}",
        "motherduck_token": _secret(credentials.password),
        "settings": {"TimeZone": "UTC"},
    }


def _ducklake(config: Any) -> tuple[str, Profile]:
    from dlt.destinations.impl.ducklake.sql_client import DuckLakeSqlClient

    credentials = config.credentials
    lake = credentials.ducklake_name
    _install_extensions(credentials.catalog.drivername)
    # the catalogue's address, password included, is written by dlt alone
    attach = DuckLakeSqlClient.build_attach_statement(
        ducklake_name=lake, catalog=credentials.catalog, storage_url=credentials.storage_url
    )
    return f"DuckLake {lake} at {credentials.catalog_location()}", {
        "type": "duckdb",
        "path": ":memory:",
        "database": lake,
        "attach": [
            {
                "path": Secret(attach.split("'")[1]),
                "alias": lake,
                "is_ducklake": True,
                "options": {
                    "data_path": credentials.storage_url,
                    "metadata_schema": credentials.metadata_schema or lake,
                },
            }
        ],
        # unqualified names are the lake's
        "settings": {"TimeZone": "UTC", "schema": f"{lake}.main"},
    }


def _install_extensions(catalogue: str) -> None:
    """Install DuckDB's extensions from the packages that hold them; where these are absent, DuckDB downloads them."""
    if find_spec("duckdb_extensions"):
        from duckdb_extensions import import_extension

        for name in ("ducklake", *(["postgres_scanner"] if catalogue.startswith("postgres") else [])):
            import_extension(name)


def _one_transaction(config: Any) -> AbstractContextManager[None]:
    from statsig_runs.warehouse.transactions import one_transaction

    return one_transaction(_server_of(config))


def _one_lake_transaction(_: Any) -> AbstractContextManager[None]:
    from statsig_runs.warehouse.ducklake import one_transaction

    return one_transaction()


def _server_of(config: Any) -> dict[str, str]:
    """The options once more: in the address dlt writes their spaces as plus signs, which the server does not read."""
    credentials = config.credentials
    return {"dsn": credentials.to_native_representation(), "options": credentials.get_query().get("options", "")}


def _catalogue_of(config: Any) -> LockPlace | None:
    """The server or the file that holds the catalogue; a catalogue of another kind holds no lock."""
    catalogue = config.credentials.catalog
    if catalogue.drivername.startswith("postgres"):
        return {"dsn": catalogue.to_native_representation()}
    if catalogue.drivername in {"sqlite", "duckdb"} and catalogue.database:
        return Path(catalogue.database).absolute()
    return None


def _tidy_ducklake(loader: Loader, keep: timedelta) -> None:
    from statsig_runs.warehouse.upkeep import tidy_ducklake

    tidy_ducklake(loader, keep)


class Engine(NamedTuple):
    """What one engine needs, and how it is described."""

    modules: tuple[str, ...]
    """What must be importable: dlt's driver and dbt's adapter."""
    describe: Callable[[Any], tuple[str, Profile]]
    """From dlt's resolved configuration to a name of the place for people, and the dbt output."""
    settings: tuple[str, ...] = ("credentials",)
    """The settings of dlt's that say where it is and how to get in; each may have fields of its own."""
    threads: int = 4
    """How many models dbt builds at a time."""
    building: Callable[[Any], AbstractContextManager[None]] = lambda _: nullcontext()
    """From dlt's resolved configuration to what dbt runs inside."""
    lock_at: Callable[[Any], LockPlace | None] = lambda _: None
    """From dlt's resolved configuration to what can hold a lock that every machine sees; None where nothing can."""
    check: Callable[[Any, str], None] | None = None
    """Refuses a server that cannot hold the data; as of `lock.server_lock`."""
    is_renewable: bool = False
    """As of `Destination`."""
    tidy: Callable[[Loader, timedelta], None] | None = None
    """What keeps it small: gets the loader, and how long older states are kept."""


ENGINES: Final[dict[str, Engine]] = {
    "postgres": Engine(
        ("psycopg2", "dbt.adapters.postgres"),
        _postgres,
        threads=1,
        building=_one_transaction,
        lock_at=_server_of,
        check=require_usable,
        is_renewable=True,
    ),
    "ducklake": Engine(
        ("dbt.adapters.duckdb",),
        _ducklake,
        threads=1,
        building=_one_lake_transaction,
        lock_at=_catalogue_of,
        tidy=_tidy_ducklake,
    ),
    "motherduck": Engine(("dbt.adapters.duckdb",), _motherduck),
    "snowflake": Engine(
        ("snowflake.connector", "dbt.adapters.snowflake"), _snowflake, settings=("credentials", "stage_name")
    ),
    "bigquery": Engine(
        ("google.cloud.bigquery", "dbt.adapters.bigquery"),
        _bigquery,
        settings=("credentials", "location", "project_id"),
    ),
    "redshift": Engine(("psycopg2", "dbt.adapters.redshift"), _postgres),
    "databricks": Engine(
        ("databricks.sql", "dbt.adapters.databricks"), _databricks, settings=("credentials", "staging_volume_name")
    ),
}
"""Every destination but the DuckDB file and the lake, which are no matter of a profile alone."""
