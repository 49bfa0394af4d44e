"""The dlt source: the raw tables as resources, with their keys and dispositions. What a dlt user imports.

    import dlt
    from statsig_runs.source import statsig_ingestion

    pipeline = dlt.pipeline("statsig_runs", destination="duckdb", dataset_name="statsig_raw")
    pipeline.run(statsig_ingestion(["de941fa2-3e0f-44ec-a44c-5c51eed07e0d"], discover=False))
    pipeline.run(statsig_ingestion().add_limit(3))  # the first three pages of the list

Every table is merged: a load replaces all rows of the runs it names and touches no others (dlt's delete-insert with a
merge key), so a run loaded again, longer, shorter or emptied, is exactly its latest state, and loading twice is
harmless. A message of the ingestion status stays as it was loaded first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt.common.configuration.specs import BaseConfiguration
from dlt.extract import DltSource

from statsig_runs import tables
from statsig_runs.api import ConsoleApi
from statsig_runs.contract import AcceptedRun, MissingRun, Outcome, RejectedRun
from statsig_runs.errors import ConfigurationError
from statsig_runs.fetch import Unread, fetch_everything
from statsig_runs.flatten import build_tables
from statsig_runs.request import Request
from statsig_runs.settings import load_settings
from statsig_runs.status_messages import Message, StatusFetch, StatusProgress

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource

log = logging.getLogger(__name__)

BATCH_SIZE = 5_000
"""Runs flattened at a time: some 350,000 rows, 150 MB."""

_FETCHED: Final = "run_batches"
_PAGE: Final = 10
"""Runs on a page of the list."""


class PagedSource(DltSource):
    """A source whose limit counts what is fetched. All its tables come from one resource, which is never loaded itself.

    dlt's own `add_limit` passes over that resource, and would limit nothing.
    """

    def add_limit(
        self, max_items: int | None = None, max_time: float | None = None, count_rows: bool | None = False
    ) -> PagedSource:
        """Stop after so many pages, ten runs each, or so many seconds; what lies beyond is not asked for."""
        self.resources[_FETCHED].add_limit(max_items, max_time=max_time, count_rows=count_rows)
        return self

    def clone(self, with_name: str | None = None) -> PagedSource:
        """See `DltSource.clone`, which makes a plain source."""
        schema = self.schema.clone(with_name=with_name)  # type: ignore[arg-type]  # its annotation forgets None
        return PagedSource(schema, self.section, list(self.resources.values()))


@dlt.source(name="statsig_ingestion", section="statsig_runs", spec=BaseConfiguration, _impl_cls=PagedSource)
def statsig_ingestion(
    run_ids: Iterable[str] = (),
    *,
    discover: bool = True,
    since: date | None = None,
    max_requests: int | None = None,
    status: bool = True,
    api_key: str | None = None,
    base_url: str | None = None,
    rate_limits: str | None = None,
) -> Iterable[DltResource]:
    """Ingestion runs of one Statsig project, and what their ingestion status says, as flat tables with natural keys.

    The API allows about 100 requests in 10 s and 900 in 15 min for each project; a page of the list brings 10 runs, a
    read by id one. The source has no memory: each load begins at the top of the list.

    Args:
        run_ids: ids to read by name.
        discover: page through the list endpoint as well, to its end.
        since: page no further than runs created on this day or at this moment; UTC, if it has no time zone.
        max_requests: stop after so many requests, retries included.
        status: with `discover`, ask for the ingestion status of all days back to the oldest run as well.
        api_key: a Console API key; without one `STATSIG_API_KEY`, `SOURCES__STATSIG_RUNS__API_KEY` and
            `.dlt/secrets.toml` are read.
        base_url: another origin than Statsig's.
        rate_limits: `requests/seconds` pairs with commas between.

    Raises:
        ConfigurationError: there is no key, or a setting or an argument is unusable.
        NotAuthorisedError: the API refused the key.
        ApiError: the API could not be reached.
    """
    settings = load_settings(api_key=api_key, base_url=base_url, rate_limits=rate_limits)
    key = settings.require_api_key()
    if max_requests is not None and max_requests < 1:
        raise ConfigurationError(f"max_requests is {max_requests}; it has to be at least 1.")
    request = Request(
        run_ids=(run_ids,) if isinstance(run_ids, str) else tuple(run_ids),
        discover=discover,
        full=True,
        since=_as_moment(since) if since else None,
        max_requests=max_requests,
        is_status_wanted=status and discover,
    )

    def outcomes() -> Iterator[Outcome | Message]:
        limits = settings.rate_limits
        with ConsoleApi(key, base_url=settings.base_url, rate_limits=limits, max_requests=max_requests) as api:
            messages = StatusFetch(
                api,
                StatusProgress(),
                now=datetime.now(UTC),
                settle_days=settings.settle_days,
                oldest=lambda: None,
                secret=key,
            )
            for outcome in fetch_everything(api, request, secret=key):
                messages.note(outcome)
                yield outcome
            for message in messages if request.is_status_wanted else ():
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

    `batches` is called anew each time that the source is run. `keeps_first`: a message that is loaded already stays as
    it is. Without it, a message that is passed replaces the loaded one.
    """

    @dlt.resource(name=_FETCHED, selected=False)
    def run_batches() -> Iterator[dict[str, pa.Table]]:
        yield from batches()

    return [
        run_batches,
        *(_table(run_batches, table, keeps_first=keeps_first) for table in tables.BATCH_TABLES.values()),
    ]


def split(outcomes: Iterable[Outcome | Message], superseded: Iterable[AcceptedRun] = ()) -> dict[str, pa.Table]:
    """Flatten outcomes and messages of all kinds."""
    messages: list[Message] = []
    accepted: list[AcceptedRun] = []
    rejected: list[RejectedRun] = []
    missing: list[MissingRun] = []
    for outcome in outcomes:
        match outcome:
            case AcceptedRun():
                accepted.append(outcome)
            case RejectedRun():
                rejected.append(outcome)
            case MissingRun():
                missing.append(outcome)
            case _:
                messages.append(outcome)
    return build_tables(accepted, rejected, missing, superseded, messages)


def _table(run_batches: DltResource, table: tables.Table, *, keeps_first: bool) -> DltResource:
    is_kept = keeps_first and table.name in tables.MESSAGE_TABLES

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


def _as_moment(day: date) -> datetime:
    moment = day if isinstance(day, datetime) else datetime.combine(day, time())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _batches(outcomes: Iterable[Outcome | Message]) -> Iterator[dict[str, pa.Table]]:
    """Flatten runs page by page, so that a limit takes effect before the next page is asked for; messages many at once.

    A run that comes again, because the list shifted meanwhile, was loaded moments ago.
    """
    batch: list[Outcome | Message] = []
    seen: set[str] = set()
    for outcome in outcomes:
        size = BATCH_SIZE
        if not isinstance(outcome, Message):
            if outcome.run_id in seen and isinstance(outcome, AcceptedRun):
                continue
            seen.add(outcome.run_id)
            size = _PAGE
        batch.append(outcome)
        if len(batch) >= size:
            yield split(batch)
            batch = []
    yield split(batch)
