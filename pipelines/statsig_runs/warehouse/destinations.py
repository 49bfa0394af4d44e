"""Where the data can go: one name and one place of configuration give what dlt loads into and what dbt models in.

Credentials are set the way dlt users know (`[destination.postgres.credentials]` in `.dlt/secrets.toml`, or
`DESTINATION__POSTGRES__CREDENTIALS`) and resolved by dlt's own specifications; the dbt profile is derived from them.
Knows neither the API nor the tables.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from statsig_runs.dbt_project import Secret, secrets_of
from statsig_runs.errors import ConfigurationError

if TYPE_CHECKING:
    from statsig_runs.warehouse.files import Schemas
    from statsig_runs.warehouse.lake import Lake
    from statsig_runs.warehouse.loader import Loader

_PASSWORD: Final = re.compile(r"://[^:/@]*:([^/@]+)@")

Profile = dict[str, Any]
"""One output of a dbt profile."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One place for raw tables and marts.

    Args:
        name: a name of `NAMES`.
        place: where that is, for people; no secret.
        dlt: the dlt destination, with its credentials.
        profile: the dbt output; None for the DuckDB file, whose profile the models know, and for a lake.
        lake: the folder of Delta tables, if it is one.
    """

    name: str
    place: str
    dlt: Any = field(repr=False)
    profile: Mapping[str, Any] | None = field(default=None, repr=False)
    lake: Lake | None = field(default=None, repr=False)

    @property
    def is_local_file(self) -> bool:
        """The job's own DuckDB file: it is published as a copy. Anywhere else readers read the warehouse itself."""
        return self.name == "duckdb"

    @property
    def key(self) -> str:
        """A short name for this place alone, fit for a folder: a test database and the real one share no state."""
        return f"{self.name}-{hashlib.sha256(self.place.encode()).hexdigest()[:8]}"

    def loader(self, schemas: Schemas, state: Path) -> Loader:
        """What loads into the raw schema; `state` is the folder of its working files."""
        if self.lake:
            from statsig_runs.warehouse.lake import LakeLoader

            return LakeLoader(self.dlt, schemas, state, self.lake)
        from statsig_runs.warehouse.loader import Loader

        return Loader(self.dlt, schemas, state)

    @contextmanager
    def modelling(self, schemas: Schemas) -> Iterator[Mapping[str, Any] | None]:
        """The dbt output, and for a lake the engine that models it while this is open."""
        if self.lake:
            from statsig_runs.warehouse.lake import modelling

            with modelling(self.lake, schemas) as profile:
                yield profile
        else:
            yield self.profile

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log and no error may show; of an address with a password in it, the password alone as well."""
        secrets = secrets_of(self.profile or {}).values()
        passwords = [password for secret in secrets for password in _PASSWORD.findall(secret)]
        return (*secrets, *passwords, *map(unquote, passwords))

    def require_published(self) -> None:
        """Refuse what needs the published copy, where there is none.

        Raises:
            ConfigurationError: the marts are in a warehouse of their own.
        """
        if not self.is_local_file:
            raise ConfigurationError(
                f"This reads the published DuckDB file, and with the destination {self.name!r} there is none: the "
                f"marts are in {self.place}, where any number of people can query them at once. Query them there, or "
                "use --destination duckdb."
            )


def local_file(database: Path) -> Destination:
    """The batch job's own DuckDB file."""
    import dlt

    return Destination("duckdb", str(database), dlt.destinations.duckdb(str(database)))


def open_destination(name: str, database: Path, mart_schema: str) -> Destination:
    """Resolve a destination's credentials; nothing is connected to.

    Args:
        name: a name of `NAMES`.
        database: the DuckDB file, for the destination of that name.
        mart_schema: dbt's default schema.

    Raises:
        ConfigurationError: the name is unknown, a package is not installed, or a credential is missing or unreadable.
    """
    if name == "duckdb":
        return local_file(database)
    if name == "filesystem":
        return _open_lake()
    engine = _ENGINES.get(name)
    if not engine:
        raise ConfigurationError(f"There is no destination {name!r}. Choose one of: {', '.join(NAMES)}.")
    _require_packages(name, engine.modules)
    config, factory = _resolve(name)
    place, profile = engine.describe(config)
    return Destination(name, place, factory, {"schema": mart_schema, "threads": 4, **profile})


