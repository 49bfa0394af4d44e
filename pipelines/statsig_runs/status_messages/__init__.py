"""The endpoint that tells why a day failed and how much of it came: `GET /console/v1/ingestion/status`.

    message    what one of its messages must be to be loaded   (pure)
    plan       which days to ask for, and what is kept of that  (pure)
    endpoint   the request, and both shapes of its answer       (knows no table)
    fetch      one pass over the days that are wanted; puts the others together

All that is this endpoint's own is here; its columns stand in `tables` with the others. It is asked beside the runs,
after them, and nothing that goes wrong here keeps a run from being loaded.
"""

from __future__ import annotations

from statsig_runs.status_messages.fetch import StatusFetch
from statsig_runs.status_messages.message import Message, RejectedMessage, StatusMessage, read_message
from statsig_runs.status_messages.plan import StatusProgress

__all__ = ["Message", "RejectedMessage", "StatusFetch", "StatusMessage", "StatusProgress", "read_message"]
