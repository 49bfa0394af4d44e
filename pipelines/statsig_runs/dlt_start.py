"""What must be so before dlt is used, and how it is asked for a setting. Knows no setting of ours by name.

dlt is imported by the functions that use it, not with the module.
"""

from __future__ import annotations

import os
from typing import Any, Final

from statsig_runs.errors import ConfigurationError
from statsig_runs.setting_places import at, packaged_defaults, read_places

DEFAULTS: Final = "statsig-runs defaults"
"""What dlt calls the provider of the package's own settings."""
_TELEMETRY: Final = "RUNTIME__DLTHUB_TELEMETRY"
_WHERE_SETTINGS_ARE: Final = frozenset({"DLT_PROJECT_DIR", "DLT_CONFIG_FOLDER"})


def forget_variables_of_dlt() -> None:
    """Drop what dlt reads past its settings, some of it while it is imported: to be called before that."""
    for name in [name for name in os.environ if name.startswith("DLT_") and name not in _WHERE_SETTINGS_ARE]:
        del os.environ[name]


def prepare_dlt() -> None:
    """Give dlt the package's defaults as its last resort."""
    if _TELEMETRY not in os.environ and not _is_telemetry_configured():
        os.environ[_TELEMETRY] = "false"  # dlt decides while it is imported, before a provider can be added
    import dlt
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.providers import CustomLoaderDocProvider
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    if DEFAULTS not in [provider.name for provider in Container()[PluggableRunContext].providers.providers]:
        dlt.config.register_provider(
            CustomLoaderDocProvider(DEFAULTS, packaged_defaults, supports_secrets=False, locations=[])
        )


def ask_dlt(path: str, is_secret: bool) -> Any:
    """The value of a setting by its whole name, as dlt finds it; None where there is none."""
    import dlt

    return (dlt.secrets if is_secret else dlt.config).get(path)


def _is_telemetry_configured() -> bool:
    try:
        files = read_places().files
    except ConfigurationError:  # dlt says so itself
        return False
    return any(at(content, "runtime.dlthub_telemetry") is not None for _, content in files)