def _open_lake() -> Destination:
    _require_packages("filesystem", ("deltalake", "pysail", "pyspark", "dbt.adapters.spark"))
    import dlt

    from statsig_runs.warehouse.lake import Lake

    config, _ = _resolve("filesystem")
    lake = Lake(config)
    factory = dlt.destinations.filesystem(bucket_url=config.bucket_url, credentials=config.credentials)
    return Destination("filesystem", f"the lake in {lake.address}", factory, lake=lake)


def _resolve(name: str) -> tuple[Any, Any]:
    """What dlt makes of its own settings for this destination, and the destination with just these credentials."""
    import dlt
    from dlt.common.configuration.exceptions import ConfigFieldMissingException, ConfigurationException

    make = getattr(dlt.destinations, name)
    spec = make().spec()
    try:
        config = make().configuration(spec._bind_dataset_name(dataset_name="any"))
    except ConfigFieldMissingException as error:
        missing = list(dict.fromkeys(_missing_fields(error.traces))) or ["credentials"]
        example = "__".join(["destination", name, *missing[0].split(".")]).upper()
        raise ConfigurationError(
            f"The destination {name!r} is not configured; missing: {', '.join(missing)}. Set it the way dlt reads it: "
            f"in {Path('.dlt/secrets.toml').absolute()} under [destination.{name}], or in the environment, a variable "
            f"for each field, such as {example}."
        ) from None
    except ConfigurationException as error:  # dlt keeps secrets out of these
        raise ConfigurationError(f"The settings of the destination {name!r} cannot be read: {error}") from None
    return config, make(credentials=config.credentials)


def _missing_fields(traces: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of the settings that dlt looked for in vain; alternatives are all named."""
    for name, tried in traces.items():
        inner = [trace.traces for trace in tried if hasattr(trace, "traces")]
        for each in inner:
            yield from _missing_fields(each, f"{prefix}{name}.")
        if not inner:
            yield f"{prefix}{name}"


def _require_packages(name: str, modules: tuple[str, ...]) -> None:
    for module in modules:
        try:
            found = find_spec(module)
        except ModuleNotFoundError:
            found = None
        if not found:
            raise ConfigurationError(
                f"The destination {name!r} needs packages that are not installed: pip install 'statsig-runs[{name}]'."
            )


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
        # unqualified names are the lake's; with more threads their transactions fail each other
        "settings": {"TimeZone": "UTC", "schema": f"{lake}.main"},
        "threads": 1,
    }


def _install_extensions(catalogue: str) -> None:
    """Install DuckDB's extensions from the packages that hold them; where these are absent, DuckDB downloads them."""
    if find_spec("duckdb_extensions"):
        from duckdb_extensions import import_extension

        for name in ("ducklake", *(["postgres_scanner"] if catalogue.startswith("postgres") else [])):
            import_extension(name)


class _Engine(NamedTuple):
    modules: tuple[str, ...]
    """What must be importable: dlt's driver and dbt's adapter."""
    describe: Callable[[Any], tuple[str, Profile]]
    """From dlt's resolved configuration to a name of the place for people, and the dbt output."""


_ENGINES: Final[dict[str, _Engine]] = {
    "postgres": _Engine(("psycopg2", "dbt.adapters.postgres"), _postgres),
    "ducklake": _Engine(("dbt.adapters.duckdb",), _ducklake),
    "motherduck": _Engine(("dbt.adapters.duckdb",), _motherduck),
    "snowflake": _Engine(("snowflake.connector", "dbt.adapters.snowflake"), _snowflake),
    "bigquery": _Engine(("google.cloud.bigquery", "dbt.adapters.bigquery"), _bigquery),
    "redshift": _Engine(("psycopg2", "dbt.adapters.redshift"), _postgres),
    "databricks": _Engine(("databricks.sql", "dbt.adapters.databricks"), _databricks),
}

NAMES: Final = ("duckdb", *_ENGINES, "filesystem")
"""Every destination, the default first."""
