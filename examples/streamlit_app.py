"""A page over the published copy that shows what each sync has brought. It holds no connection.

streamlit run examples/streamlit_app.py -- data/published/statsig_runs.duckdb
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pandas as pd
import streamlit as st

FILE = Path(sys.argv[1] if sys.argv[1:] else "data/published/statsig_runs.duckdb")


@st.cache_data(max_entries=100)
def read(sql: str, version: int) -> pd.DataFrame:  # noqa: ARG001  part of what is remembered
    """The rows of a query, times in UTC; asked once for each version of the file."""
    with closing(duckdb.connect(FILE, read_only=True)) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).df()


version = FILE.stat().st_mtime_ns  # a sync replaces the file
newest = read("select count(*) as runs, max(fetched_at) as as_of from statsig.fct_runs", version)
st.title("Ingestion runs")
st.metric("Runs", f"{newest['runs'][0]:,}", help=f"as of {newest['as_of'][0]:%Y-%m-%d %H:%M} UTC")
sources = "select source, health, complete_through_date, overdue_date_count from statsig.source_status order by source"
st.dataframe(read(sources, version), hide_index=True)
daily = "select created_date, sum(run_count) as runs, sum(failed_count) as failed from statsig.agg_daily group by 1"
st.bar_chart(read(daily, version), x="created_date", y=["runs", "failed"])
