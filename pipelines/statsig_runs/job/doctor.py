"""`statsig-runs doctor`: looks at each thing that a sync needs, and says what to do where one is missing.

It changes nothing, and makes at most one request. A finding fails with the exit code that a sync or a check would have.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.api import ConsoleApi, Runs
from statsig_runs.api.address import check_base_url
from statsig_runs.api.shared_log import log_directory, log_name
from statsig_runs.errors import (
    AlreadyRunningError,
    ApiError,
    CheckFailedError,
    ConfigurationError,
    NotAuthorisedError,
    StatsigRunsError,
    StorageError,
)
from statsig_runs.readers.display import duration, moment
from statsig_runs.readers.published import fetch_rows, newest_fetch, reading
from statsig_runs.setting_places import read_places
from statsig_runs.settings_explained import find_unread
from statsig_runs.warehouse.lock import find_holder
from statsig_runs.warehouse.published import STORAGE_VERSION

if TYPE_CHECKING:
    from statsig_runs.settings import Settings
    from statsig_runs.warehouse import Warehouse

_LEAST_SPACE: Final = 200 * 2**20
_COPIES: Final = 3
"""Of the database: the copy that is being written, and what the models write before the old rows are free."""
_LIBRARIES: Final = ("dlt", "dbt-core", "dbt-duckdb", "duckdb")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of one thing. `state` is `ok`, `warning` or `failed`; `remedy` says what to do, if anything."""

    name: str
    state: str
    told: str
    remedy: str = ""
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def examine(warehouse: Warehouse, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Look at everything, in the order in which a sync would stumble over it."""
    yield _settings()
    yield _key(settings)
    if settings.api_key:
        yield _limiter_log(settings.api_key, settings.base_url)
        yield _api(settings.api_key, settings)
    yield _space(warehouse)
    yield from _files(warehouse)
    yield _lock(warehouse)
    yield _versions()
    yield from _published(warehouse, settings, now)


def _settings() -> Finding:
    if unread := list(find_unread(read_places())):
        told = "one name is none of a setting" if len(unread) == 1 else f"{len(unread)} names are none of a setting"
        return Finding("settings", "warning", told, "\n".join(unread))
    return Finding("settings", "ok", "every name is known")


def _key(settings: Settings) -> Finding:
    try:
        key = settings.require_api_key()
    except ConfigurationError as error:
        told, _, remedy = str(error).partition("\n")
        return Finding("key", "failed", told.split(". ")[0] + ".", f"Set one of these:\n{remedy}", error.exit_code)
    if not key.startswith("console-"):
        remedy = "The Statsig console makes one under Project Settings, API Keys."
        return Finding("key", "warning", "set, but a Console API key starts with `console-`", remedy)
    return Finding("key", "ok", "set")


def _limiter_log(key: str, base_url: str) -> Finding:
    folder = log_directory()
    remedy = "Syncs work, but not together with other processes: mend its permissions, or delete it if it is damaged."
    try:
        file = folder / log_name(key, check_base_url(base_url))
        if file.exists():
            with closing(sqlite3.connect(file, timeout=1)) as log:
                log.execute("begin immediate")
                log.rollback()
        elif not os.access(folder, os.W_OK):
            return Finding("limiter log", "warning", f"{folder} cannot be written", remedy)
    except (ConfigurationError, OSError, sqlite3.Error) as error:
        return Finding("limiter log", "warning", f"its file in {folder} cannot be used: {error}", remedy)
    return Finding("limiter log", "ok", f"{file} can be written")


def _api(key: str, settings: Settings) -> Finding:
    began = time.monotonic()
    try:
        with ConsoleApi(key, base_url=settings.base_url, rate_limits=settings.rate_limits, max_requests=1) as api:
            page = Runs(api).read_page(attempts=1)
    except (ConfigurationError, NotAuthorisedError, ApiError) as error:
        told, _, remedy = str(error).partition("\n")
        return Finding("API", "failed", told, remedy or _network(error), error.exit_code)
    seconds = time.monotonic() - began
    told = f"{settings.base_url} answered in {seconds:.1f} s, with {len(page.runs)} runs on its first page"
    return Finding("API", "ok", told)


def _network(error: StatsigRunsError) -> str:
    if not isinstance(error, ApiError):
        return "" if isinstance(error, ConfigurationError) else "Set a valid key, and see that it may read."
    proxies = [name for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy") if os.environ.get(name)]
    seen = f" Of the environment it heeds {', '.join(proxies)}." if proxies else ""
    return f"Check the network, a proxy (HTTPS_PROXY) and the certificates to trust (SSL_CERT_FILE).{seen}"


def _space(warehouse: Warehouse) -> Finding:
    folder = next(each for each in warehouse.database.parents if each.exists())
    if not os.access(folder, os.W_OK):
        remedy = "Mend its permissions, or name another place with --database."
        return Finding("space", "failed", f"{folder} cannot be written", remedy, StorageError.exit_code)
    size = warehouse.database.stat().st_size if warehouse.database.exists() else 0
    free = shutil.disk_usage(folder).free
    told = f"{_size(free)} free in {folder}" + (f", the database has {_size(size)}" if size else "")
    wanted = max(_LEAST_SPACE, _COPIES * size)
    if free >= wanted:
        return Finding("space", "ok", told)
    return Finding(
        "space", "failed", told, f"A sync may need {_size(wanted)}: free some space.", StorageError.exit_code
    )


def _files(warehouse: Warehouse) -> Iterator[Finding]:
    """What a sync by another user, or by root, may have left to itself; told only where there is something."""
    state = warehouse.state
    within = (state / "lock", state / "lock.json", state / "dbt", state / "dbt" / "target", state / "pipelines")
    places = (warehouse.database, warehouse.published.file.parent, state, *within)
    found = [path for path in places if path.exists() and not os.access(path, os.W_OK)]
    if found:
        told = ", ".join(f"{path} of {_owner(path)}" for path in found)
        remedy = f"Give them to the user that syncs:\n  chown -R USER {shlex.quote(str(warehouse.database.parent))}"
        yield Finding("files", "failed", f"this user cannot write {told}", remedy, StorageError.exit_code)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:  # a user that this machine does not know
        return f"user {path.stat().st_uid}"


def _size(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"


def _lock(warehouse: Warehouse) -> Finding:
    try:
        holder = find_holder(warehouse.state, warehouse.destination.place)
    except OSError as error:
        remedy = f"Mend the permissions of {warehouse.state}."
        return Finding("lock", "failed", f"it cannot be taken: {error.strerror}", remedy, StorageError.exit_code)
    if holder is None:
        return Finding("lock", "ok", "no sync is running")
    told, _, remedy = str(holder).partition(". ")
    is_fine = isinstance(holder, AlreadyRunningError)
    return Finding(
        "lock", "ok" if is_fine else "failed", told, "" if is_fine else remedy, 0 if is_fine else holder.exit_code
    )


def _versions() -> Finding:
    found = [f"statsig-runs {_version('statsig-runs')}", f"Python {'.'.join(map(str, sys.version_info[:3]))}"]
    return Finding("versions", "ok", ", ".join(found + [f"{name} {_version(name)}" for name in _LIBRARIES]))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"


def _published(warehouse: Warehouse, settings: Settings, now: datetime) -> Iterator[Finding]:
    file = warehouse.published.file
    if not file.exists():
        yield Finding("published copy", "warning", "nothing was published yet", "Run `statsig-runs sync`.")
        return
    try:
        with reading(warehouse) as connection:
            [row] = fetch_rows(connection, _STORAGE)
            loads = fetch_rows(connection, "select started_at from fct_loads order by started_at desc limit 20")
            newest = newest_fetch(connection)
    except (ConfigurationError, StorageError) as error:
        told, _, remedy = str(error).partition("\n")
        yield Finding("published copy", "failed", told, remedy, error.exit_code)
        return
    yield _file_version(file, row["storage"])
    yield _age([load["started_at"] for load in loads], newest, settings.checks.max_hours_since_load, now)


_STORAGE: Final = "select tags['storage_version'] as storage from duckdb_databases() where not internal"


def _file_version(file: Path, storage: str | None) -> Finding:
    told = f"{file}, in the format of DuckDB {storage or 'unknown'}"
    if storage and STORAGE_VERSION in storage:
        return Finding("published copy", "ok", told)
    remedy = f"Programs with DuckDB {STORAGE_VERSION} may not open it: read it with this version or a later one."
    return Finding("published copy", "warning", told, remedy)


def _age(loads: list[datetime], newest: datetime | None, most: float | None, now: datetime) -> Finding:
    last = max((each for each in (*loads[:1], newest) if each), default=None)
    if last is None:
        return Finding("last sync", "warning", "no run was loaded yet", "Run `statsig-runs sync`.")
    seconds = (now - last).total_seconds()
    told = f"{moment(last)}, {duration(seconds)} ago"
    if len(loads) > 1:
        rhythm = median((later - earlier).total_seconds() for later, earlier in pairwise(loads))
        told += f"; usually one every {duration(rhythm)}"
    if most is None or most < 0 or seconds <= most * 3600:
        return Finding("last sync", "ok", told)
    remedy = (
        f"That is more than max_hours_since_load ({most:g}): see that the schedule runs, and what it logged; "
        "every hour is a good rhythm."
    )
    return Finding("last sync", "failed", told, remedy, CheckFailedError.exit_code)


def worst(findings: list[Finding]) -> int:
    """The exit code of the first finding that failed, because the others may have failed for its sake; else 0."""
    return next((each.exit_code for each in findings if each.state == "failed"), 0)
