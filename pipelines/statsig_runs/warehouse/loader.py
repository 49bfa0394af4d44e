"""The dlt pipeline of the batch job: repairs what a killed load left, loads batches, answers what is known already."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.pipeline.exceptions import PipelineStepFailed

from statsig_runs.contract import MissingRun
from statsig_runs.errors import StorageError
from statsig_runs.plan import KnownRun, Progress, is_settled
from statsig_runs.source import Outcome, loaded_batch
from statsig_runs.warehouse.failures import CONNECTING, cause_of, is_outage, translated

if TYPE_CHECKING:
    from dlt.extract import DltResource

    from statsig_runs.contract import AcceptedRun
    from statsig_runs.warehouse.files import Schemas

log = logging.getLogger(__name__)

PIPELINE: Final = "statsig_runs"
_SOURCE: Final = "statsig_ingestion"
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


class Loader:
    """One dlt pipeline on one destination.

    Args:
        destination: a dlt destination, with its credentials.
        schemas: the project's schemas.
        state: the folder for dlt's working files; no other process may use it at the same time.
    """

    def __init__(self, destination: Any, schemas: Schemas, state: Path) -> None:
        self.schemas = schemas
        self._connection: Any = None
        self._destination = destination
        self._folder = state / "pipelines" / f"{PIPELINE}{schemas.suffix}"
        try:
            with translated():
                self.pipeline = self._open()
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  by a power cut perhaps: what a file holds decides what is raised
            log.warning("the loader's state in %s is damaged (%s)", self._folder, cause_of(error))
            self.pipeline = self._start_over()

    def _open(self) -> dlt.Pipeline:
        return dlt.pipeline(
            self._folder.name,
            destination=self._destination,
            dataset_name=self.schemas.raw,
            pipelines_dir=str(self._folder.parent),
        )

    def _start_over(self) -> dlt.Pipeline:
        """Without the local state: the destination holds all of it but what was not loaded, which is fetched again."""
        log.warning("starting from the state that is kept with the data")
        shutil.rmtree(self._folder, ignore_errors=True)
        return self._open()

    def repair(self) -> None:
        """Finish or drop what a killed load left behind, and take over the state that the destination holds.

        With packages pending, dlt would load only those and ignore new data, so this comes before anything is fetched.

        Raises:
            StorageError: the destination cannot be written or reached.
        """
        with translated():
            if self.pipeline.has_pending_data:
                log.warning("an earlier load was interrupted; finishing it")
                try:
                    self.pipeline.run()
                except PipelineStepFailed as error:
                    if is_outage(error):
                        raise  # nothing is wrong with the load itself: it is kept until the disk or the server is well
                    log.warning("it cannot be finished (%s); dropping it, its runs are fetched again", cause_of(error))
                    try:
                        self.pipeline.abort_packages()
                    except Exception:  # noqa: BLE001  not even a load that dlt could put aside
                        self.pipeline = self._start_over()
            CONNECTING(self.pipeline.sync_destination)
        for finished in Path(self.pipeline.working_dir).glob("load/loaded/*/"):
            shutil.rmtree(finished, ignore_errors=True)  # dlt keeps a folder of records of every load, for ever

    def load(self, outcomes: Iterable[Outcome], progress: Progress, superseded: Iterable[AcceptedRun] = ()) -> None:
        """Load one batch and the progress it stands for; of what is superseded, only the payloads.

        Raises:
            StorageError: the destination refused it; what was loaded before is kept.
        """
        outcomes = list(outcomes)
        batch = loaded_batch(outcomes, progress.to_state(), superseded)
        self._adapt(batch.resources, outcomes)
        with translated():
            self.pipeline.run(batch)

    def record(self, load: dict[str, Any]) -> None:
        """Write one row of `sync_loads`, or replace it (by `load_id`)."""
        resource = dlt.resource(
            [load],
            name="sync_loads",
            write_disposition={"disposition": "merge", "strategy": "delete-insert"},
            merge_key="load_id",
            columns={name: {"data_type": kind} for name, kind in LOAD_COLUMNS.items()},
        )
        self._adapt({"sync_loads": resource}, ())
        with translated():
            self.pipeline.run(resource, schema=self.pipeline.schemas[_SOURCE])

    def note(self, load: dict[str, Any]) -> None:
        """Complete the row that `record` wrote, with what became known after it."""
        names = [name for name in load if name.endswith("_seconds") or name == "finished_at"]
        table = f"{self._qualified(self.schemas.raw)}.sync_loads"
        changes = ", ".join(f"{name} = %s" for name in names)
        sql = f"update {table} set {changes} where load_id = %s"  # noqa: S608  names of ours
        with self._client() as client:
            client.execute_sql(sql, *(load[name] for name in names), load["load_id"])

    def progress(self) -> Progress:
        """How far earlier syncs came."""
        state = self.pipeline.state.get("sources", {}).get(_SOURCE, {})
        return Progress.from_state(state.get("progress", {}))

    def known(self, run_ids: Collection[str], *, now: datetime, settle_days: float) -> dict[str, KnownRun]:
        """What the warehouse holds of these runs, by id."""
        found: dict[str, KnownRun] = {}
        for condition, part in _portions("runs.run_id", run_ids):
            found |= {run.run_id: run for run in self._query_known(condition, part, now, settle_days)}
        return found

    def payload_times(self, run_ids: Collection[str]) -> dict[tuple[str, str], datetime]:
        """When each payload of these runs was seen last, by run id and content hash."""
        raw = self._qualified(self.schemas.raw)
        seen: dict[tuple[str, str], datetime] = {}
        for condition, part in _portions("run_id", run_ids):
            sql = f"select run_id, content_hash, fetched_at from {raw}.run_payloads where {condition}"  # noqa: S608
            rows = self._query(sql, part) or ()
            seen |= {(run_id, content_hash): _in_utc(fetched_at) for run_id, content_hash, fetched_at in rows}
        return seen

    def to_read_again(self, *, now: datetime, settle_days: float, full: bool = False) -> list[str]:
        """Ids of the runs that may still change, or of all: fetched longest ago first, missing ones left out."""
        missing = f"runs.run_id not in (select run_id from {self._qualified(self.schemas.raw)}.missing_runs)"  # noqa: S608
        known = self._query_known(missing, [], now, settle_days)
        return [run.run_id for run in known if full or not run.is_settled]

    def missing(self) -> list[MissingRun]:
        """The runs that the API answered 404 for when it was last asked."""
        raw = self._qualified(self.schemas.raw)
        rows = self._query(f"select run_id, fetched_at, message from {raw}.missing_runs", [])  # noqa: S608
        return [MissingRun(run_id, _in_utc(fetched_at), message) for run_id, fetched_at, message in rows or ()]

    def has_tables(self) -> bool:
        """Whether anything was ever loaded."""
        raw = self._qualified(self.schemas.raw)
        return self._query(f"select 1 from {raw}.run_payloads where 1 = 0", []) is not None  # noqa: S608

    def payloads(self, count: int) -> Iterator[tuple[bytes, datetime]]:
        """The newest payload of every run, and the newest refused one, with fetch times; by `count` runs."""
        last = ""
        while rows := self._query(_PAYLOADS.format(raw=self._qualified(self.schemas.raw), count=count), [last]):
            for last, fetched_at, payload in rows:  # noqa: B007  the last id starts the next portion
                yield payload.encode(), _in_utc(fetched_at)

    def drop_accepted_refusals(self) -> None:
        """Forget refusals of payloads that the contract has come to accept."""
        raw = self._qualified(self.schemas.raw)
        with self._client() as client:
            client.execute_sql(
                f"delete from {raw}.rejected_runs where content_hash in (select content_hash from {raw}.run_payloads)"  # noqa: S608
            )

    def _adapt(self, resources: Mapping[str, DltResource], outcomes: Collection[Outcome]) -> None:
        """For a destination that merges in another way: change how these resources are loaded."""

    def _query_known(
        self, condition: str, parameters: Collection[str], now: datetime, settle_days: float
    ) -> Iterator[KnownRun]:
        raw, marts = self._qualified(self.schemas.raw), self._qualified(self.schemas.marts)
        shared = {"raw": raw, "condition": condition}
        join = f"left join {marts}.fct_runs as marts on runs.run_id = marts.run_id"
        outcome = "case when marts.run_id is null then 'in_progress' else marts.effective_outcome end"
        rows = self._query(_KNOWN.format(outcome=outcome, join=join, **shared), parameters)
        if rows is None:  # the models have not been built yet
            rows = self._query(_KNOWN.format(outcome="'in_progress'", join="", **shared), parameters)
        for run_id, created_at, fetched_at, content_hash, outcome in rows or ():
            in_progress = outcome == "in_progress"
            settled = is_settled(_in_utc(created_at), in_progress=in_progress, now=now, settle_days=settle_days)
            yield KnownRun(run_id, content_hash or "", _in_utc(fetched_at), settled)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Keep one connection for all queries inside: opening one costs ten times a query."""
        with self._client() as client:
            self._connection = client
            try:
                yield
            finally:
                self._connection = None

    @contextmanager
    def _client(self) -> Iterator[Any]:
        if self._connection:
            yield self._connection
        else:
            with translated(), self.pipeline.sql_client() as client:
                yield client

    def _query(self, sql: str, parameters: Collection[str]) -> list[tuple[Any, ...]] | None:
        """Rows of a query; None where one of its tables does not exist yet."""
        with self._client() as client:
            try:
                return [tuple(row) for row in client.execute_sql(sql, *parameters) or ()]
            except DatabaseUndefinedRelation:
                return None

    def _qualified(self, schema: str) -> str:
        with self._client() as client, client.with_alternative_dataset_name(schema):
            return str(client.fully_qualified_dataset_name())


def _portions(column: str, run_ids: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Conditions that together name all ids, each with its parameters: no engine takes any number of them."""
    ids = list(run_ids)
    for start in range(0, len(ids), _IDS_PER_QUERY):
        part = ids[start : start + _IDS_PER_QUERY]
        yield f"{column} in ({', '.join(['%s'] * len(part))})", part


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


LOAD_COLUMNS: Final[dict[str, Any]] = {
    "load_id": "text",
    "started_at": "timestamp",
    "finished_at": "timestamp",
    "new_count": "bigint",
    "changed_count": "bigint",
    "unchanged_count": "bigint",
    "rejected_count": "bigint",
    "missing_count": "bigint",
    "failed_count": "bigint",
    "request_count": "bigint",
    "retry_count": "bigint",
    "rate_limited_count": "bigint",
    "fetch_seconds": "double",
    "load_seconds": "double",
    "model_seconds": "double",
    "publish_seconds": "double",
}
"""`sync_loads`, one row per load: dlt's data types; times in UTC, durations in seconds, null for a step not taken."""
