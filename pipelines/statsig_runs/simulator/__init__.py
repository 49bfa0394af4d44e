"""A local Console API with the same contract, limits and faults, and realistic runs for it to serve.

    console                        what it answers: keys, pages, runs
    live                           an API that goes on by itself, for the command `simulate`
    faults, server, store          what can go wrong, the wire, and the runs it holds
    sample_runs                    made-up runs from a seed number
    sample_team, sample_histories  which runs a team starts, and what becomes of each
    sample_messages                the ingestion status of these runs

Knows nothing of the client, the loader or the tables.
"""

from __future__ import annotations

from statsig_runs.simulator.console import RUNS_PATH, STATUS_PATH, Simulator
from statsig_runs.simulator.faults import Faults, Reply
from statsig_runs.simulator.live import API_KEY, serve

__all__ = ["API_KEY", "RUNS_PATH", "STATUS_PATH", "Faults", "Reply", "Simulator", "serve"]
