"""dlt as this program means it: of the environment and of `.dlt` files, it sees the names that are documented here.

dlt looks up some three hundred settings by names that other programs use as well: with `REFRESH=drop_data` in the
environment it empties every table. While `own_names_only` is open, whatever is not this program's own has the value of
the package's `config.toml`, or dlt's default. Knows names only, no value.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ConfigProviderException
from dlt.common.configuration.providers import (
    ConfigTomlProvider,
    CustomLoaderDocProvider,
    EnvironProvider,
    SecretsTomlProvider,
)
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext

from statsig_runs.dlt_start import DEFAULTS
from statsig_runs.errors import ConfigurationError
from statsig_runs.setting_places import packaged_defaults
from statsig_runs.settings import SETTINGS, in_one_line
from statsig_runs.warehouse.profiles import ENGINES

_OF_DLT: Final = frozenset({"runtime.dlthub_telemetry"})
_OF_DESTINATIONS: Final[dict[str, tuple[str, ...]]] = {
    **{name: engine.settings for name, engine in ENGINES.items()},
    "filesystem": (
        *("credentials", "bucket_url", "deltalake_storage_options"),
        *("kwargs", "client_kwargs", "config_kwargs"),
    ),
}
"""Where a destination is and how to get in; a field may have fields of its own. The DuckDB file takes none."""


def is_own(path: Sequence[str]) -> bool:
    """Whether a setting, by its sections and its name, is one of this program's."""
    if ".".join(path) in SETTINGS | _OF_DLT:
        return True
    section, name, field, *_ = (*path, "", "", "")
    return section == "destination" and field in _OF_DESTINATIONS.get(name, ())


@contextmanager
def own_names_only() -> Iterator[None]:
    """In the whole process, let dlt see no other settings than this program's while this is open.

    Raises:
        ConfigurationError: a `.dlt` file cannot be read.
    """
    try:
        context = PluggableRunContext(_OwnContext(None))
    except ConfigProviderException as error:
        raise ConfigurationError(f"The settings cannot be read: {in_one_line(error)}") from None
    context.extras_added = True  # dlt's further providers, a cloud's vault or Airflow's variables, know all names
    with Container().injectable_context(context):
        yield


class _OwnNames(ConfigProvider):
    """A provider of dlt's that has only this program's names to give."""

    def __init__(self, provider: ConfigProvider) -> None:
        self._provider = provider

    def get_value(self, key: str, hint: type[Any], pipeline_name: str | None, *sections: str) -> tuple[Any, str]:
        """See `ConfigProvider`."""
        path = [name for name in (pipeline_name, *sections, key) if name]
        return self._provider.get_value(key, hint, None, *sections) if is_own(path) else (None, ".".join(path))

    @property
    def name(self) -> str:
        """See `ConfigProvider`."""
        return self._provider.name

    @property
    def supports_secrets(self) -> bool:
        """See `ConfigProvider`."""
        return self._provider.supports_secrets

    @property
    def supports_sections(self) -> bool:
        """See `ConfigProvider`."""
        return self._provider.supports_sections

    @property
    def is_empty(self) -> bool:
        """See `ConfigProvider`."""
        return self._provider.is_empty

    @property
    def locations(self) -> Sequence[str]:
        """See `ConfigProvider`."""
        return self._provider.locations


class _OwnContext(RunContext):
    """dlt's own idea of where settings are, with less in them."""

    @property
    def global_dir(self) -> str:
        """The user's own folder of settings; without a home dlt takes one that everybody may write to."""
        found: str = super().global_dir
        return self.settings_dir if Path(found).is_relative_to(tempfile.gettempdir()) else found

    def initial_providers(self) -> list[ConfigProvider]:
        """Environment, `.dlt/secrets.toml`, `.dlt/config.toml`, and the package's `config.toml` as it is."""
        # the file holds no secrets. True saves time: otherwise dlt works out for each name whether it is a secret
        defaults = CustomLoaderDocProvider(DEFAULTS, packaged_defaults, supports_secrets=True, locations=[])
        files = (_SecretsFiles, ConfigTomlProvider)
        own = [EnvironProvider(), *(kind(self.settings_dir, self.global_dir) for kind in files)]
        return [*map(_OwnNames, own), defaults]


class _SecretsFiles(SecretsTomlProvider):
    """`secrets.toml` alone: where there is none, dlt imports Streamlit for its secrets, which takes half a second."""

    def _read_streamlit_secrets(self, name: str, file_name: str) -> Any:  # noqa: ARG002
        return None

    def _read_google_colab_secrets(self, name: str, file_name: str) -> Any:  # noqa: ARG002
        return None
