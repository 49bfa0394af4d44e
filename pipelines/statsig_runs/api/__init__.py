"""The Console API client: bytes of runs and of pages, within the API's limits, or a reason why not.

    client      what is asked, and many requests at once; puts the others together
    address     what may be put into a request          (pure)
    rate_limit  when a request may leave                (knows no HTTP)
    transport   how it is sent, and sent again          (knows no meaning)
    answers     what came back means                    (pure)

Knows HTTP, and no table.
"""

from __future__ import annotations

from statsig_runs.api.answers import FetchedRun
from statsig_runs.api.client import ConsoleApi, FailedRun
from statsig_runs.api.transport import Patience

__all__ = ["ConsoleApi", "FailedRun", "FetchedRun", "Patience"]
