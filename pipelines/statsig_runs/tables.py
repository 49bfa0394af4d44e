"""The raw tables of the warehouse, each described once: columns, natural key, what a load replaces, what they mean.

The loader, the lake, the source, the tests and the comments in the database read it from here. How runs become rows is
in `flatten`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import pyarrow as pa

TOMBSTONE: Final = "_dlt_tombstone"
"""Technical column: the row only says that the run has no rows here. Loaded rows hold null.

The loader replaces all rows of the runs that a load names. So a run whose list became empty must still be named in the
table of that list: by a *tombstone*, a row that holds nothing but the run's id and true in this column.
"""

TEXT: Final = pa.string()
NUMBER: Final = pa.int64()
REAL: Final = pa.float64()
DATE: Final = pa.date32()
TIMESTAMP: Final = pa.timestamp("us", tz="UTC")


class Column(NamedTuple):
    """One column: its type, and what it means."""

    kind: pa.DataType
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """One raw table.

    Args:
        name: what it is called.
        meaning: its grain, in a sentence that begins with `One row per`.
        columns: its columns in order, apart from `TOMBSTONE`.
        key: the columns that tell its rows apart.
        replaced_by: what a load replaces: the rows that agree with a loaded row in these columns.
        may_be_empty: a run may have no rows in it, and then has a tombstone.
    """

    name: str
    meaning: str
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    replaced_by: tuple[str, ...] = ("run_id",)
    may_be_empty: bool = False

    @property
    def schema(self) -> pa.Schema:
        """Its Arrow schema, `TOMBSTONE` included; dlt declares the columns that it merges by as not null."""
        kinds = {name: column.kind for name, column in self.columns.items()}
        if self.may_be_empty:
            kinds[TOMBSTONE] = pa.bool_()
        return pa.schema([pa.field(name, kind, nullable=name not in self.replaced_by) for name, kind in kinds.items()])


_RUN_ID: Final = Column(TEXT, "The run's id.")
_SOURCE: Final = Column(TEXT, "Name of the source.")
_EVENT: Final = {
    "event_index": Column(NUMBER, "Number of the event in its history, from 1, oldest first."),
    "status_at": Column(TIMESTAMP, "When the status was reached, UTC."),
    "status": Column(TEXT, "The status as the API writes it."),
}
_HASH: Final = Column(
    TEXT,
    "SHA-256 of the payload's canonical form, in hexadecimal digits: the same for payloads that mean the same.",
)
_SENT_AT: Final = Column(TIMESTAMP, "When the API sent this payload last, UTC.")

_RUN_TABLES: Final = (
    Table(
        "ingestion_runs",
        "One row per run, as it was fetched last.",
        {
            "run_id": _RUN_ID,
            "latest_status": Column(TEXT, "The status that the API calls the run's latest."),
            "trigger": Column(TEXT, "What started the run, such as `scheduled`."),
            "created_at": Column(TIMESTAMP, "When the run was created, UTC."),
            "last_updated_at": Column(
                TIMESTAMP, "When the API says that the run changed last, UTC; 1 to 2 s before its newest status."
            ),
            "fetched_at": Column(TIMESTAMP, "When the API answered last, UTC: the moment that the row stands for."),
        },
        key=("run_id",),
    ),
    Table(
        "ingestion_run_sources",
        "One row per run and listed source.",
        {"run_id": _RUN_ID, "source": _SOURCE},
        key=("run_id", "source"),
        may_be_empty=True,
    ),
    Table(
        "ingestion_run_date_stamps",
        "One row per run and requested date.",
        {"run_id": _RUN_ID, "date_stamp": Column(DATE, "The date.")},
        key=("run_id", "date_stamp"),
        may_be_empty=True,
    ),
    Table(
        "run_status_events",
        "One row per run and status event of its run-level history, numbered oldest first.",
        {"run_id": _RUN_ID, **_EVENT},
        key=("run_id", "event_index"),
        may_be_empty=True,
    ),
    Table(
        "source_latest_statuses",
        "One row per run and source of the granular history. Read by no model; for queries of your own.",
        {
            "run_id": _RUN_ID,
            "source": _SOURCE,
            "latest_source_status": Column(TEXT, "The status that the API calls the source's latest."),
        },
        key=("run_id", "source"),
        may_be_empty=True,
    ),
    Table(
        "source_date_status_events",
        "One row per run, source, date and status event, numbered oldest first within its bucket.",
        {
            "run_id": _RUN_ID,
            "source": _SOURCE,
            "date_stamp": Column(DATE, "The date that the source is loaded for."),
            **_EVENT,
        },
        key=("run_id", "source", "date_stamp", "event_index"),
        may_be_empty=True,
    ),
    Table(
        "run_payloads",
        "One row per run and distinct payload seen.",
        {
            "run_id": _RUN_ID,
            "content_hash": _HASH,
            "fetched_at": _SENT_AT,
            "payload": Column(TEXT, "The API's JSON."),
        },
        key=("run_id", "content_hash"),
        replaced_by=("run_id", "content_hash"),
    ),
    Table(
        "rejected_runs",
        "One row per run and payload that the contract refused. Read by no model.",
        {
            "run_id": Column(
                TEXT, "The id that was asked for, or that the payload claims; empty where there is neither."
            ),
            "content_hash": _HASH,
            "fetched_at": _SENT_AT,
            "reason": Column(TEXT, "What is wrong, and the path of it."),
            "payload": Column(TEXT, "What the API sent."),
        },
        key=("run_id", "content_hash"),
        replaced_by=("run_id", "content_hash"),
    ),
    Table(
        "missing_runs",
        "One row per id that the API answered 404 for. Read by no model.",
        {
            "run_id": Column(TEXT, "The id that was asked for."),
            "fetched_at": Column(TIMESTAMP, "When the API answered, UTC."),
            "message": Column(TEXT, "The API's own words."),
        },
        key=("run_id",),
        may_be_empty=True,
    ),
)

RUN_TABLES: Final[dict[str, Table]] = {table.name: table for table in _RUN_TABLES}
"""What the runs of a batch become, by name."""

_MESSAGE_HASH: Final = Column(
    TEXT, "SHA-256 of the message's canonical JSON, in hexadecimal digits: the API gives messages no id."
)
_MESSAGE_TABLES: Final = (
    Table(
        "ingestion_status_messages",
        "One row per distinct message of the ingestion status.",
        {
            "message_hash": _MESSAGE_HASH,
            "source_name": Column(TEXT, "Name of the source that the message is about; null where it names none."),
            "ingestion_dataset": Column(TEXT, "What was imported, such as `events` or `Metrics`."),
            "ingestion_source": Column(TEXT, "The type of the source, such as `snowflake-v2`."),
            "date_stamp": Column(DATE, "The calendar date that `ds` names, whatever its time and zone."),
            "status": Column(TEXT, "The class of the message, such as `IMPORT_SUCCESSFUL` or `QUERY_ERROR`."),
            "message": Column(TEXT, "Statsig's words."),
            "error_message": Column(TEXT, "The words of the customer's warehouse; whole."),
            "row_count": Column(REAL, "Rows imported; null where the message gives no number."),
            "metric_count": Column(REAL, "Metrics imported; null where the message gives no number."),
            "status_at": Column(TIMESTAMP, "When the message was made, UTC."),
            "first_fetched_at": Column(TIMESTAMP, "When the API sent this message first, UTC."),
            "payload": Column(TEXT, "The API's JSON."),
        },
        key=("message_hash",),
        replaced_by=("message_hash",),
    ),
    Table(
        "rejected_status_messages",
        "One row per distinct element of the ingestion status that could not be read. Read by no model.",
        {
            "message_hash": _MESSAGE_HASH,
            "fetched_at": Column(TIMESTAMP, "When the API sent this element first, UTC."),
            "reason": Column(TEXT, "What is wrong, and the path of it."),
            "payload": Column(TEXT, "What the API sent."),
        },
        key=("message_hash",),
        replaced_by=("message_hash",),
    ),
)

MESSAGE_TABLES: Final[dict[str, Table]] = {table.name: table for table in _MESSAGE_TABLES}
"""What messages become, by name: a message has a hash for an id, and is loaded once."""

BATCH_TABLES: Final[dict[str, Table]] = {**RUN_TABLES, **MESSAGE_TABLES}
"""What a batch becomes, by name."""

REFUSALS: Final = {
    "rejected_runs": ("run_payloads", "content_hash"),
    "rejected_status_messages": ("ingestion_status_messages", "message_hash"),
}
"""The tables of what the contract refuses: where it is once the contract accepts it, and the hash it has in both."""

SYNC_LOADS: Final = Table(
    "sync_loads",
    "One row per load of the pipeline; `fct_loads` is the same. Absent where another loader filled the raw tables.",
    {
        "load_id": Column(TEXT, "The load's id."),
        "started_at": Column(TIMESTAMP, "When the load began, UTC."),
        "finished_at": Column(TIMESTAMP, "When the load ended, UTC."),
        "new_count": Column(NUMBER, "Runs seen for the first time."),
        "changed_count": Column(NUMBER, "Runs whose payload changed."),
        "unchanged_count": Column(NUMBER, "Runs fetched with the payload known before."),
        "rejected_count": Column(NUMBER, "Payloads that the contract refused."),
        "missing_count": Column(NUMBER, "Ids that the API answered 404 for."),
        "failed_count": Column(NUMBER, "Runs that could not be fetched."),
        "request_count": Column(NUMBER, "Requests made."),
        "retry_count": Column(NUMBER, "Requests made again after a failure."),
        "rate_limited_count": Column(NUMBER, "Answers 429."),
        "fetch_seconds": Column(REAL, "Time of the fetching step."),
        "load_seconds": Column(REAL, "Time of the loading step."),
        "model_seconds": Column(REAL, "Time of the modelling step; null where it was not done."),
        "publish_seconds": Column(REAL, "Time of the publishing step; null where it was not done."),
    },
    key=("load_id",),
    replaced_by=("load_id",),
)
"""What one load did."""

TABLES: Final[dict[str, Table]] = {**BATCH_TABLES, SYNC_LOADS.name: SYNC_LOADS}
"""Every raw table, by name."""
