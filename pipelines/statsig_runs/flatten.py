"""Runs and messages to rows of the raw tables, in Arrow. Pure functions, no I/O; what the tables are is in `tables`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from statsig_runs.contract import AcceptedRun, MissingRun, RejectedRun, SourceHistory, StatusEvent, UnchangedRun
from statsig_runs.tables import BATCH_TABLES, MESSAGE_TABLES, RUN_TABLES, TIMESTAMP, TOMBSTONE

if TYPE_CHECKING:
    from statsig_runs.status_messages.message import Message

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EXACT_SECONDS: Final = 2.0**32  # so far from 1970, until the year 2106, a float tells microseconds apart

_status_at = attrgetter("statusTimestamp")


def build_tables(
    accepted: Iterable[AcceptedRun],
    rejected: Iterable[RejectedRun] = (),
    missing: Iterable[MissingRun] = (),
    superseded: Iterable[AcceptedRun] = (),
    messages: Iterable[Message] = (),
) -> dict[str, pa.Table]:
    """Flatten one batch into all raw tables, empty ones included.

    A run that stands twice in the batch is flattened once, as it was fetched last; each of its distinct payloads is
    kept. Of superseded runs there are only the payloads, and of unchanged ones only what says when they were fetched.
    A message that stands twice is one row, as it was fetched first.
    Shapes: see `tables.BATCH_TABLES`; timestamps are UTC microseconds.
    """
    age = attrgetter("fetched_at")
    accepted = sorted(accepted, key=age)
    runs = list({run.run_id: run for run in accepted}.values())
    seen = sorted((*superseded, *accepted), key=age)
    payloads = list({(run.run_id, run.content_hash): run for run in seen}.values())
    refusals = list({(run.run_id, run.content_hash): run for run in rejected}.values())
    absences = {run.run_id: run for run in missing}
    found = [run.run_id for run in runs if run.run_id not in absences]
    news = [run for run in runs if not isinstance(run, UnchangedRun)]
    tables = {
        "ingestion_runs": _runs(runs),
        "ingestion_run_sources": _distinct(news, "ingestion_run_sources", "sources"),
        "ingestion_run_date_stamps": _distinct(news, "ingestion_run_date_stamps", "dateStamps"),
        "run_payloads": _rows("run_payloads", payloads),
        "rejected_runs": _rows("rejected_runs", refusals),
        "missing_runs": _with_tombstones("missing_runs", _rows("missing_runs", list(absences.values())), found),
    }
    of_table: dict[str, list[Message]] = {name: [] for name in MESSAGE_TABLES}
    for message in _first(messages):
        of_table[message.table].append(message)
    return tables | _histories(news) | {name: _rows(name, found) for name, found in of_table.items()}


def order_events(listed: Sequence[StatusEvent]) -> list[StatusEvent]:
    """Oldest first; events of the same instant keep the reverse of the API's order, which is newest first."""
    return sorted(reversed(listed), key=_status_at)  # noqa: C414  the sort is stable, so this order matters


def _runs(accepted: Sequence[AcceptedRun]) -> pa.Table:
    runs = [each.run for each in accepted]
    return _table(
        "ingestion_runs",
        {
            "run_id": [run.runID for run in runs],
            "latest_status": [run.latestStatus for run in runs],
            "trigger": [run.trigger for run in runs],
            "created_at": _timestamps([run.createdAt for run in runs]),
            "last_updated_at": _timestamps([run.lastUpdatedAt for run in runs]),
            "fetched_at": _timestamps([each.fetched_at for each in accepted]),
        },
    )


def _first(messages: Iterable[Message]) -> list[Message]:
    newest_first = sorted(messages, key=attrgetter("fetched_at"), reverse=True)
    return list({(each.table, each.message_hash): each for each in newest_first}.values())


def _rows(table: str, records: Sequence[Any]) -> pa.Table:
    """Records whose attributes have the columns' names."""
    columns: dict[str, Any] = {}
    for name, column in BATCH_TABLES[table].columns.items():
        values = [getattr(record, name) for record in records]
        columns[name] = _timestamps(values) if column.kind == TIMESTAMP else values
    return _table(table, columns)


def _distinct(accepted: Sequence[AcceptedRun], table: str, listed: str) -> pa.Table:
    column = next(name for name in RUN_TABLES[table].columns if name != "run_id")
    ids: list[str] = []
    values: list[str | date] = []
    empty: list[str] = []
    for each in accepted:
        distinct = dict.fromkeys(getattr(each.run, listed))
        ids.extend([each.run_id] * len(distinct))
        values.extend(distinct)
        if not distinct:
            empty.append(each.run_id)
    return _with_tombstones(table, _table(table, {"run_id": ids, column: values}), empty)


