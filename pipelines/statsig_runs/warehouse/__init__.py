"""Where the data lives, and the way into it.

    destinations  the factory: from the name of a destination to the warehouse there
    destination   one place for raw tables and marts, as plain data
    profiles      each engine: its settings, and how dbt reaches it
    postgres      what a server must be and allow
    files         a warehouse's files on this machine: state, lock, the job's own DuckDB file
    published     the copy that people read
    window        how that copy is made of a warehouse elsewhere
    lock          one writer at a time
    loader        the dlt pipeline: repair and load
    workfolder    what a kill left in dlt's folder
    database      SQL through dlt's connections
    transactions  a build as one transaction, on PostgreSQL
    ducklake      the same on DuckLake
    known         what a warehouse holds already
    failures      what dlt's errors mean, and which are tried again
    upkeep        how lakes stay small
    lake          the loader of Delta tables
    sail          the session that models them

Knows tables by name; neither the API nor what the models mean.
"""

from __future__ import annotations

from statsig_runs.warehouse.destinations import open_warehouse
from statsig_runs.warehouse.files import Warehouse
from statsig_runs.warehouse.published import STORAGE_VERSION

__all__ = ["STORAGE_VERSION", "Warehouse", "open_warehouse"]
