"""What a warehouse holds already: the questions of the next sync and of a replay, answered from its tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from statsig_runs.contract import MissingRun, RejectedRun
from statsig_runs.moments import in_utc
from statsig_runs.plan import KnownRun, is_settled
from statsig_runs.tables import MESSAGE_TABLES, REFUSALS, SYNC_LOADS

if TYPE_CHECKING:
    import pyarrow as pa

    from statsig_runs.schemas import Schemas

_IDS_PER_QUERY: Final = 500

# of each of the next runs the newest payload that was accepted, and the newest that was refused
_PAYLOADS: Final = """
    with payloads as (
        select 1 as kind, run_id, content_hash, fetched_at, payload from {raw}.run_payloads
        union all
        select 2 as kind, run_id, content_hash, fetched_at, payload from {raw}.rejected_runs
    ),
    chosen as (select distinct run_id from payloads where run_id > %s order by run_id limit {count}),
    numbered as (
        select payloads.*,
            row_number() over (partition by run_id, kind order by fetched_at desc, content_hash) as recency
        from payloads where run_id in (select run_id from chosen)
    )
    select run_id, fetched_at, payload from numbered where recency = 1 order by run_id
"""

# the payload that a run has now is the one that was fetched when the run was
_KNOWN: Final = """
    select runs.run_id, runs.created_at, runs.fetched_at, payloads.content_hash, {outcome}
    from {raw}.ingestion_runs as runs
    left join {raw}.run_payloads as payloads
        on runs.run_id = payloads.run_id and runs.fetched_at = payloads.fetched_at
    {join} where {condition} order by runs.fetched_at, runs.run_id
"""

# the newest first in each run
_PAYLOADS_AFTER: Final = """
    with chosen as (
        select distinct run_id from {raw}.run_payloads
        where fetched_at > %s and run_id > %s order by run_id limit {count}
    )
    select payloads.run_id, payloads.fetched_at, payloads.payload, runs.fetched_at
    from {raw}.run_payloads as payloads
    left join {raw}.ingestion_runs as runs on payloads.run_id = runs.run_id
    where payloads.fetched_at > %s and payloads.run_id in (select run_id from chosen)
    order by payloads.run_id, payloads.fetched_at desc
