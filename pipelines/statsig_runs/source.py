"""The dlt source: the raw tables as resources, with their keys and dispositions. What a dlt user imports.

    import dlt
    from statsig_runs.source import statsig_ingestion

    pipeline = dlt.pipeline("statsig_runs", destination="duckdb", dataset_name="statsig_raw")
    pipeline.run(statsig_ingestion(["de941fa2-3e0f-44ec-a44c-5c51eed07e0d"], discover=False))

Every table is merged: a load replaces all rows of the runs it names and touches no others (dlt's delete-insert with a
merge key), so a run loaded again, longer, shorter or emptied, is exactly its latest state, and loading twice is
harmless. A message of the ingestion status stays as it was loaded first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.configuration.specs import BaseConfiguration

from statsig_runs import tables
from statsig_runs.api import ConsoleApi
from statsig_runs.contract import AcceptedRun, MissingRun, Outcome, RejectedRun
from statsig_runs.fetch import Unread, fetch_everything
from statsig_runs.flatten import build_tables
from statsig_runs.settings import load_settings
from statsig_runs.status_messages import Message, RejectedMessage, StatusFetch, StatusMessage, StatusProgress

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource

log = logging.getLogger(__name__)

BATCH_SIZE = 5_000
"""Runs flattened at a time: some 350,000 rows, 150 MB."""


@dlt.source(name="statsig_ingestion", section="statsig_runs", spec=BaseConfiguration)
def statsig_ingestion(
    run_ids: Iterable[str] = (),
    *,
    discover: bool = True,
    status: bool = True,
    api_key: str | None = None,
    base_url: str | None = None,
    rate_limits: str | None = None,
) -> Iterable[DltResource]:
    """Ingestion runs of one Statsig project, and what their ingestion status says, as flat tables with natural keys.

    The API allows about 100 requests in 10 s and 900 in 15 min for each project; a page of the list brings 10 runs, a
    read by id one.

    Args:
        run_ids: ids to read by name.
        discover: page through the list endpoint as well, to its end.
        status: with `discover`, ask for the ingestion status of all days back to the oldest run as well.
        api_key: a Console API key; without one `STATSIG_API_KEY`, `SOURCES__STATSIG_RUNS__API_KEY` and
            `.dlt/secrets.toml` are read.
        base_url: another origin than Statsig's.
        rate_limits: `requests/seconds` pairs with commas between.

    Raises:
        ConfigurationError: there is no key, or a setting is unusable.
        NotAuthorisedError: the API refused the key.
        ApiError: the API could not be reached.
    """
    settings = load_settings(api_key=api_key, base_url=base_url, rate_limits=rate_limits)
    key = settings.require_api_key()
    ids = (run_ids,) if isinstance(run_ids, str) else tuple(run_ids)

    def outcomes() -> Iterator[Outcome | Message]:
        with ConsoleApi(key, base_url=settings.base_url, rate_limits=settings.rate_limits) as api:
            messages = StatusFetch(
                api,
                StatusProgress(),
                now=datetime.now(UTC),
                settle_days=settings.settle_days,
                oldest=lambda: None,
                secret=key,
            )
            for outcome in fetch_everything(api, ids, discover=discover, secret=key):
                messages.note(outcome)
                yield outcome
            for message in messages if status and discover else ():
                if isinstance(message, Unread):
                    log.error("%s could not be read: %s", message.what, message.error)
                else:
                    yield message

    return raw_tables(lambda: _batches(outcomes()), keeps_first=True)


@dlt.source(name="statsig_ingestion", section="statsig_runs", spec=BaseConfiguration)
def loaded_batch(
    outcomes: Iterable[Outcome | Message],
    progress: Mapping[str, Any] | None = None,
    superseded: Iterable[AcceptedRun] = (),
) -> Iterable[DltResource]:
    """One batch that the batch job has fetched, and how far it came: both are committed together, or neither.

    Args:
        outcomes: what was fetched.
        superseded: runs of which the destination holds a newer state; only their payloads are loaded.
        progress: what the next sync needs to go on, as JSON-ready values by name; it lives in dlt's state of this
            source, beside what stands there under other names.
    """

    def batches() -> Iterator[dict[str, pa.Table]]:
        if progress is not None:  # dlt keeps what is written to its state while it extracts, and nothing else
            dlt.current.source_state().update(progress)
        yield split(outcomes, superseded)

    return raw_tables(batches)


def raw_tables(batches: Callable[[], Iterable[dict[str, pa.Table]]], *, keeps_first: bool = False) -> list[DltResource]:
    """The resources of all raw tables, fed by flattened batches of which no two hold the same run.

    `batches` is called for each run of the source: one object may be run again and again. `keeps_first`: a message that
    is loaded already stays as it is; otherwise who loads it has seen to that.
    """

    @dlt.resource(name="run_batches", selected=False)
    def run_batches() -> Iterator[dict[str, pa.Table]]:
        yield from batches()

    return [
        run_batches,
        *(_table(run_batches, table, keeps_first=keeps_first) for table in tables.BATCH_TABLES.values()),
    ]


def split(outcomes: Iterable[Outcome | Message], superseded: Iterable[AcceptedRun] = ()) -> dict[str, pa.Table]:
    """Flatten outcomes and messages of all kinds."""
    kinds: dict[type, list[Any]] = {
        kind: [] for kind in (AcceptedRun, RejectedRun, MissingRun, StatusMessage, RejectedMessage)
    }
    for outcome in outcomes:
        kinds[type(outcome)].append(outcome)
    return build_tables(
        kinds[AcceptedRun],
        kinds[RejectedRun],
        kinds[MissingRun],
        superseded,
        kinds[StatusMessage],
        kinds[RejectedMessage],
    )


def _table(run_batches: DltResource, table: tables.Table, *, keeps_first: bool) -> DltResource:
    is_kept = keeps_first and table.name in tables.STATUS_TABLES

    def pick(batch: dict[str, pa.Table]) -> Iterator[pa.Table]:
        yield batch[table.name]

    resource: DltResource = dlt.transformer(  # type: ignore[call-overload]  # its stubs know no merge strategy
        pick,
        data_from=run_batches,
        name=table.name,
        write_disposition={"disposition": "merge", "strategy": "insert-only" if is_kept else "delete-insert"},
        merge_key=None if is_kept else list(table.replaced_by),
        primary_key=list(table.key) if is_kept else None,
        columns={tables.TOMBSTONE: {"hard_delete": True}} if table.may_be_empty else None,
    )
    return resource


def _batches(outcomes: Iterable[Outcome | Message]) -> Iterator[dict[str, pa.Table]]:
    """Flatten in batches. A run that comes again, because the list shifted meanwhile, was loaded moments ago."""
    batch: list[Outcome | Message] = []
    seen: set[str] = set()
    for outcome in outcomes:
        if not isinstance(outcome, StatusMessage | RejectedMessage):
            if outcome.run_id in seen and isinstance(outcome, AcceptedRun):
                continue
            seen.add(outcome.run_id)
        batch.append(outcome)
        if len(batch) == BATCH_SIZE:
            yield split(batch)
            batch = []
    yield split(batch)
