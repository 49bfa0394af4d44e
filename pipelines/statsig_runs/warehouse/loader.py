"""The dlt pipeline of the batch job: it repairs what a killed load left behind, and loads batches."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import dlt
import pyarrow as pa
from dlt.common.destination.client import WithStagingDataset, WithStateSync
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.common.time import increasing_precise_time

from statsig_runs.contract import AcceptedRun, UnchangedRun
from statsig_runs.plan import KnownRun, Progress
from statsig_runs.source import loaded_batch
from statsig_runs.tables import NUMBER, REAL, REFUSALS, SYNC_LOADS, TEXT, TIMESTAMP
from statsig_runs.warehouse.database import SqlDatabase
from statsig_runs.warehouse.failures import CONNECTING, COPYING, cause_of, is_outage, translated
from statsig_runs.warehouse.known import Known
from statsig_runs.warehouse.workfolder import WorkFolder

if TYPE_CHECKING:
    from dlt.extract import DltResource

    from statsig_runs.contract import Outcome
    from statsig_runs.schemas import Schemas
    from statsig_runs.status_messages import Message
    from statsig_runs.warehouse.known import Database

log = logging.getLogger(__name__)

PIPELINE: Final = "statsig_runs"
_SOURCE: Final = "statsig_ingestion"
_STATEMENTS: Final = frozenset({"sql", "reference"})
"""Formats of the jobs that merge what was copied: each is one transaction, and may be made again."""
NOTHING_KNOWN: Final[Mapping[str, KnownRun]] = MappingProxyType({})
NOTHING_BESIDE: Final[Mapping[str, Any]] = MappingProxyType({})
_DATA_TYPES: Final[dict[pa.DataType, Any]] = {TEXT: "text", TIMESTAMP: "timestamp", NUMBER: "bigint", REAL: "double"}
"""What dlt calls the types of columns."""


class Loader:
    """One dlt pipeline on one destination.

    Args:
        destination: a dlt destination, with its credentials.
        schemas: the project's schemas.
        state: the folder for dlt's working files; no other process may use it at the same time.
        database: what answers questions about the tables, where dlt's own connection is not it.

    Attributes:
        sql: SQL over dlt's own connection.
        database: what answers questions about the tables.
        known: what the warehouse holds already.
    """

    def __init__(self, destination: Any, schemas: Schemas, state: Path, database: Database | None = None) -> None:
        self.schemas = schemas
        self.sql = SqlDatabase(lambda: self.pipeline)
        self.database = database or self.sql
        self.known = Known(self.database, schemas)
        self._destination = destination
        self._work = WorkFolder(state / "pipelines", f"{PIPELINE}{schemas.suffix}")
        self._may_miss_tables = False
        try:
            self.pipeline = self._open()
        except Exception as error:  # noqa: BLE001  by a power cut perhaps: what a file holds decides what is raised
            self._give_up(error)
            self.pipeline = self._start_anew()

    def _open(self) -> dlt.Pipeline:
        return dlt.pipeline(
            self._work.path.name,
            destination=self._destination,
            dataset_name=self.schemas.raw,
            pipelines_dir=str(self._work.path.parent),
        )

    def _give_up(self, error: Exception) -> None:
        """Give up what a killed load left behind. Where it is sound, raise the error: the next sync finishes it."""
        if is_outage(error, self._work.path):
            with translated():
                raise error
        log.warning("an earlier load cannot be finished (%s); its runs are fetched again", cause_of(error))

    def _start_anew(self) -> dlt.Pipeline:
        """Open the pipeline without a local state, which may be ahead of the data. The destination has the true one."""
        with translated():
            self._work.clear()
            return self._open()

    def repair(self) -> None:
        """Finish what a killed load left behind, or drop it, and take over the state that the destination holds.

        With packages pending, dlt would load only those and ignore new data, so this comes before anything is fetched.

        Raises:
            StorageError: the destination cannot be written or reached.
        """
        try:
            self._work.tidy()
            if self.pipeline.has_pending_data:
                log.warning("an earlier load was interrupted; finishing it")
                self._push()
                self._work.finish()
        except Exception as error:  # noqa: BLE001  as above
            self._give_up(error)
        self.pipeline = self._start_anew()
        with translated():
            CONNECTING(self.pipeline.sync_destination)
            self._outrun()

    def _outrun(self) -> None:
        """Load under a higher id than all before: an id is a time, and of all states dlt takes that of the highest."""
        if self.pipeline.first_run:
            return
        with self.pipeline.destination_client() as client:
            newest = client.get_stored_state(self.pipeline.pipeline_name) if isinstance(client, WithStateSync) else None
        if newest and newest._dlt_load_id:  # a clock may have run ahead when it was loaded
            increasing_precise_time._last = max(increasing_precise_time._last, float(newest._dlt_load_id))

    def load(
        self,
        outcomes: Iterable[Outcome | Message],
        progress: Progress,
        superseded: Iterable[AcceptedRun] = (),
        beside: Mapping[str, Any] = NOTHING_BESIDE,
        known: Mapping[str, KnownRun] = NOTHING_KNOWN,
    ) -> None:
        """Load one batch and the progress it stands for, of runs and of what is asked beside them.

        Args:
            outcomes: what was fetched.
            progress: of the runs.
            superseded: runs of which only the payloads are loaded.
            beside: the progress of other endpoints, as JSON-ready values by name; what has no name here stays as it is.
            known: what the warehouse holds of these runs. Of a run that has not changed, only when it was fetched is
                written; of one that is not in here, everything is.

        Raises:
            StorageError: the destination refused it; what was loaded before is kept.
        """
        outcomes = self._tell_unchanged(outcomes, known)
        state = {"progress": progress.to_state(), **beside}
        if fetched := [outcome.fetched_at for outcome in outcomes if isinstance(outcome, AcceptedRun)]:
            state["whole"] = {"until": max(fetched).isoformat()}
        batch = loaded_batch(outcomes, state, superseded)
        self._adapt(batch.resources, outcomes)
        with translated():
            self._work.begin(outcome.run_id for outcome in outcomes if isinstance(outcome, AcceptedRun))
            self._put(batch)
            self._work.finish()
            self._work.forget_lost()

    def record(self, load: dict[str, Any]) -> None:
        """Write one row of `sync_loads`, or replace it (by `load_id`)."""
        table = self.pipeline.schemas[_SOURCE].tables.get(SYNC_LOADS.name, {"columns": {}})
        if self._may_miss_tables:
            self.look_at_tables()  # once more: what was loaded since has noted all tables, this one too
        if self._may_miss_tables or not SYNC_LOADS.columns.keys() <= table["columns"].keys():
            self._load_record(load)
            return
        # a load by dlt, for one row, takes as long as one of a thousand runs
        row = load | dict.fromkeys(("_dlt_load_id", "_dlt_id"), load["load_id"])
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        with self.connected(), self.sql.transaction():
            self.sql.execute(f"delete from {self._sync_loads} where load_id = %s", [load["load_id"]])  # noqa: S608
            self.sql.execute(f"insert into {self._sync_loads} ({names}) values ({places})", list(row.values()))  # noqa: S608

    def _load_record(self, load: dict[str, Any]) -> None:
        """Write or replace one row as dlt does, which makes the table where it is not yet, or not yet whole."""
        resource = dlt.resource(
            [load],
            name=SYNC_LOADS.name,
            write_disposition={"disposition": "merge", "strategy": "delete-insert"},
            merge_key=list(SYNC_LOADS.replaced_by),
            columns={name: {"data_type": _DATA_TYPES[column.kind]} for name, column in SYNC_LOADS.columns.items()},
        )
        self._adapt({SYNC_LOADS.name: resource}, ())
        with translated():
            self._put(resource, self.pipeline.schemas[_SOURCE])

    def _put(self, data: Any, schema: Any = None) -> None:
        self.pipeline.extract(data, schema=schema)
        self._push()

    def _push(self) -> None:
        self.pipeline.normalize()
        self._work.merge()
        for attempt in COPYING:
            with attempt:
                self._empty_begun()
                self.pipeline.load()

    def _empty_begun(self) -> None:
        """Empty the staging tables whose copy was begun and is not known to have ended.

        It may have been committed all the same: before a kill, or on a full disk. dlt makes it again, and without this
        every row would be there twice.
        """
        packages = self.pipeline._get_load_storage().normalized_packages
        for load_id in self.pipeline.list_normalized_load_packages():
            begun = [ParsedLoadJobFileName.parse(file) for file, _ in packages.list_retried_new_jobs(load_id)]
            copied = {job.table_name for job in begun if job.file_format not in _STATEMENTS}
            if not copied:
                continue
            with self.pipeline.destination_client(packages.load_schema(load_id).name) as client:
                if isinstance(client, WithStagingDataset):
                    staged = [table for table in copied if client.should_load_data_to_staging_dataset(table)]
                    with client.with_staging_dataset() as staging:
                        staging.initialize_storage(truncate_tables=staged)

    def note(self, load: dict[str, Any]) -> None:
        """Complete the row that `record` wrote, with what became known after it."""
        names = [name for name in load if name.endswith("_seconds") or name == "finished_at"]
        changes = ", ".join(f"{name} = %s" for name in names)
        with self.connected():
            sql = f"update {self._sync_loads} set {changes} where load_id = %s"  # noqa: S608  names of ours
            self.sql.execute(sql, [*(load[name] for name in names), load["load_id"]])

    @property
    def _sync_loads(self) -> str:
        return f"{self.sql.qualified(self.schemas.raw)}.{SYNC_LOADS.name}"

    def progress(self) -> Progress:
        """How far earlier syncs came; what was lost on the way is left over."""
        progress = Progress.from_state(self.state("progress"))
        return replace(progress, leftover=tuple(dict.fromkeys((*progress.leftover, *self._work.lost()))))

    def _tell_unchanged(
        self, outcomes: Iterable[Outcome | Message], known: Mapping[str, KnownRun]
    ) -> list[Outcome | Message]:
        """The same, with those runs as `UnchangedRun` of which all rows are there, made from the same payload.

        A killed load, perhaps of another machine, may have left new rows of a run in some tables and old ones in
        others. Such a run is never unchanged. It was fetched later than those of the last load that ended, or it is
        left over.
        """
        state = self.state("whole")
        until = datetime.fromisoformat(state["until"]) if state else datetime.min.replace(tzinfo=UTC)
        sure = known.keys() - self.progress().leftover
        hashes = {run_id: known[run_id].content_hash for run_id in sure if known[run_id].fetched_at <= until}
        outcomes = list(outcomes)
        runs = [each for each in outcomes if isinstance(each, AcceptedRun)]
        changed = {run.run_id for run in runs if hashes.get(run.run_id) != run.content_hash}  # a run may stand twice
        return [
            UnchangedRun(each.run, each.fetched_at, each.content_hash, each.payload)
            if isinstance(each, AcceptedRun) and each.run_id not in changed
            else each
            for each in outcomes
        ]

    def state(self, name: str) -> Mapping[str, Any]:
        """What was last committed under this name; empty where nothing was."""
        state: Mapping[str, Any] = self.pipeline.state.get("sources", {}).get(_SOURCE, {}).get(name, {})
        return state

    def look_at_tables(self) -> None:
        """Have the next load make tables that somebody dropped: dlt notes which it has made, and trusts its notes."""
        self._may_miss_tables = True
        for schema in (self.schemas.raw, f"{self.schemas.raw}_staging"):
            notes = f"{self.sql.qualified(schema)}._dlt_version"
            if self.sql.query(f"select 1 from {notes} where 1 = 0") is not None:  # noqa: S608  names of ours
                self.sql.execute(f"delete from {notes}")  # noqa: S608

    def drop_accepted_refusals(self) -> None:
        """Forget refusals of payloads that the contract has come to accept."""
        raw = self.sql.qualified(self.schemas.raw)
        for refused, (accepted, key) in REFUSALS.items():
            known = f"select {key} from {raw}.{accepted}"  # noqa: S608  names of ours
            self.sql.execute(f"delete from {raw}.{refused} where {key} in ({known})")  # noqa: S608

    def connected(self) -> AbstractContextManager[None]:
        """Keep one connection for all that is asked inside."""
        return self.sql.connected()

    def _adapt(self, resources: Mapping[str, DltResource], outcomes: Collection[Outcome | Message]) -> None:
        """For a destination that merges in another way: change how these resources are loaded."""