"""

Rows = list[tuple[Any, ...]]


class Database(Protocol):
    """Where the tables are."""

    def query(self, sql: str, parameters: Collection[Any] = ()) -> Rows | None:
        """Rows of a query, each parameter written as `%s`; None where one of its tables does not exist yet."""

    def batches(self, sql: str, parameters: Collection[Any] = ()) -> Iterator[pa.Table]:
        """Rows of a query as Arrow tables, a batch each."""

    def qualified(self, schema: str) -> str:
        """The name of a schema as queries write it."""


class Known:
    """What a warehouse holds of runs.

    Args:
        database: where to ask.
        schemas: the project's schemas.
    """

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._database = database
        self._schemas = schemas

    def runs(self, run_ids: Collection[str], *, now: datetime, settle_days: float) -> dict[str, KnownRun]:
        """What the warehouse holds of these runs, by id."""
        found: dict[str, KnownRun] = {}
        for condition, part in _portions("runs.run_id", run_ids):
            found |= {run.run_id: run for run in self._query_runs(condition, part, now, settle_days)}
        return found

    def to_read_again(self, *, now: datetime, settle_days: float, full: bool = False) -> dict[str, KnownRun]:
        """The runs that may still change, or all, by id: fetched longest ago first, missing ones left out."""
        condition = "runs.run_id not in (select run_id from {raw}.missing_runs)"
        since: list[datetime] = []
        if not full:  # so that fewer rows are read; which of them are settled, `is_settled` decides
            condition += " and ({outcome} = 'in_progress' or runs.created_at >= %s)"
            since = [now - timedelta(days=settle_days)]
        known = self._query_runs(condition, since, now, settle_days)
        return {run.run_id: run for run in known if full or not run.is_settled}

    def missing(self) -> list[MissingRun]:
        """The runs that the API answered 404 for when it was last asked."""
        rows = self._database.query(f"select run_id, fetched_at, message from {self._raw}.missing_runs")  # noqa: S608
        return [MissingRun(run_id, in_utc(fetched_at), message) for run_id, fetched_at, message in rows or ()]

    def is_anything_loaded(self) -> bool:
        """Whether the tables exist."""
        return self._database.query(f"select 1 from {self._raw}.run_payloads where 1 = 0") is not None  # noqa: S608

    def payload_times(self, run_ids: Collection[str]) -> dict[tuple[str, str], datetime]:
        """When each payload of these runs was seen last, by run id and content hash."""
        seen: dict[tuple[str, str], datetime] = {}
        for condition, part in _portions("run_id", run_ids):
            sql = f"select run_id, content_hash, fetched_at from {self._raw}.run_payloads where {condition}"  # noqa: S608
            rows = self._database.query(sql, part) or ()
            seen |= {(run_id, content_hash): in_utc(fetched_at) for run_id, content_hash, fetched_at in rows}
        return seen

    def payloads(self, count: int) -> Iterator[tuple[bytes, datetime]]:
        """The newest payload of every run and its newest refused one, with fetch times; read `count` runs at a time."""
        last = ""
        while rows := self._database.query(_PAYLOADS.format(raw=self._raw, count=count), [last]):
            for last, fetched_at, payload in rows:  # noqa: B007  the last id starts the next portion
                yield payload.encode(), in_utc(fetched_at)

    def oldest_run(self, *, since: datetime) -> datetime | None:
        """When the oldest of the runs was created that were created since then; None where there is none."""
        sql = f"select min(created_at) from {self._raw}.ingestion_runs where created_at >= %s"  # noqa: S608
        ((oldest,),) = self._database.query(sql, [since]) or ((None,),)
        return in_utc(oldest) if oldest else None

    def message_times(self, table: str, hashes: Collection[str]) -> dict[str, datetime]:
        """When each of these messages of a table was fetched first, read or refused, by its hash."""
        seen: dict[str, datetime] = {}
        for condition, part in _portions("message_hash", hashes):
            rows = self._query_messages(table, "message_hash, fetched_at", condition, part)
            seen |= {name: in_utc(fetched_at) for name, fetched_at in rows}
        return seen

    def messages(self, table: str, count: int) -> Iterator[tuple[bytes, datetime]]:
        """The payload of every message of a table, read or refused, with the time of its first fetch; by `count`."""
        last = ""
        condition = f"message_hash > %s order by message_hash limit {count}"
        while rows := self._query_messages(table, "message_hash, fetched_at, payload", condition, [last]):
            for last, fetched_at, payload in rows:  # noqa: B007  the last hash starts the next portion
                yield payload.encode(), in_utc(fetched_at)

    def payloads_after(
        self, moment: datetime, count: int
    ) -> Iterator[list[tuple[str, datetime, bytes, datetime | None]]]:
        """The payloads that were fetched later, and when their runs were: by `count` runs, newest first in each."""
        last = ""
        sql = _PAYLOADS_AFTER.format(raw=self._raw, count=count)
        while rows := self._database.query(sql, [moment, last, moment]):
            last = rows[-1][0]
            yield [
                (run_id, in_utc(fetched_at), payload.encode(), in_utc(of_run) if of_run else None)
                for run_id, fetched_at, payload, of_run in rows
            ]

    def refusals_after(self, moment: datetime) -> list[RejectedRun]:
        """The payloads that were refused later, newest first."""
        sql = f"""
            select run_id, fetched_at, content_hash, reason, payload from {self._raw}.rejected_runs
            where fetched_at > %s order by fetched_at desc
        """  # noqa: S608
        return [RejectedRun(*row) for row in self._database.query(sql, [moment]) or ()]

    def messages_after(self, table: str, moment: datetime) -> list[bytes]:
        """The payloads of the messages of a table, read or refused, that were fetched first later."""
        rows = self._query_messages(table, "payload", "fetched_at > %s", [moment])
        return [payload.encode() for (payload,) in rows]

    def loads_after(self, moment: datetime) -> list[dict[str, Any]]:
        """The rows of `sync_loads` of loads that began or ended later, newest first."""
        names = ", ".join(SYNC_LOADS.columns)
        sql = f"select {names} from {self._raw}.sync_loads where started_at > %s or finished_at > %s"  # noqa: S608
        rows = self._database.query(f"{sql} order by started_at desc", [moment, moment]) or ()
        loads = [dict(zip(SYNC_LOADS.columns, row, strict=True)) for row in rows]
        moments = ("started_at", "finished_at")
        return [load | {name: in_utc(load[name] or moment) for name in moments} for load in loads]

    @property
    def _raw(self) -> str:
        return self._database.qualified(self._schemas.raw)

    def _query_messages(self, table: str, columns: str, condition: str, parameters: Collection[Any]) -> Rows:
        """Of `message_hash`, `fetched_at` and `payload` of what is in the table, and of what was refused of it."""
        refused = [refused for refused, (accepted, _) in REFUSALS.items() if accepted == table]
        union = " union all ".join(map(self._messages_of, [*refused, table]))
        sql = f"select {columns} from ({union}) as messages where {condition}"  # noqa: S608  names of ours
        return self._database.query(sql, parameters) or []

    def _messages_of(self, table: str) -> str:
        moment = next(name for name in MESSAGE_TABLES[table].columns if name.endswith("fetched_at"))
        return f"select message_hash, {moment} as fetched_at, payload from {self._raw}.{table}"  # noqa: S608

    def _query_runs(
        self, condition: str, parameters: Collection[Any], now: datetime, settle_days: float
    ) -> Iterator[KnownRun]:
        def query(outcome: str, join: str) -> Rows | None:
            names = {"raw": raw, "outcome": outcome, "join": join}
            return self._database.query(_KNOWN.format(condition=condition.format(**names), **names), parameters)

        raw, marts = self._raw, self._database.qualified(self._schemas.marts)
        outcome = "case when marts.run_id is null then 'in_progress' else marts.effective_outcome end"
        rows = query(outcome, f"left join {marts}.fct_runs as marts on runs.run_id = marts.run_id")
        if rows is None:  # the models have not been built yet
            rows = query("'in_progress'", "")
        for run_id, created_at, fetched_at, content_hash, outcome in rows or ():
            in_progress = outcome == "in_progress"
            settled = is_settled(in_utc(created_at), in_progress=in_progress, now=now, settle_days=settle_days)
            yield KnownRun(run_id, content_hash or "", in_utc(fetched_at), settled)


def _portions(column: str, run_ids: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Conditions that together name all ids, each with its parameters: no engine takes any number of them."""
    ids = list(run_ids)
    for start in range(0, len(ids), _IDS_PER_QUERY):
        part = ids[start : start + _IDS_PER_QUERY]
        yield f"{column} in ({', '.join(['%s'] * len(part))})", part
