"""The factory of warehouses: it puts together the loader, the lake and the profile of each destination.

One name, such as `postgres`, gives what dlt loads into and what dbt models in. Credentials are set the way dlt users
know: in `.dlt/secrets.toml` under `[destination.postgres.credentials]`, or as `DESTINATION__POSTGRES__CREDENTIALS`. dlt
resolves them, and the dbt profile follows from them. Knows neither the API nor the tables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from statsig_runs.errors import ConfigurationError
from statsig_runs.models.dbt_project import secrets_of
from statsig_runs.schemas import Schemas
from statsig_runs.warehouse.destination import Destination
from statsig_runs.warehouse.files import Warehouse
from statsig_runs.warehouse.lock import file_lock, server_lock
from statsig_runs.warehouse.profiles import ENGINES

if TYPE_CHECKING:
    from statsig_runs.warehouse.lake import Lake
    from statsig_runs.warehouse.loader import Loader

NAMES: Final = ("duckdb", *ENGINES, "filesystem")
"""Every destination, the default first."""

_SESSIONS: Final = {"PGTZ": "UTC", "PGDATESTYLE": "ISO, MDY", "PGCLIENTENCODING": "UTF8"}
"""How sessions of PostgreSQL are, by the variables that its library takes it from."""
_OPTIONS: Final = {
    "jit": "off",  # to compile the query of a large model takes a second or two, ten times what most of them take
    "standard_conforming_strings": "on",
    "idle_session_timeout": "0",  # a sync may wait a quarter of an hour for the API; known since PostgreSQL 14
    "lock_timeout": "10min",  # or a table that somebody else has locked would be waited for in silence and for ever
}
"""Settings of the server that hold in all our sessions, whatever those of the database and of the user are."""
_PASSWORD: Final = re.compile(r"://[^:/@]*:([^/@]+)@")
_OWN_FILE: Final = {
    # without a limit, DuckDB keeps all that it has read and written
    "memory_limit": "600MB",
    # as many keys as a renewal may have are compared before the other columns of a row are read
    "dynamic_or_filter_threshold": 1_000,
}
"""How DuckDB loads into its file and renews the marts there."""
_TABLES_ONLY: Final = {"python_enable_replacements": False}
"""Keeps DuckDB from looking for an unknown table among Python's variables: it would swallow a Ctrl-C meanwhile."""


def open_warehouse(database: Path, schemas: Schemas | None = None, destination: str = NAMES[0]) -> Warehouse:
    """The warehouse of one project; nothing is connected to, and nothing created.

    Args:
        database: the DuckDB file, which names the folder of the state with any destination.
        schemas: the project's schemas; those of the only one unless others are given.
        destination: a name of `NAMES`.

    Raises:
        ConfigurationError: the name of the destination or of the file is unusable, a package is not installed, or a
            credential is missing or unreadable.
    """
    database = database.absolute()
    return Warehouse(database, schemas or Schemas.of_project(), open_destination(destination, database))


def open_destination(name: str, database: Path) -> Destination:
    """Resolve a destination's credentials; nothing is connected to.

    Args:
        name: a name of `NAMES`.
        database: the DuckDB file, for the destination of that name.

    Raises:
        ConfigurationError: the name is unknown, a package is not installed, or a credential is missing or unreadable.
    """
    if name == "duckdb":
        return _own_file(database)
    if name == "filesystem":
        return _lake()
    engine = ENGINES.get(name)
    if not engine:
        raise ConfigurationError(f"There is no destination {name!r}. Choose one of: {', '.join(NAMES)}.")
    _require_packages(name, engine.modules)
    config, factory = _resolve(name)
    place, output = engine.describe(config)

    def profile(schemas: Schemas) -> Mapping[str, Any]:
        return {"schema": schemas.marts, "threads": engine.threads, **output}

    def locked(schemas: Schemas) -> AbstractContextManager[None]:
        match engine.lock_at(config):
            case None:
                return nullcontext()
            case Path() as file:
                return file_lock(file, schemas.raw, place)
            case server:
                return server_lock(server, schemas.raw, place, engine.check)

    return Destination(
        name,
        place,
        _sql_loader(factory),
        profile,
        lambda _: engine.building(config),
        locked,
        is_renewable=engine.is_renewable,
        tidy=engine.tidy,
        secrets=_secrets_of(output),
    )


