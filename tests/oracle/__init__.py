"""Every mart of the models computed a second time, in plain Python, from API payloads.

`build_marts` is what tests call. Where the definitions are silent, a docstring says "Choice:".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tests.oracle import aggregates, facts, findings, freshness, health, reports
from tests.oracle.facts import Row
from tests.oracle.runs import read_runs
from tests.oracle.vocabulary import Settings
from tests.support import marts

__all__ = ["MARTS", "Row", "Settings", "build_marts"]

MARTS = tuple(name for name in marts.MARTS if name != "fct_loads")
"""The marts that `build_marts` makes: all but the loads, which no payload tells of."""


def build_marts(
    fetched: Iterable[tuple[dict, datetime]], settings: Settings | None = None, messages: Iterable[Row] = ()
) -> dict[str, list[Row]]:
    """`MARTS`, by name, as lists of rows in no particular order.

    Args:
        fetched: each run's latest payload (the API's `data` object) and when it was last fetched (UTC).
        settings: thresholds and catalogue; by default those of the product and the bare pattern.
        messages: rows of `ingestion_status_messages`.
    """
    settings = settings or Settings()
    runs, finals = read_runs(fetched, settings)
    of_runs = facts.marts(runs)
    told = reports.read_reports(messages, runs)
    told_rows = reports.fct_source_date_reports(told, settings)
    dates = freshness.with_reports(freshness.fct_date_freshness(runs, finals, settings), told_rows)
    open_errors = reports.newest_open_errors(told, told_rows)
    return {
        **of_runs,
        **aggregates.marts(runs, of_runs),
        "fct_date_freshness": dates,
        "fct_source_date_reports": told_rows,
        "source_status": health.with_errors(health.source_status(runs, finals, dates, settings), open_errors),
        "fct_in_flight_runs": health.fct_in_flight_runs(runs),
        "dq_findings": findings.dq_findings(runs, of_runs["fct_runs"], reports.report_findings(told, told_rows)),
    }
