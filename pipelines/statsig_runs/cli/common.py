"""What all commands share: their common options, and the way from these to the settings and the warehouse."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from statsig_runs.settings import Settings
    from statsig_runs.warehouse import Warehouse

log = logging.getLogger(__name__)

DATABASE: Final = Path("data/statsig_runs.duckdb")
_SHORTEST_SECRET: Final = 8
"""A shorter path of a webhook, such as `/`, would mask half of every text."""


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of each command that has to do with data: `--database`, `--log-level`, `--log-format`."""

    @click.option(
        "--database",
        type=click.Path(path_type=Path, dir_okay=False),
        default=DATABASE,
        show_default=True,
        help="The DuckDB file of the batch job; its published copy is in `published/` beside it.",
    )
    @click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="How much to log.")
    @click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="For people, or machines.",
    )
    @functools.wraps(command)
    def wrapped(*args: Any, log_level: str | None, log_format: str, **kwargs: Any) -> Any:
        from statsig_runs.dlt_start import forget_variables_of_dlt
        from statsig_runs.logs import configure_logging

        forget_variables_of_dlt()
        configure_logging(log_level, log_format)
        return command(*args, **kwargs)

    return wrapped


def to_destination(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option of the commands that write: `--destination`."""
    return click.option(
        "--destination",
        metavar="NAME",
        help="Where the data goes: duckdb, or a warehouse that is configured as dlt does it (see the README).",
    )(command)


def regular_file(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """For options that name a file to write: it is put in place whole, which would replace a device or a pipe."""
    if path and path.exists() and not path.is_file():
        raise click.BadParameter(f"{path} is no regular file, and would be replaced by one.")
    return path


def open_project(
    database: Path, *, is_reader: bool = False, tells_unread: bool = True, **overrides: Any
) -> tuple[Warehouse, Settings]:
    """The settings, and the warehouse they and `--database` name; names that no setting has are warned about.

    A reader has the published copy, whose place no destination changes: it needs no credentials of a warehouse, and
    does not wait for dlt to be imported.
    """
    from statsig_runs.redact import Redactor, install_log_filter
    from statsig_runs.schemas import Schemas
    from statsig_runs.setting_places import read_places
    from statsig_runs.settings import load_settings
    from statsig_runs.settings_explained import find_unread
    from statsig_runs.warehouse import open_warehouse

    places = read_places()
    settings = load_settings(places.look_up, **overrides)
    if not is_reader:
        _set_up_dlt()
    for told in find_unread(places) if tells_unread else ():
        log.warning("%s", told)
    destination = "duckdb" if is_reader else settings.destination
    warehouse = open_warehouse(database, Schemas.of_project(settings.project), destination)
    hook = _forms_of_address(settings.slack_incoming_hook or "")
    install_log_filter(Redactor([settings.api_key or "", *hook, *warehouse.destination.secrets]))
    return warehouse, settings


def _set_up_dlt() -> None:
    from statsig_runs.dlt_context import own_names_only
    from statsig_runs.logs import adopt_dlt_logs

    click.get_current_context().with_resource(own_names_only())
    adopt_dlt_logs()


def _forms_of_address(secret: str) -> tuple[str, ...]:
    """Libraries log the parts of an address one by one, or write it with its port."""
    parts = urlsplit(secret)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return (secret, target) if len(target) >= _SHORTEST_SECRET else (secret,)
