"""The ingestion status through the installed command: what is loaded and what is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from statsig_runs.simulator import STATUS_PATH, Simulator
from statsig_runs.simulator.faults import reply_json
from tests.support.workplace import Workplace

PUBLISHED = {
    "message": "Your job for events ingestion completed successfully",
    "timestamp": "2023-09-07T00:50:07.941Z",
    "ingestion_dataset": "events",
    "ingestion_source": None,
    "status": "BACKFILL_STARTED",
}
"""Statsig's own example: a bare array of this, without a `source_name`."""


def test_messages_are_loaded_once_and_what_is_none_is_told(
    copy_of_yesterday: Callable[..., Workplace], simulator: Simulator
) -> None:
    workplace = copy_of_yesterday()
    kept = (
        "select message_hash, first_fetched_at from statsig_raw.ingestion_status_messages where source_name is not null"
    )
    before = set(workplace.query(kept))
    assert len(before) > 100

    simulator.script = lambda path, _: reply_json(200, [PUBLISHED, 7]) if path.startswith(STATUS_PATH) else None
    done = workplace.sync()
    assert (done.code, done.summary["messages"], done.summary["rejected_messages"]) == (4, 1, 1), done.err
    assert set(workplace.query(kept)) == before
    assert workplace.query(
        "select status, ingestion_dataset, message, status_at, date_stamp from statsig_raw.ingestion_status_messages "
        "where source_name is null"
    ) == [
        (
            "BACKFILL_STARTED",
            "events",
            "Your job for events ingestion completed successfully",
            datetime(2023, 9, 7, 0, 50, 7, 941000, tzinfo=UTC),
            None,
        )
    ]
    reason = "select reason, payload from statsig_raw.rejected_status_messages"
    assert workplace.query(reason) == [("Expected `object`, got `int`", "7")]
