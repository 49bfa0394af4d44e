"""The dlt source in a pipeline of one's own: some runs, beside whatever else is in your warehouse.

    STATSIG_API_KEY=console-... python examples/own_pipeline.py

Only the raw tables: no models, no published copy, no memory of where the last load stopped. The command `sync` has
these. Any destination of dlt's will do; here it is a DuckDB file in the current folder.
"""

from __future__ import annotations

import dlt

from statsig_runs.source import statsig_ingestion


def load() -> None:
    """Load the newest thousand runs."""
    pipeline = dlt.pipeline("our_pipeline", destination=dlt.destinations.duckdb("ours.duckdb"), dataset_name="statsig")
    everything = statsig_ingestion(status=False)  # `since=` and `max_requests=` are other ways to ask for less
    source = everything.with_resources("ingestion_runs", "run_status_events")  # two of the eleven tables
    pipeline.run(source.add_limit(100))  # pages of ten runs; without it, all that the API still lists
    with pipeline.sql_client() as client:
        [(runs,)] = client.execute_sql("select count(*) from ingestion_runs") or []
        [(events,)] = client.execute_sql("select count(*) from run_status_events") or []
    print(f"{runs} runs with {events} status events are in ours.duckdb.")


if __name__ == "__main__":
    load()
