"""The page for people: one self-contained HTML file, and its summary as a picture, from the published marts.

    marts     the marts as rows                 (knows SQL, no HTML)
    reported  what the ingestion status said of rows, loads and failed runs
    words     numbers, times and names as text  (knows neither)
    grid, timeline, charts, shares              the kinds of figure
    plot      a chart over days or weeks
    drawings  charts as SVG, kept for the next page
    headline                                    the second sentence
    page, summary                               put together, and written whole or not at all

What each source and each run in flight is like, and the first sentence, it has from `readers`. Knows the marts and
nothing of how they came to be; asks no network, neither here nor in the reader's browser.
"""

from __future__ import annotations

from statsig_runs.report.page import write_report
from statsig_runs.report.summary import write_summary_png

__all__ = ["write_report", "write_summary_png"]
