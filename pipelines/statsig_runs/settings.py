"""The settings, resolved the way dlt users know: environment, `.dlt/secrets.toml`, `.dlt/config.toml`, defaults.

Only whole names are looked up. dlt's own resolution would also take an unrelated `API_KEY` or `BASE_URL` of the
environment, and send the key of one service to another. A command looks where `setting_places` says; in a pipeline of
somebody else's, dlt is asked, which may know more places.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_origin, get_type_hints

import msgspec

from statsig_runs.dlt_start import ask_dlt, prepare_dlt
from statsig_runs.errors import ConfigurationError

SECTION: Final = "sources.statsig_runs"
LookUp = Callable[[str, bool], Any]
"""From a setting's whole name, and whether it is a secret, to its value; None where it has none."""


@dataclass(frozen=True, slots=True)
class SourceChecks:
    """Thresholds of one source; those that are None are the ones of all sources."""

    max_hours_since_success: float | None = None
    max_overdue_dates: int | None = None
    max_empty_dates: int | None = None
    max_volume_drops: int | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    """Thresholds of `statsig-runs check`; a threshold of None, or one below zero, is not checked.

    `sources` has thresholds for single sources. `repeat_hours` is the age from which on `--notify` tells a missed check
    again; a negative one for never.
    """

    max_hours_since_load: float | None = None
    max_hours_since_success: float | None = None
    max_overdue_dates: int | None = None
    max_empty_dates: int | None = None
    max_volume_drops: int | None = None
    ignored_sources: tuple[str, ...] = ()
    max_final_error_rate: float | None = None
    error_rate_days: int = 7
    max_late_runs: int | None = None
    max_findings: int | None = None
    ignored_findings: tuple[str, ...] = ()
    repeat_hours: float = 24.0
    sources: Mapping[str, SourceChecks] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting under `[sources.statsig_runs]`, and the webhook of `[runtime]`."""

    api_key: str | None = field(repr=False)
    base_url: str
    rate_limits: str
    settle_days: float
    settle_hours: float
    terminal_success_statuses: tuple[str, ...]
    day_utc_offset_hours: float
    overdue_grace_hours: float
    completeness_days: int
    volume_drop_ratio: float
    project: str
    destination: str
    publish_days: float
    history_days: float
    status: bool
    checks: Checks
    slack_incoming_hook: str | None = field(repr=False)

    def require_api_key(self) -> str:
        """The Console API key.

        Raises:
            ConfigurationError: there is none; the text says exactly where to put it.
        """
        if self.api_key:
            return self.api_key
        raise ConfigurationError(
            "No Console API key is set. Set one of these:\n"
            "  the environment variable STATSIG_API_KEY\n"
            "  the environment variable SOURCES__STATSIG_RUNS__API_KEY\n"
            f"  api_key under [sources.statsig_runs] in {Path('.dlt/secrets.toml').absolute()}\n"
            "A Console API key starts with `console-`; the Statsig console makes one under Project Settings, API Keys."
        )


def load_settings(look_up: LookUp | None = None, **overrides: Any) -> Settings:
    """Resolve all settings; an override that is None does not count.

    Args:
        look_up: where to look; by default, dlt is asked.
        overrides: settings that do not come from there, by name.

    Raises:
        ConfigurationError: a value has the wrong type, or a `.dlt` file cannot be read.
    """
    try:
        if look_up is None:
            prepare_dlt()
            look_up = ask_dlt
        values = {name: _read(look_up, name, kind, overrides.get(name)) for name, kind in _types(Settings).items()}
        checks = {name: _read(look_up, f"checks.{name}", kind) for name, kind in _types(Checks).items()}
        checks["sources"] = _read_sources(look_up)
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001  dlt and the parsers below it raise what they like
        raise ConfigurationError(f"The settings cannot be read: {in_one_line(error)}") from None
    values["api_key"] = values["api_key"] or os.environ.get("STATSIG_API_KEY")
    if values["settle_days"] < 0 or values["settle_hours"] < 0:
        raise ConfigurationError("settle_days and settle_hours cannot be negative.")
    if not (values["settle_days"] <= LONGEST_DAYS and values["settle_hours"] <= LONGEST_DAYS * 24):  # nor `nan`
        raise ConfigurationError(f"settle_days and settle_hours cannot be longer than {LONGEST_DAYS:,} days.")
    _check_days(values["day_utc_offset_hours"], values["overdue_grace_hours"], values["completeness_days"])
    if not 0 < values["publish_days"] <= LONGEST_DAYS:
        raise ConfigurationError(f"publish_days must be above 0, to {LONGEST_DAYS:,}, not {values['publish_days']:g}.")
    if not values["history_days"] <= LONGEST_DAYS:  # nor `nan`
        raise ConfigurationError(f"history_days must be up to {LONGEST_DAYS:,}, not {values['history_days']:g}.")
    if not 0 <= values["volume_drop_ratio"] <= 1:
        raise ConfigurationError(f"volume_drop_ratio must be from 0 to 1, not {values['volume_drop_ratio']:g}.")
    _check_project(values["project"])
    return Settings(**values, checks=Checks(**{name: value for name, value in checks.items() if value is not None}))


def _check_days(offset_hours: float, grace_hours: float, days: int) -> None:
    if not (-_FARTHEST_ZONE <= offset_hours <= _FARTHEST_ZONE and (offset_hours * 4).is_integer()):  # nor `nan`
        raise ConfigurationError(
            f"day_utc_offset_hours must be a number of hours from -{_FARTHEST_ZONE} to {_FARTHEST_ZONE}, in quarters, "
            f"not {offset_hours:g}: -8 for Statsig's own day, 0 for a Warehouse Native project."
        )
    if not 0 <= grace_hours <= LONGEST_DAYS * 24:
        raise ConfigurationError(f"overdue_grace_hours must be from 0 to {LONGEST_DAYS * 24:,}, not {grace_hours:g}.")
    if not 1 <= days <= LONGEST_DAYS:
        raise ConfigurationError(f"completeness_days must be from 1 to {LONGEST_DAYS:,}, not {days}.")


def _check_project(project: str) -> None:
    if not project:
        return
    if not _PROJECT.fullmatch(project):
        raise ConfigurationError(
            "`project` becomes part of schema names: use ASCII letters, digits and underscores only."
        )
    if len(project) > _LONGEST_PROJECT:
        raise ConfigurationError(
            f"`project` can have {_LONGEST_PROJECT} characters: PostgreSQL cuts the names of schemas after 63."
        )
    if re.search(r"^(raw|staging)(_|$)|(^|_)staging$", project, re.IGNORECASE):
        raise ConfigurationError(
            f"`project` cannot be {project!r}: its schemas would have the names of another project's. "
            "Choose a name that does not begin with `raw` or `staging` and does not end with `staging`."
        )


LONGEST_DAYS: Final = 36_500
"""A century: dates end not far beyond."""
_FARTHEST_ZONE: Final = 14
"""Hours from UTC: no calendar day of the world begins earlier or later."""
_PROJECT: Final = re.compile("[A-Za-z0-9_]+")
_LONGEST_PROJECT: Final = 40
SECRETS: Final = {"api_key", "slack_incoming_hook"}


def full_name(name: str) -> str:
    """A setting's name with its sections."""
    return f"runtime.{name}" if name == "slack_incoming_hook" else f"{SECTION}.{name}"


