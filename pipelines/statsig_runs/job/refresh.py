"""From raw tables to what people read: build and test the models, publish the copy, write the page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from statsig_runs.errors import as_told
from statsig_runs.models import Build, build_models

if TYPE_CHECKING:
    from statsig_runs.job.progress import Watch
    from statsig_runs.job.summary import Summary
    from statsig_runs.settings import Settings
    from statsig_runs.warehouse import Warehouse
    from statsig_runs.warehouse.loader import Loader

log = logging.getLogger(__name__)


def build(warehouse: Warehouse, settings: Settings, *, full_refresh: bool = False) -> Build:
    """Build and test all marts of a warehouse, as its settings define them.

    Raises:
        ModelsError: a model did not build or a test failed; the published copy is as it was.
        StorageError: the database could not be written.
    """
    with warehouse.destination.modelling(warehouse.schemas) as profile:
        return build_models(
            warehouse.database,
            schemas=warehouse.schemas,
            settle_hours=settings.settle_hours,
            terminal_success_statuses=settings.terminal_success_statuses,
            day_utc_offset_hours=settings.day_utc_offset_hours,
            overdue_grace_hours=settings.overdue_grace_hours,
            completeness_days=settings.completeness_days,
            volume_drop_ratio=settings.volume_drop_ratio,
            full_refresh=full_refresh,
            state=warehouse.state / "dbt",
            profile=profile,
        )


def refresh_page(warehouse: Warehouse) -> None:
    """Write the page of what is published."""
    from statsig_runs.readers.published import reading
    from statsig_runs.report import write_report

    page = warehouse.published.report
    try:
        with reading(warehouse) as connection:
            write_report(connection, page)
    except Exception as error:  # noqa: BLE001  the data is published: a page that fails must not take it back
        log.error("the page %s could not be written and is an older one: %s", page, error)  # noqa: TRY400


def finish(
    warehouse: Warehouse,
    loader: Loader,
    settings: Settings,
    summary: Summary,
    watch: Watch,
    *,
    full_refresh: bool = False,
) -> None:
    """Record a load, then model and publish it. What fails is the summary's error, if it has none yet."""
    try:
        _finish(warehouse, loader, settings, summary, watch, full_refresh=full_refresh)
    except Exception as error:
        log.debug("where it was raised", exc_info=True)
        summary.error = summary.error or as_told(error)


def _finish(
    warehouse: Warehouse, loader: Loader, settings: Settings, summary: Summary, watch: Watch, *, full_refresh: bool
) -> None:
    loader.record(summary.to_load())
    with summary.timed("model_seconds"):
        watch.step("building the models")
        built = build(warehouse, settings, full_refresh=full_refresh)
    loader.note(summary.to_load())
    with summary.timed("publish_seconds"):
        watch.step("publishing")
        warehouse.publish(warehouse.window(built.marts, loader, settings.publish_days))
    loader.note(summary.to_load())
    refresh_page(warehouse)