def _own_file(database: Path) -> Destination:
    """The batch job's own DuckDB file."""

    def load(schemas: Schemas, state: Path) -> Loader:
        import dlt
        from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

        credentials = DuckDbCredentials(str(database), global_config=_OWN_FILE | _TABLES_ONLY)
        return _sql_loader(_merging_at_once(dlt.destinations.duckdb, credentials))(schemas, state)

    return Destination("duckdb", str(database), load, is_renewable=True, file=database)


def _lake() -> Destination:
    import dlt

    lake, config = resolve_lake()

    def load(schemas: Schemas, state: Path) -> Loader:
        from statsig_runs.warehouse.lake import LakeLoader

        factory = dlt.destinations.filesystem(bucket_url=config.bucket_url, credentials=config.credentials)
        return LakeLoader(factory, schemas, state, lake)

    def profile(schemas: Schemas) -> Mapping[str, Any]:
        from statsig_runs.warehouse.sail import profile

        return profile(schemas)

    def modelling(schemas: Schemas) -> AbstractContextManager[None]:
        from statsig_runs.warehouse.sail import modelling

        return modelling(lake, schemas)

    def tidy(loader: Loader, keep: timedelta) -> None:
        from statsig_runs.warehouse.upkeep import tidy_delta

        tidy_delta(lake, loader.schemas, keep)

    return Destination("filesystem", f"the lake in {lake.address}", load, profile, modelling, tidy=tidy)


def resolve_lake() -> tuple[Lake, Any]:
    """The lake that dlt's settings name, and these settings.

    Raises:
        ConfigurationError: a package is not installed, a setting is missing, or Sail cannot read the address.
    """
    _require_packages("filesystem", ("deltalake", "pysail", "pyspark", "dbt.adapters.spark"))
    from statsig_runs.warehouse.lake import Lake

    config, _ = _resolve("filesystem")
    return Lake(config), config


def _sql_loader(destination: Any) -> Callable[[Schemas, Path], Loader]:
    def load(schemas: Schemas, state: Path) -> Loader:
        from statsig_runs.warehouse.loader import Loader

        return Loader(destination, schemas, state)

    return load


def _secrets_of(profile: Mapping[str, Any]) -> tuple[str, ...]:
    """What no log and no error may show; of an address with a password in it, the password alone as well."""
    secrets = secrets_of(profile).values()
    passwords = [password for secret in secrets for password in _PASSWORD.findall(secret)]
    return (*secrets, *passwords, *map(unquote, passwords))


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
    if hasattr(config.credentials, "global_config"):  # a kind of DuckDB
        config.credentials.global_config = {**(config.credentials.global_config or {}), **_TABLES_ONLY}
    if hasattr(config.credentials, "session_timezone"):  # PostgreSQL
        # in a zone east of UTC the last hours of 9999 are in the year 10000, which Python does not have
        config.credentials.session_timezone = "UTC"
        _settle_sessions(name, config.credentials)
    return config, _merging_at_once(make, config.credentials)


def _merging_at_once(make: Callable[..., Any], credentials: Any) -> Any:
    """A dlt destination whose merges are one transaction each, where the engine has these.

    Left to itself, dlt takes one only for a merge that has the letters of `create`, `alter` or `drop` in it, such as in
    `created_at`. Any other commits its delete and its insert apart, and readers see neither row between them.
    """
    has_transactions = make().capabilities().supports_ddl_transactions
    return make(credentials=credentials, supports_transactions=has_transactions)


def _settle_sessions(name: str, credentials: Any) -> None:
    """Let no variable of PostgreSQL's own library say how our sessions read and write; where they connect to, it may.

    PostgreSQL believes such a variable before the options of an address, so these settle an address's own zone as well,
    and dbt's sessions with dlt's. An address's own options come last, and so they count.
    """
    for variable in (*_SESSIONS, "PGOPTIONS"):
        os.environ.pop(variable, None)
    if name == "postgres":
        os.environ.update(_SESSIONS)
        options = " ".join(f"-c {option}={value}" for option, value in _OPTIONS.items())
        query = credentials.query or {}  # None where the address stands in fields of its own
        credentials.query = {**query, "options": f"{options} {query.get('options', '')}".strip()}


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
