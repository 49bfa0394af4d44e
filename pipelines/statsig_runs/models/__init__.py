"""The dbt project, in process: builds and tests the marts, and writes their documentation page.

    build        the marts of one database, from its raw tables
    dbt_project  dbt itself: one profile, one set of variables, its errors in our words
    manifest     the project as dbt has read it, kept between processes

Knows a database and the raw tables in it; knows neither the API nor the loader.
"""

from __future__ import annotations

from statsig_runs.models.build import MEMORY_LIMIT, Build, Mart, build_models, write_docs

__all__ = ["MEMORY_LIMIT", "Build", "Mart", "build_models", "write_docs"]
