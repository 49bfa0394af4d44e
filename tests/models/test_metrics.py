"""The metrics of `sql/semantic`: what `mf query` says of them is what the marts' own counts say."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from click.testing import CliRunner
from dbt.adapters.duckdb.connections import DuckDBConnectionManager

from statsig_runs.packaged import packaged
from statsig_runs.simulator.sample_runs import generate_runs
from tests.support.team_project import databases, run, write_project
from tests.support.written_runs import at

metricflow = pytest.importorskip("dbt_metricflow.cli.main", reason="dbt-metricflow is not installed")

SEMANTIC = packaged("sql") / "semantic" / "models"
PACKAGE = Path(__file__).parents[2] / "pipelines" / "statsig_runs"
NOW = at("2024-03-18T09:00:00")

Answer = list[tuple[Any, ...]]
Mf = Callable[..., Answer]

OF_RUNS = "run_count run_retry_count run_final_error_rate run_any_error_rate run_recovery_rate run_retries_per_run"
RUNS = """
    sum(run_count), sum(retry_count),
    (sum(failed_count) + sum(partial_count)) / sum(finished_count), sum(with_error_count) / sum(finished_count),
    sum(recovered_count) / nullif(sum(with_error_count), 0), sum(retry_count) / sum(run_count)
    from agg_daily
"""
OF_BUCKETS = """
    bucket_count bucket_run_count
    bucket_final_error_rate bucket_any_error_rate bucket_recovery_rate bucket_retries_per_run
"""
BUCKETS = """
    sum(bucket_count), sum(run_count), sum(failed_count) / nullif(sum(finished_count), 0),
    sum(with_error_count) / nullif(sum(finished_count), 0), sum(recovered_count) / nullif(sum(with_error_count), 0),
    sum(retry_count) / sum(run_count)
    from agg_source_daily
"""
OF_STAGES = """
    {0}_attempt_error_rate {0}_retry_count {0}_p50_seconds {0}_p95_seconds {0}_p50_wait_seconds {0}_p95_wait_seconds
