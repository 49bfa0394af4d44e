"""The batch job: plan, fetch, load, model, publish. It owns the order of the steps and what is kept when one fails.

The ingestion status is asked for after the runs, and loaded with the last of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from statsig_runs.api import ConsoleApi
from statsig_runs.contract import AcceptedRun, MissingRun, Outcome, RejectedRun
from statsig_runs.errors import ApiError, NotAuthorisedError, StorageError, as_told
from statsig_runs.fetch import Fetch, Unread
from statsig_runs.job.clock import mend_clock
from statsig_runs.job.messages import ask_for_messages, count_message, without_known
from statsig_runs.job.refresh import finish, read_ahead, take_last_build
from statsig_runs.job.summary import Summary
from statsig_runs.request import Request
from statsig_runs.source import BATCH_SIZE
from statsig_runs.status_messages import Message

if TYPE_CHECKING:
    from statsig_runs.job.messages import MessageFetch
    from statsig_runs.job.progress import Watch
    from statsig_runs.models import ReadAhead
    from statsig_runs.plan import KnownRun
    from statsig_runs.settings import Settings
    from statsig_runs.warehouse import Warehouse
    from statsig_runs.warehouse.loader import Loader

log = logging.getLogger(__name__)

_BATCH_SECONDS: Final = 60.0
"""What is fetched is loaded at least this often, so that an interruption costs little."""

_MESSAGES_A_RUN: Final = 10
"""So many messages count as one run towards a full batch: a message is one row, and most are known already."""


def run_sync(warehouse: Warehouse, settings: Settings, request: Request, watch: Watch) -> Summary:
    """Bring the warehouse up to date and publish it.

    An API that fails half-way costs nothing that was fetched: it is loaded, modelled and published. Its error is in the
    summary, and so is whatever fails after the first request.

    Raises:
        AlreadyRunningError: another sync works on the same database.
        ConfigurationError: there is no key, or a setting is unusable.
        StorageError: the database cannot be opened.
    """
    key = settings.require_api_key()
    is_about_ids = bool(request.run_ids) and not request.discover
    request = replace(request, is_status_wanted=settings.status and not is_about_ids)
    started = time.monotonic()
    summary = Summary(datetime.now(UTC))
    with warehouse.writing() as loader:
        last_build = take_last_build(warehouse, settings)
        api = ConsoleApi(
            key,
            base_url=settings.base_url,
            rate_limits=settings.rate_limits,
            on_wait=watch.waiting,
            max_requests=request.max_requests,
        )
        models = read_ahead(warehouse, settings, last_build)
        with api, loader.connected():
            mend_clock(loader, summary.started_at)
            _fetch_and_load(api, loader, settings, request, summary, watch, models)
        is_refused = isinstance(summary.error, StorageError)  # the next sync models what was loaded before
        if not is_refused and (summary.loaded or not summary.error):
            finish(warehouse, loader, settings, summary, watch, last_build=last_build, waited=models.waited)
    if summary.error:
        summary.error = warehouse.advise(summary.error)
    summary.seconds = time.monotonic() - started
    return summary


def _fetch_and_load(
    api: ConsoleApi,
    loader: Loader,
    settings: Settings,
    request: Request,
    summary: Summary,
    watch: Watch,
    models: ReadAhead,
) -> None:
    started = time.monotonic()
    now = summary.started_at
    days = settings.settle_days
    unsettled = loader.known.to_read_again(now=now, settle_days=days, full=request.full)

    def known_before(run_ids: Collection[str]) -> dict[str, KnownRun]:
        found = {run_id: unsettled[run_id] for run_id in run_ids if run_id in unsettled}  # most of those that are read
        return found | loader.known.runs(set(run_ids) - found.keys(), now=now, settle_days=days)

    fetch = Fetch(
        api,
        request,
        loader.progress(),
        known=known_before,
        unsettled=unsettled,
        secret=settings.require_api_key(),
    )
    asked = ask_for_messages(api, loader, settings, now=now, full=request.full)
    try:
        outcomes = _everything(fetch, asked.values() if request.is_status_wanted else (), models)
        for fetched in _batches(outcomes, fetch, summary, watch):
            models.finish()
            batch = without_known(fetched, loader)
            accepted = [outcome.run_id for outcome in batch if isinstance(outcome, AcceptedRun)]
            known = loader.known.runs(accepted, now=now, settle_days=days)
            with summary.timed("load_seconds"):
                watch.step("loading")
                beside = {name: each.progress.to_state() for name, each in asked.items()}
                loader.load(batch, fetch.progress, beside=beside, known=known)
            for outcome in batch:
                if isinstance(outcome, Message):
                    count_message(outcome, summary)
                    continue
                run = known.get(outcome.run_id)
                summary.count(outcome, run.content_hash if run else None)
    except Exception as error:
        log.debug("where it was raised", exc_info=True)
        summary.error = as_told(error)
    finally:
        summary.requests, summary.retries = api.usage.requests, api.usage.retries
        summary.rate_limited = api.usage.rate_limited
        summary.fetch_seconds = time.monotonic() - started - summary.load_seconds - models.waited
    models.finish()  # where an error kept all from being loaded


def _everything(
    fetch: Fetch, beside: Collection[MessageFetch], models: ReadAhead
) -> Iterator[Outcome | Message | Unread]:
    for outcome in fetch:
        if not isinstance(outcome, Unread):
            models.begin()  # the API answers, so there will be a build
        for each in beside:
            each.note(outcome)
        yield outcome
    if fetch.is_cut:
        log.warning("stopped at the limit of %s requests; the next sync goes on from here", fetch.request.max_requests)
    for each in beside:
        yield from each


def _batches(
    outcomes: Iterator[Outcome | Message | Unread], fetch: Fetch, summary: Summary, watch: Watch
) -> Iterator[list[Outcome | Message]]:
    """Outcomes in batches to load; the last one comes even when it is empty, for its progress and for the tables."""
    batch: list[Outcome | Message] = []
    due = time.monotonic() + _BATCH_SECONDS
    failure: ApiError | NotAuthorisedError | None = None
    done = size = 0
    watch.step("fetching")
    try:
        for outcome in outcomes:
            if isinstance(outcome, Unread):
                log.error("%s could not be read: %s", outcome.what, outcome.error)
                summary.count(outcome)
            if not isinstance(outcome, Message):
                done += 1
                watch.fetched(done, fetch.planned)
            if isinstance(outcome, Unread):
                continue
            _log_refusal(outcome)
            if batch and (size >= BATCH_SIZE * _MESSAGES_A_RUN or time.monotonic() >= due):
                yield batch
                watch.step("fetching")
                batch, size, due = [], 0, time.monotonic() + _BATCH_SECONDS
            batch.append(outcome)
            size += 1 if isinstance(outcome, Message) else _MESSAGES_A_RUN
    except (ApiError, NotAuthorisedError) as error:
        failure = error
    if batch or not failure:
        yield batch
    if failure:
        raise failure


def _log_refusal(outcome: Outcome | Message) -> None:
    match outcome:
        case RejectedRun():
            log.warning("run %s breaks the contract and went to rejected_runs: %s", outcome.run_id, outcome.reason)
        case MissingRun():
            log.warning("run %s does not exist: %s", outcome.run_id, outcome.message)
