"""What the dashboard draws: its charts, filters and their order. Plain data; `dashboard.py` writes it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TITLE = "Statsig ingestion"


@dataclass(frozen=True)
class Chart:
    """A chart: its name is its title, `kind` Superset's name for what it is, `params` its settings there."""

    name: str
    dataset: str
    kind: str
    params: dict[str, Any]


FILTERS = (
    ("Period", None, None),
    ("Source", "source", "fct_source_dates"),
    ("Trigger", "trigger", "fct_source_dates"),
    ("Stage", "stage", "bucket_stages"),
)
"""Name, column and the dataset that its values come from."""

GOOD, MIDDLE, BAD = "#5AC189", "#FCC700", "#E04355"
FAILING, UNCERTAIN = ("failing", "stalled"), ("incomplete", "recovering", "never_finished")
OF_A_WEEK = {"time_grain_sqla": "P1W", "x_axis": "created_at", "x_axis_time_format": "%b %d"}
LEGEND = {"show_legend": True, "legendOrientation": "top", "legendType": "scroll", "rich_tooltip": True}


def number(name: str, dataset: str, metric: str, shown: str, below: str, **more: Any) -> Chart:
    """One figure."""
    params = {"metric": metric, "y_axis_format": shown, "subheader": below}
    sizes = {"header_font_size": 0.4, "subheader_font_size": 0.2}
    return Chart(name, dataset, "big_number_total", {**params, **sizes, **more})


def table(name: str, dataset: str, columns: list[str], order: list[str], **more: Any) -> Chart:
    """Rows as they are; moments to the minute, dates without a time."""
    params = {"query_mode": "raw", "all_columns": columns, "order_by_cols": order, "row_limit": 1000}
    dates = {each: {"d3TimeFormat": "%Y-%m-%d"} for each in columns if "date" in each and "count" not in each}
    shown = {"table_timestamp_format": "%Y-%m-%d %H:%M", "show_cell_bars": False, "column_config": dates}
    return Chart(name, dataset, "table", {**params, **shown, **more})


def weekly(name: str, dataset: str, kind: str, metrics: list[str], shown: str, **more: Any) -> Chart:
    """Lines or bars over weeks of creation."""
    params = {"metrics": metrics, "groupby": [], "y_axis_format": shown, "row_limit": 10000}
    return Chart(name, dataset, f"echarts_timeseries_{kind}", {**OF_A_WEEK, **LEGEND, **params, **more})


def grid(name: str, dataset: str, x: str, metric: str, shown: str, colours: str, **more: Any) -> Chart:
    """A coloured cell for each source and what is on the axis below."""
    params = {
        "x_axis": x,
        "groupby": "source",
        "metric": metric,
        "y_axis_format": shown,
        "linear_color_scheme": colours,
    }
    order = {"sort_x_axis": "alpha_asc", "sort_y_axis": "alpha_desc", "normalize_across": "heatmap"}
    margins = {"left_margin": 150, "bottom_margin": 50, "xscale_interval": -1, "yscale_interval": 1}
    return Chart(name, dataset, "heatmap_v2", {**params, **order, **margins, "row_limit": 10000, **more})