"""

ANSWERS = {
    "all runs": (OF_RUNS, "", f"select {RUNS}"),
    "runs by day": (
        OF_RUNS,
        "metric_time__day",
        f"select created_date, {RUNS} group by 1 having sum(run_count) > 0",
    ),
    "runs by week": (OF_RUNS, "metric_time__week", f"select date_trunc('week', created_date), {RUNS} group by 1"),
    "runs by trigger": (OF_RUNS, "run__trigger", f"select trigger, {RUNS} group by 1"),
    "durations of runs by day and trigger": (
        "run_p50_seconds run_p95_seconds",
        "metric_time__day,run__trigger",
        "select created_date, trigger, p50_total_seconds, p95_total_seconds from agg_daily where run_count > 0",
    ),
    "waits of runs by trigger": (
        "run_p50_waiting_seconds run_p95_waiting_seconds",
        "run__trigger",
        """select trigger, quantile_cont(waiting_seconds, 0.5), quantile_cont(waiting_seconds, 0.95)
        from fct_runs group by 1""",
    ),
    "buckets by source": (OF_BUCKETS, "source", f"select source, {BUCKETS} group by 1"),
    "buckets by week and source": (
        OF_BUCKETS,
        "metric_time__week,source",
        f"select date_trunc('week', created_date), source, {BUCKETS} group by 1, 2 having sum(bucket_count) > 0",
    ),
    "durations of buckets by day and source": (
        "bucket_p50_seconds bucket_p95_seconds",
        "metric_time__day,source",
        """select created_date, source, p50_total_seconds, p95_total_seconds
        from agg_source_daily where bucket_count > 0""",
    ),
    "buckets by trigger": (
        "bucket_count bucket_p95_waiting_seconds",
        "run__trigger",
        "select trigger, count(*), quantile_cont(waiting_seconds, 0.95) from fct_source_dates group by 1",
    ),
    "stages of runs by day": (
        OF_STAGES.format("run_stage"),
        "run__created_date__day,stage",
        """select created_date, stage, attempt_error_rate, retry_count,
            p50_seconds, p95_seconds, p50_wait_seconds, p95_wait_seconds
        from agg_stage_daily""",
    ),
    "stages of buckets by source": (
        OF_STAGES.format("bucket_stage"),
        "source,stage",
        """select source, stage,
            sum(error_count) / nullif(sum(attempt_count) - count(*) filter (outcome = 'running'), 0), sum(retry_count),
            quantile_cont(duration_seconds, 0.5), quantile_cont(duration_seconds, 0.95),
            quantile_cont(wait_seconds, 0.5), quantile_cont(wait_seconds, 0.95)
        from fct_source_date_stages group by 1, 2""",
    ),
    "dates by source": (
        """
        date_count date_landed_count date_overdue_count date_p50_landing_lag_seconds date_p95_landing_lag_seconds
        """,
        "source",
        """select source, count(*), count(*) filter (is_landed), count(*) filter (is_overdue),
            quantile_cont(landing_lag_seconds, 0.5), quantile_cont(landing_lag_seconds, 0.95)
        from fct_date_freshness group by 1""",
    ),
    "overdue dates by health": (
        "date_overdue_count",
        "source__health",
        """select health, count(*) filter (is_overdue)
        from fct_date_freshness inner join source_status using (source) group by 1""",
    ),
}
"""Metrics, what to group them by, and a query on the marts with the same columns."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = generate_runs(300, until=NOW)
    folder = write_project(tmp_path_factory.mktemp("team"), [(run, NOW) for run in runs])
    run(folder, "deps")
    run(folder, "build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    (folder / "copy").mkdir()
    shutil.copy(folder / "house.duckdb", folder / "copy")
    return folder


@pytest.fixture(scope="module")
def mf(project: Path) -> Iterator[Mf]:
    """`mf query` with these options; the command `mf` above it would ask the package index for a newer version."""
    from dbt_metricflow.cli.cli_configuration import CLIConfiguration

    answer = project / "answer.csv"
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in databases(project).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        monkeypatch.chdir(project)
        configuration = CLIConfiguration()
        configuration.setup(configure_file_logging=False)

        def query(*options: str) -> Answer:
            command = [*options, "--csv", str(answer), "--quiet"]
            done = CliRunner().invoke(metricflow.query, command, obj=configuration)
            assert done.exit_code == 0, done.output
            with answer.open(encoding="utf-8", newline="") as lines:
                return [tuple(map(value_of, row)) for row in csv.reader(lines)][1:]

        yield query
    DuckDBConnectionManager.close_all_connections()


def value_of(text: str) -> object:
    """What stands in a CSV file: nothing, a number, or a text; of a moment its day."""
    if re.fullmatch(r"-?[\d.]+(e[-+]\d+)?", text):
        return float(text)
    return text.removesuffix(" 00:00:00") or None


def ask(project: Path, sql: str) -> Answer:
    """Rows of one query on a copy of the marts: `mf` holds the file."""
    with duckdb.connect(str(project / "copy" / "house.duckdb"), read_only=True) as con:
        con.execute(f"attach '{project / 'lake.duckdb'}' as lake (read_only)")
        con.execute("set timezone = 'UTC'")
        con.execute("set search_path = 'ingestion'")
        rows = con.execute(sql).fetchall()
    return [tuple(None if value is None else value_of(str(value)) for value in row) for row in rows]


@pytest.mark.parametrize("what", ANSWERS)
def test_mf_query_says_what_the_counts_of_the_marts_say(project: Path, mf: Mf, what: str):
    metrics, group_by, sql = ANSWERS[what]
    said = mf("--metrics", ",".join(metrics.split()), *(["--group-by", group_by] if group_by else []))
    expected = ask(project, sql)
    assert expected
    assert sorted(said, key=str) == sorted(expected, key=str)


def test_every_saved_query_has_an_answer(mf: Mf):
    written = yaml.safe_load((SEMANTIC / "saved_queries.yml").read_text(encoding="utf-8"))
    for query in written["saved_queries"]:
        assert mf("--saved-query", query["name"])


def test_the_metrics_of_every_grain_can_be_asked_for_by_source_at_once(mf: Mf):
    rows = mf(
        "--metrics", "bucket_final_error_rate,bucket_stage_p95_seconds,date_overdue_count", "--group-by", "source"
    )
    assert len(rows) > 1
    assert all(None not in row for row in rows)


def test_the_time_spine_has_every_day_of_creation_and_of_data(project: Path):
    days = ask(project, "select count(*), count(distinct calendar_day) from team.metric_days")
    expected = ask(
        project,
        "select count(distinct day) from (select created_date as day from fct_runs "
        "union all select date_stamp from fct_date_freshness)",
    )
    assert days[0][0] == days[0][1]
    assert days[0][0] >= expected[0][0] > 10


def test_the_page_and_the_checks_are_exposures_of_the_marts_that_they_read():
    written = yaml.safe_load((SEMANTIC / "exposures.yml").read_text(encoding="utf-8"))["exposures"]
    marts = {path.stem for path in packaged("sql").glob("models/marts/*.sql")}
    read_by: dict[str, list[Path]] = {
        "statsig_runs_page": [*PACKAGE.glob("report/*.py"), PACKAGE / "readers/health.py"],
        "statsig_runs_checks": [PACKAGE / "readers/check.py", PACKAGE / "readers/health.py"],
    }
    for name, modules in read_by.items():
        (exposure,) = (each for each in written if each["name"] == name)
        code = "\n".join(module.read_text(encoding="utf-8") for module in modules)
        read = {mart for mart in marts if re.search(rf"\b(from|join)\s+{mart}\b", code)}
        assert {re.sub(r"ref\('(\w+)'\)", r"\1", each) for each in exposure["depends_on"]} == read
