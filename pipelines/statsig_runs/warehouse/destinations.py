"""Where the data can go: one name and one place of configuration give what dlt loads into and what dbt models in.

Credentials are set the way dlt users know (`[destination.postgres.credentials]` in `.dlt/secrets.toml`, or
`DESTINATION__POSTGRES__CREDENTIALS`) and resolved by dlt's own specifications; the dbt profile is derived from them.
Knows neither the API nor the tables.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from statsig_runs.errors import ConfigurationError
from statsig_runs.models.dbt_project import secrets_of
from statsig_runs.warehouse.profiles import ENGINES

if TYPE_CHECKING:
    from statsig_runs.warehouse.files import Schemas
    from statsig_runs.warehouse.lake import Lake
    from statsig_runs.warehouse.loader import Loader

_PASSWORD: Final = re.compile(r"://[^:/@]*:([^/@]+)@")
_LOADING_MEMORY: Final = "600MB"
"""What DuckDB may hold in memory while it loads: left alone, it keeps all that it has read and written."""
_TABLES_ONLY: Final = {"python_enable_replacements": False}
"""DuckDB would look for a table that is not there among Python's variables; a Ctrl-C in that moment would be lost."""


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
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

    credentials = DuckDbCredentials(str(database), global_config={"memory_limit": _LOADING_MEMORY, **_TABLES_ONLY})
    return Destination("duckdb", str(database), dlt.destinations.duckdb(credentials))


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
    engine = ENGINES.get(name)
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
    if hasattr(config.credentials, "global_config"):  # a kind of DuckDB
        config.credentials.global_config = {**(config.credentials.global_config or {}), **_TABLES_ONLY}
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


NAMES: Final = ("duckdb", *ENGINES, "filesystem")
"""Every destination, the default first."""
