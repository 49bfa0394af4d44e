"""Where the data lives, and the way into it.

    files         the job's DuckDB file, its lock, the published copy
    destinations  the same on other engines: dlt's destination and dbt's profile from one configuration
    profiles      how dbt reaches each of them
    loader        the dlt pipeline: repair, load, and what is known already
    failures      what dlt's errors mean, and which are tried again
    lake          the loader of Delta tables, and the session that models them

Knows tables by name; neither the API nor what the models mean.
"""

from __future__ import annotations

from statsig_runs.warehouse.files import STORAGE_VERSION, Schemas, Warehouse

__all__ = ["STORAGE_VERSION", "Schemas", "Warehouse"]
