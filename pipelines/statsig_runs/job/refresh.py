"""From raw tables to what people read: build and test the models, publish the copy, write the page."""

from __future__ import annotations

import logging
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statsig_runs.errors import as_told
from statsig_runs.models import (
    Build,
    Definitions,
    ReadAhead,
    build_models,
    keep_renewal,
    read_models,
    renew,
    take_renewal,
    variables_of,
)

if TYPE_CHECKING:
    from statsig_runs.job.progress import Watch
    from statsig_runs.job.summary import Summary
    from statsig_runs.models import Renewal
    from statsig_runs.settings import Settings
    from statsig_runs.warehouse import Warehouse
    from statsig_runs.warehouse.loader import Loader

log = logging.getLogger(__name__)


def take_last_build(warehouse: Warehouse, settings: Settings) -> Renewal | None:
    """What the last build left for a sync that finds little new; to be called before anything is loaded.

    None where there is none, or where marts are not renewed without a build.
    """
    renewal = take_renewal(*_kept(warehouse, settings))
    return renewal if warehouse.destination.is_renewable else None


def read_ahead(warehouse: Warehouse, settings: Settings, last_build: Renewal | None) -> ReadAhead:
    """A thread in which dbt reads its project while the API is waited for. It does nothing where a build was kept.

    Wait for its end before anything is loaded: dlt imports modules to load, and dbt imports modules in this thread.
    """
    return ReadAhead(None if last_build else partial(read_models, **_arguments(warehouse, settings)))


def build(warehouse: Warehouse, settings: Settings, *, full_refresh: bool = False) -> Build:
    """Build and test all marts of a warehouse, as its settings define them.

    Raises:
        ModelsError: a model did not build or a test failed; the published copy is as it was.
        StorageError: the database could not be written.
    """
    take_last_build(warehouse, settings)  # it is of another build, and this one may fail
    with warehouse.destination.modelling(warehouse.schemas):
        built = build_models(**_arguments(warehouse, settings), full_refresh=full_refresh)
    keep_renewal(built.renewal, *_kept(warehouse, settings))
    return built


def _arguments(warehouse: Warehouse, settings: Settings) -> dict[str, Any]:
    return {
        "database": warehouse.database,
        "schemas": warehouse.schemas,
        "definitions": _definitions(settings),
        "state": warehouse.state / "dbt",
        "profile": warehouse.destination.profile(warehouse.schemas),
    }


def _definitions(settings: Settings) -> Definitions:
    return Definitions(**{field.name: getattr(settings, field.name) for field in fields(Definitions)})


def _kept(warehouse: Warehouse, settings: Settings) -> tuple[Path, str, dict[str, Any]]:
    """Where the last build is kept, and what it is of."""
    variables = variables_of(warehouse.schemas, _definitions(settings))
    return warehouse.state / "dbt", warehouse.destination.place, variables


def refresh_page(warehouse: Warehouse) -> None:
    """Write the page of what is published."""
    from statsig_runs.readers.published import reading
    from statsig_runs.report import write_report

    page = warehouse.report
    try:
        with reading(warehouse) as connection:
            write_report(connection, page, kept=warehouse.state / "charts")
    except Exception as error:  # noqa: BLE001  the data is published: a page that fails must not take it back
        log.error("the page %s could not be written and is an older one: %s", page, error)  # noqa: TRY400


def finish(
    warehouse: Warehouse,
    loader: Loader,
    settings: Settings,
    summary: Summary,
    watch: Watch,
    *,
    last_build: Renewal | None = None,
    waited: float = 0.0,
    full_refresh: bool = False,
) -> None:
    """Record a load, then model and publish it. What fails is the summary's error, if it has none yet.

    `last_build` is what the last one left: where little has changed since, dbt does not run. `waited` is how long the
    models have taken already, in seconds.
    """
    try:
        loader.record(summary.to_load())
        with summary.timed("model_seconds", waited):
            if not last_build or not _renew(warehouse, loader, settings, last_build):
                watch.step("building the models")
                last_build = build(warehouse, settings, full_refresh=full_refresh).renewal
        loader.note(summary.to_load())
        with summary.timed("publish_seconds"):
            watch.step("publishing")
            publish(warehouse, loader, settings, last_build)
        loader.note(summary.to_load())
        refresh_page(warehouse)
        warehouse.tidy(loader, settings.history_days)
    except Exception as error:
        log.debug("where it was raised", exc_info=True)
        summary.error = summary.error or as_told(error)


def _renew(warehouse: Warehouse, loader: Loader, settings: Settings, last_build: Renewal) -> bool:
    """Bring the marts up to the newest fetch without dbt, if it changed nothing or little."""
    with loader.connected():
        if not renew(last_build, loader.sql):
            return False
    keep_renewal(last_build, *_kept(warehouse, settings))
    return True


def publish(warehouse: Warehouse, loader: Loader, settings: Settings, built: Renewal) -> None:
    """Put what was built before the readers.

    Raises:
        StorageError: the warehouse could not be read or the copy not be written; the last one is still there.
    """
    warehouse.publish(warehouse.window(built.marts, loader, settings.publish_days))