def _types(of: type) -> dict[str, Any]:
    """The names of single settings of a class, and their types."""
    return {name: kind for name, kind in get_type_hints(of).items() if name not in {"checks", "sources"}}


SETTINGS: Final = frozenset(
    map(full_name, (*_types(Settings), *(f"checks.{name}" for name in (*_types(Checks), "sources"))))
)
"""Every setting by its whole name."""


def _read(look_up: LookUp, name: str, kind: Any, override: Any = None) -> Any:
    path, is_secret = full_name(name), name in SECRETS
    value = look_up(path, is_secret) if override is None else override
    return None if value is None else _convert(value, kind, path, is_secret=is_secret)


def _read_sources(look_up: LookUp) -> dict[str, SourceChecks] | None:
    """A table for each source; in the environment, all of them as one JSON object."""
    path = full_name("checks.sources")
    tables = look_up(path, False)
    if tables is None:
        return None
    with suppress(ValueError):
        tables = json.loads(tables) if isinstance(tables, str) else tables
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigurationError(f'The setting {path} must have a table for each source, as in [{path}."Web events"].')
    kinds = _types(SourceChecks)
    for source, table in tables.items():
        if unknown := sorted(table.keys() - kinds.keys()):
            raise ConfigurationError(
                f"The setting {path}.{json.dumps(source)}.{unknown[0]} does not exist: a source has "
                f"{' and '.join(kinds)}."
            )
    return {
        source: SourceChecks(**{name: _convert(value, kinds[name], path) for name, value in table.items()})
        for source, table in tables.items()
    }


def _convert(value: Any, kind: Any, path: str, *, is_secret: bool = False) -> Any:
    try:
        return msgspec.convert(_as_written(value, kind), kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        expected = re.search(r"Expected `(\w+)", str(error))
        shown = "" if is_secret else f", not {value!r}"
        told = expected[1] if expected else "list"
        raise ConfigurationError(f"The setting {path} must be of type {told}{shown}.") from None


def _as_written(value: Any, kind: Any) -> Any:
    """A value as its type writes it: a file may leave out quotes, and the environment knows texts alone."""
    if get_origin(kind) is tuple:
        if isinstance(value, str):  # a JSON list, or names with commas between; without any, with spaces between
            text = value.strip()
            names = text.split(",") if "," in text else text.split()
            value = json.loads(text) if text.startswith("[") else [each.strip() for each in names if each.strip()]
        return list(map(str, value)) if isinstance(value, list) else value
    if kind in (str, str | None):
        return str(value) if isinstance(value, int | float) else value
    return value.strip() if isinstance(value, str) else value


def in_one_line(error: BaseException) -> str:
    """The beginning of an error's text, without its line breaks."""
    return " ".join(str(error).split())[:500] or type(error).__name__  # dlt names the file first, then the place in it
