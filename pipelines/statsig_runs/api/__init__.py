"""The Console API client: bytes of runs and of pages, within the API's limits, or a reason why not.

    address     what may be put into a request          (pure)
    rate_limit  when a request may leave                (knows no HTTP)
    shared_log  what has left lately, of all processes  (knows no waiting)
    transport   how it is sent, and sent again          (knows no meaning)
    wire        connections that end by a deadline, and what they trust   (knows no key)
    answers     what any answer means                   (pure)
    shown       texts from outside, fit to be shown     (pure)
    threads     work in other threads                   (knows no request)
    client      many requests at once; puts the others together
    runs        the endpoint of runs: its paths and answers

A further endpoint has a folder of its own, as `status_messages` has. Only `runs` knows an endpoint. Knows no table.
"""

from __future__ import annotations

from statsig_runs.api.client import ConsoleApi
from statsig_runs.api.runs import FailedRun, FetchedRun, RunPage, Runs
from statsig_runs.api.transport import Patience

__all__ = ["ConsoleApi", "FailedRun", "FetchedRun", "Patience", "RunPage", "Runs"]
