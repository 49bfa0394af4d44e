"""What a job does with the ingestion status: ask for it, load what is new of it, rebuild it, correct its times.

All that the jobs know of an endpoint beside the runs is here. How it is asked and what a message is, `status_messages`
knows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from statsig_runs.plan import FIRST_PLAUSIBLE
from statsig_runs.status_messages import Message, RejectedMessage, StatusFetch, StatusProgress, read_message

if TYPE_CHECKING:
    from statsig_runs.api import ConsoleApi
    from statsig_runs.contract import Outcome
    from statsig_runs.job.archive import StatusPayload
    from statsig_runs.job.summary import Summary
    from statsig_runs.settings import Settings
    from statsig_runs.warehouse.loader import Loader

log = logging.getLogger(__name__)

MessageFetch = StatusFetch
"""One pass over an endpoint beside the runs."""

_STATE: Final = "status"
"""The name of its progress in the state that is committed with the data."""
_TABLE: Final = "ingestion_status_messages"


def ask_for_messages(
    api: ConsoleApi, loader: Loader, settings: Settings, *, now: datetime, full: bool
) -> dict[str, MessageFetch]:
    """What a sync is to ask for after the runs, by the name that its progress has in the committed state."""
    before = StatusProgress.from_state(loader.state(_STATE))
    status = StatusFetch(
        api,
        StatusProgress(refusal=before.refusal) if full else before,
        now=now,
        settle_days=settings.settle_days,
        oldest=lambda: loader.known.oldest_run(since=FIRST_PLAUSIBLE),
        secret=settings.require_api_key(),
    )
    return {_STATE: status}


def without_known(batch: list[Outcome | Message], loader: Loader) -> list[Outcome | Message]:
    """What is to be loaded of what a sync fetched: a message that is known stays as it was seen first."""
    hashes = {each.message_hash for each in batch if isinstance(each, Message)}
    known = loader.known.message_times(_TABLE, hashes)
    return [each for each in batch if getattr(each, "message_hash", "") not in known]


def count_message(message: Message, summary: Summary) -> None:
    """Count a message that a sync has loaded, and log it if it was refused."""
    if isinstance(message, RejectedMessage):
        log.warning("a message of the ingestion status went to rejected_status_messages: %s", message.reason)
    summary.count_message(message)


def read_news(payloads: Iterable[StatusPayload], loader: Loader) -> list[Message]:
    """The messages of an archive that are not known, or were fetched before they are known to have been."""
    messages = [read_message(each.text, fetched_at=each.fetched_at) for each in payloads]
    first: dict[str, Message] = {}
    for each in sorted(messages, key=attrgetter("fetched_at")):
        first.setdefault(each.message_hash, each)
    known = loader.known.message_times(_TABLE, first)
    return [each for name, each in first.items() if name not in known or each.fetched_at < known[name]]


def read_again(loader: Loader, count: int) -> Iterator[Message]:
    """All messages that were loaded, read again from their payloads; the database is asked for `count` at a time."""
    return (read_message(payload, fetched_at=moment) for payload, moment in loader.known.messages(_TABLE, count))


def messages_ahead(loader: Loader, now: datetime, horizon: datetime) -> list[Message]:
    """The messages that were fetched after `horizon`, as fetched `now`."""
    return [read_message(payload, fetched_at=now) for payload in loader.known.messages_after(_TABLE, horizon)]


def mended_state(loader: Loader, now: datetime) -> dict[str, Any]:
    """What is committed of its progress, with no day after `now`; empty where that is so already."""
    before = StatusProgress.from_state(loader.state(_STATE))
    after = replace(before, last=min(before.last, now.date()) if before.last else None)
    return {_STATE: after.to_state()} if after != before else {}