CHARTS = (
    number("As of", "fct_runs", "newest_fetch", "", "newest fetch, UTC", time_format="%b %d, %H:%M"),
    number("To look at", "source_status", "unhealthy_source_count", ",d", "sources that are not healthy"),
    number("Overdue dates", "source_status", "overdue_date_count", ",d", "should be in, are not"),
    number("Final error rate", "fct_source_dates", "bucket_final_error_rate", ".1%", "data is missing"),
    number("Any error rate", "fct_source_dates", "bucket_any_error_rate", ".1%", "recovered included"),
    number("Landing lag", "fct_date_freshness", "date_p50_landing_lag_hours", ",.1f", "hours after a day, median"),
    table(
        "Is the data in?",
        "source_status",
        [
            *("source", "health", "complete_through_date", "overdue_date_count", "oldest_overdue_date"),
            *("last_succeeded_at", "last_error_message"),
        ],
        ['["overdue_date_count", false]', '["health", true]', '["source", true]'],
        conditional_formatting=[
            *({"column": "health", "operator": "=", "targetValue": each, "colorScheme": BAD} for each in FAILING),
            *({"column": "health", "operator": "=", "targetValue": each, "colorScheme": MIDDLE} for each in UNCERTAIN),
            {"column": "health", "operator": "=", "targetValue": "healthy", "colorScheme": GOOD},
        ],
    ),
    grid(
        "Every date: blue is in, pale without data, white not due yet, red failed or overdue",
        "fct_date_freshness",
        "date_stamp",
        "date_in",
        ".1f",
        "superset_div_1",
        x_axis_time_format="%b %d",
        value_bounds=[0, 1],
        show_legend=False,
    ),
    table(
        "What failed, and why",
        "unsuccessful_buckets",
        ["created_at", "source", "date_stamp", "outcome", "is_landed", "error_message", "run_id"],
        ['["created_at", false]'],
    ),
    table(
        "In flight",
        "in_flight",
        ["source", "trigger", "current_stage", "created_at", "expected_at", "is_late", "run_id"],
        ['["created_at", false]'],
    ),
    grid(
        "Any error rate by source and week",
        "fct_source_dates",
        "created_at",
        "bucket_any_error_rate",
        ".0%",
        "preset_seq_2",
        time_grain_sqla="P1W",
        x_axis_time_format="%b %d",
        show_values=True,
    ),
    weekly(
        "Error rates by week",
        "fct_source_dates",
        "line",
        ["bucket_any_error_rate", "bucket_final_error_rate"],
        ".0%",
        markerEnabled=True,
    ),
    weekly(
        "Retries by week and source",
        "fct_source_dates",
        "bar",
        ["bucket_retry_count"],
        ",d",
        groupby=["source"],
        stack="Stack",
    ),
    weekly("Runs by week and trigger", "fct_runs", "bar", ["run_count"], ",d", groupby=["trigger"], stack="Stack"),
    grid(
        "Duration of each stage, p95, hours",
        "bucket_stages",
        "stage",
        "bucket_stage_p95_hours",
        ",.1f",
        "preset_seq_1",
        xscale_interval=1,
        show_values=True,
    ),
    weekly(
        "Duration of each stage by week, p95, hours",
        "bucket_stages",
        "line",
        ["bucket_stage_p95_hours"],
        ",.1f",
        groupby=["stage"],
        markerEnabled=True,
    ),
    weekly(
        "Duration and waiting of a run by week, hours",
        "fct_runs",
        "line",
        ["run_p50_hours", "run_p95_hours", "run_p50_waiting_hours", "run_p95_waiting_hours"],
        ",.1f",
        markerEnabled=True,
    ),
)

SECTIONS = (
    (
        "Is today's data in?",
        (
            (
                18,
                {
                    "As of": 2,
                    "To look at": 2,
                    "Overdue dates": 2,
                    "Final error rate": 2,
                    "Any error rate": 2,
                    "Landing lag": 2,
                },
            ),
            (60, {"Is the data in?": 12}),
            (46, {"Every date: blue is in, pale without data, white not due yet, red failed or overdue": 12}),
            (45, {"What failed, and why": 12}),
            (32, {"In flight": 12}),
        ),
    ),
    (
        "How is it doing, week by week?",
        (
            (50, {"Any error rate by source and week": 6, "Error rates by week": 6}),
            (45, {"Retries by week and source": 6, "Runs by week and trigger": 6}),
        ),
    ),
    (
        "Where does the time go?",
        (
            (50, {"Duration of each stage, p95, hours": 6, "Duration of each stage by week, p95, hours": 6}),
            (40, {"Duration and waiting of a run by week, hours": 12}),
        ),
    ),
)
"""Headings, rows with their height in units of 8 pixels, and charts with their width of 12 columns."""
