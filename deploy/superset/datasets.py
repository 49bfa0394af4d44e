"""What the charts draw from: marts, and queries over marts. Plain data; `dashboard.py` writes it out."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dataset:
    """A mart, or a query over marts.

    `marts` are where the descriptions of its columns come from, the first before the others. `columns` are those that
    it shows, by default all of its only mart. `time` is the column that the period filters. `semantic_model` names the
    file of `sql/semantic` with its saved metrics; `metrics` are more of them.
    """

    name: str
    marts: tuple[str, ...]
    time: str | None = None
    columns: tuple[str, ...] | None = None
    sql: str | None = None
    description: str | None = None
    semantic_model: str | None = None
    metrics: dict[str, dict[str, str]] = field(default_factory=dict)


DATASETS = (
    Dataset(
        "source_status",
        ("source_status",),
        metrics={
            "source_count": {"verbose_name": "Sources", "expression": "count(*)", "d3format": ",d"},
            "unhealthy_source_count": {
                "verbose_name": "Sources that need a look",
                "expression": "count(case when health <> 'healthy' then 1 end)",
                "description": "Sources whose health is not `healthy`.",
                "d3format": ",d",
            },
            "overdue_date_count": {
                "verbose_name": "Overdue dates",
                "expression": "sum(overdue_date_count)",
                "description": "Dates that should be in and are not, of the last `completeness_days`.",
                "d3format": ",d",
            },
        },
    ),
    Dataset(
        "fct_date_freshness",
        ("fct_date_freshness",),
        time="date_stamp",
        semantic_model="dates",
        metrics={
            "date_in": {
                "verbose_name": "In",
                "expression": "min(case when state = 'landed' then 1 when state = 'empty' then 0.7 "
                "when is_overdue or state in ('failed', 'stalled', 'missing') then 0 else 0.5 end)",
                "description": "1: in. 0.7: in, without data. 0.5: not due yet. 0: failed, stalled or overdue.",
                "d3format": ".1f",
            }
        },
    ),
    Dataset(
        "fct_runs",
        ("fct_runs",),
        time="created_at",
        semantic_model="runs",
        metrics={
            "newest_fetch": {
                "verbose_name": "Newest fetch",
                "expression": "max(fetched_at)",
                "description": "The point in time as of which everything here is true, UTC.",
            }
        },
    ),
    Dataset(
        "fct_source_dates",
        ("fct_source_dates",),
        time="created_at",
        semantic_model="buckets",
    ),
    Dataset(
        "bucket_stages",
        ("fct_source_date_stages", "fct_source_dates"),
        time="created_at",
        columns=(
            *("run_id", "source", "date_stamp", "created_at", "trigger", "stage", "started_at", "ended_at"),
            *("duration_seconds", "wait_seconds", "attempt_count", "retry_count", "error_count", "outcome"),
        ),
        sql="""select stages.*, buckets.created_at, buckets.trigger
from {schema}.fct_source_date_stages as stages
inner join {schema}.fct_source_dates as buckets using (run_id, source, date_stamp)""",
        description="One row per run, source, date stamp and stage, with when the run was created and its trigger.",
        semantic_model="bucket_stages",
    ),
    Dataset(
        "unsuccessful_buckets",
        ("fct_source_dates", "fct_source_date_reports", "fct_date_freshness"),
        time="created_at",
        columns=(
            *("run_id", "source", "date_stamp", "created_at", "trigger", "outcome", "first_error_at", "is_landed"),
            *("error_status", "error_message"),
        ),
        sql="""select buckets.*, reports.error_status, reports.error_message, dates.is_landed
from {schema}.fct_source_dates as buckets
left join {schema}.fct_source_date_reports as reports using (source, date_stamp)
left join {schema}.fct_date_freshness as dates using (source, date_stamp)
where buckets.outcome in ('failed', 'stalled')""",
        description="One row per run, source and date stamp that failed or stalled, with what the warehouse said.",
    ),
    Dataset(
        "in_flight",
        ("fct_in_flight_runs", "fct_source_dates"),
        columns=(
            *("run_id", "source", "trigger", "created_at", "current_stage", "elapsed_seconds"),
            *("expected_p95_seconds", "expected_at", "is_late"),
        ),
        sql="""select distinct in_flight.*, buckets.source, runs.trigger
from {schema}.fct_in_flight_runs as in_flight
inner join {schema}.fct_runs as runs using (run_id)
left join {schema}.fct_source_dates as buckets using (run_id)""",
        description="One row per run in progress and source of it.",
    ),
)