@dataclass(slots=True)
class _Buckets:
    """Histories end to end: one entry a history in `keys` and `counts`, one entry an event in the rest."""

    keys: list[tuple[Any, ...]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    status_at: list[datetime] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def add(self, key: tuple[Any, ...], listed: Sequence[StatusEvent]) -> None:
        events = order_events(listed)
        self.keys.append(key)
        self.counts.append(len(events))
        self.status_at += [event.statusTimestamp for event in events]
        self.status += [event.status for event in events]

    def to_table(self, table: str) -> pa.Table:
        counts = np.asarray(self.counts, dtype=np.int64)
        starts = np.cumsum(counts) - counts
        history = pa.array(np.repeat(np.arange(len(counts)), counts))
        columns: dict[str, Any] = {
            "event_index": np.arange(len(self.status)) - np.repeat(starts, counts) + 1,
            "status_at": _timestamps(self.status_at),
            "status": self.status,
        }
        key_columns = [name for name in RUN_TABLES[table].columns if name not in columns]
        for position, name in enumerate(key_columns):
            values = pa.array([key[position] for key in self.keys], RUN_TABLES[table].columns[name].kind)
            columns[name] = values.take(history)
        return _with_tombstones(table, _table(table, columns), self.empty)


def _histories(accepted: Sequence[AcceptedRun]) -> dict[str, pa.Table]:
    runs, buckets = _Buckets(), _Buckets()
    latest: dict[str, list[Any]] = {name: [] for name in RUN_TABLES["source_latest_statuses"].columns}
    without_source: list[str] = []
    for each in accepted:
        run_id, run = each.run_id, each.run
        if run.runHistory:
            runs.add((run_id,), run.runHistory)
        else:
            runs.empty.append(run_id)
        sources, histories = merge_buckets(run.granularHistory)
        for (source, date_stamp), events in histories.items():
            buckets.add((run_id, source, date_stamp), events)
        if not any(histories.values()):
            buckets.empty.append(run_id)
        latest["run_id"] += [run_id] * len(sources)
        latest["source"] += sources
        latest["latest_source_status"] += sources.values()
        if not sources:
            without_source.append(run_id)
    return {
        "run_status_events": runs.to_table("run_status_events"),
        "source_date_status_events": buckets.to_table("source_date_status_events"),
        "source_latest_statuses": _with_tombstones(
            "source_latest_statuses", _table("source_latest_statuses", latest), without_source
        ),
    }


def merge_buckets(
    histories: Sequence[SourceHistory],
) -> tuple[dict[str, str], dict[tuple[str, date], list[StatusEvent]]]:
    """The latest status of each source, and the events of each source and date, in the API's order.

    A source or a date that stands twice is one bucket with the events of both. The latest status of such a source is
    the one listed first, since the API lists the newest first.
    """
    latest: dict[str, str] = {}
    buckets: dict[tuple[str, date], list[StatusEvent]] = {}
    for history in histories:
        latest.setdefault(history.source, history.latestSourceStatus)
        for by_date in history.statusByDate:
            key = (history.source, by_date.dateStamp)
            buckets[key] = buckets[key] + by_date.statuses if key in buckets else by_date.statuses
    return latest, buckets


def _timestamps(moments: Sequence[datetime | None]) -> pa.Array:
    # Arrow's own conversion of aware datetimes costs twice this
    known = [moment for moment in moments if moment is not None]
    seconds = np.fromiter(map(datetime.timestamp, known), dtype=np.float64, count=len(known))
    if len(known) == len(moments) and (np.abs(seconds) < _EXACT_SECONDS).all():
        return pa.array(np.rint(seconds * 1e6).astype(np.int64)).cast(TIMESTAMP)
    exact = [None if moment is None else (moment - _EPOCH) // _MICROSECOND for moment in moments]
    return pa.array(exact, pa.int64()).cast(TIMESTAMP)


def _table(table: str, columns: dict[str, Any]) -> pa.Table:
    schema = BATCH_TABLES[table].schema
    rows = len(next(iter(columns.values())))
    if TOMBSTONE in schema.names:
        columns[TOMBSTONE] = pa.nulls(rows, pa.bool_())
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _with_tombstones(table: str, rows: pa.Table, run_ids: Sequence[str]) -> pa.Table:
    if not run_ids:
        return rows
    schema = RUN_TABLES[table].schema
    tombstones = {field.name: pa.nulls(len(run_ids), field.type) for field in schema}
    tombstones["run_id"] = pa.array(run_ids)
    tombstones[TOMBSTONE] = pa.repeat(True, len(run_ids))
    return pa.concat_tables([rows, pa.table(tombstones, schema=schema)])
