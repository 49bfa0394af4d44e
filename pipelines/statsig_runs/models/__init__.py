"""The dbt project, in process: builds and tests the marts, and writes their documentation page.

    build        the marts of one database, from its raw tables
    definitions  the definitions that a team may change
    renewal      the marts as of a fetch that changed nothing or little, without dbt
    dbt_project  dbt itself: one profile, one set of variables, its errors in our words
    manifest     the project as dbt has read it, kept between processes
    ahead        a thread that reads it while the API is waited for

Knows a database and the raw tables in it; knows neither the API nor the loader.
"""

from __future__ import annotations

from statsig_runs.models.ahead import ReadAhead
from statsig_runs.models.build import Build, build_models, read_models, variables_of, write_docs
from statsig_runs.models.definitions import Definitions
from statsig_runs.models.renewal import Mart, Renewal, keep_renewal, renew, take_renewal

__all__ = [
    "Build",
    "Definitions",
    "Mart",
    "ReadAhead",
    "Renewal",
    "build_models",
    "keep_renewal",
    "read_models",
    "renew",
    "take_renewal",
    "variables_of",
    "write_docs",
]
