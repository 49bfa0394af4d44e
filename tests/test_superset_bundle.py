"""What `deploy/superset` writes for Superset runs on the published copy. In Superset itself: `superset/`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import duckdb
import pytest
import yaml

from statsig_runs.packaged import packaged
from statsig_runs.warehouse import Warehouse

SCRIPT = Path(__file__).parents[1] / "deploy" / "superset" / "dashboard.py"
Assets = dict[str, Any]


@pytest.fixture(scope="module")
def assets(published: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Assets:
    file = tmp_path_factory.mktemp("bundle") / "statsig_runs.zip"
    subprocess.run([sys.executable, SCRIPT, published.published.file, file], check=True)
    with ZipFile(file) as bundle:
        return {name.removeprefix("statsig_runs/"): yaml.safe_load(bundle.read(name)) for name in bundle.namelist()}


def of_kind(assets: Assets, kind: str) -> list[dict]:
    return [content for name, content in assets.items() if name.startswith(f"{kind}/")]


def relation(dataset: dict) -> str:
    return f"({dataset['sql']})" if dataset["sql"] else f"{dataset['schema']}.{dataset['table_name']}"


@pytest.fixture
def connection(published: Warehouse, assets: Assets) -> duckdb.DuckDBPyConnection:
    """As the database of the bundle is opened."""
    (database,) = of_kind(assets, "databases")
    settings = database["extra"]["engine_params"]["connect_args"]
    assert database["sqlalchemy_uri"] == f"duckdb:///{published.published.file}"
    assert settings["read_only"]
    assert not database["allow_dml"]
    opened = duckdb.connect(str(published.published.file), read_only=True)
    for name, value in settings["config"].items():
        opened.execute(f"set {name} = '{value}'")
    return opened


def test_every_dataset_has_the_columns_that_it_describes_and_describes_them_as_the_marts_do(assets, connection):
    datasets = of_kind(assets, "datasets")
    assert len(datasets) == 7
    comments = connection.execute(
        "select table_name, column_name, comment from duckdb_columns() where schema_name = 'statsig'"
    ).fetchall()
    of_marts = {(table, column): comment for table, column, comment in comments}
    for dataset in datasets:
        has = {name for (name, *_) in connection.execute(f"describe from {relation(dataset)}").fetchall()}
        described = {column["column_name"]: column["description"] for column in dataset["columns"]}
        assert described.keys() <= has
        assert dataset["main_dttm_col"] is None or dataset["main_dttm_col"] in described
        for column, description in described.items():
            assert description in {comment for (_, name), comment in of_marts.items() if name == column}
        if not dataset["sql"]:
            assert described == {c: text for (table, c), text in of_marts.items() if table == dataset["table_name"]}


def test_every_saved_metric_can_be_asked_for(assets, connection):
    for dataset in of_kind(assets, "datasets"):
        for metric in dataset["metrics"]:
            ((value,),) = connection.execute(f"select {metric['expression']} from {relation(dataset)}").fetchall()
            assert value is not None or "recovery" in metric["metric_name"] or "wait" in metric["metric_name"], metric


def test_saved_metrics_are_what_the_counts_of_the_marts_say(assets, connection):
    def saved(table: str, *names: str) -> list:
        dataset = assets[f"datasets/statsig_runs/{table}.yaml"]
        expressions = {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}
        chosen = ", ".join(expressions[name] for name in names)
        by = "trigger" if table == "fct_runs" else "source"
        return connection.execute(f"select {by}, {chosen} from {relation(dataset)} group by 1 order by 1").fetchall()

    of_runs = saved("fct_runs", "run_count", "run_final_error_rate", "run_any_error_rate", "run_retries_per_run")
    assert of_runs == [("scheduled", 25, 1 / 23, 1 / 23, 0.0)]
    assert (
        connection.execute(
            "select trigger, sum(run_count), (sum(failed_count) + sum(partial_count)) / sum(finished_count), "
            "sum(with_error_count) / sum(finished_count), sum(retry_count) / sum(run_count) "
            "from statsig.agg_daily group by 1"
        ).fetchall()
        == of_runs
    )
    assert (
        saved("fct_source_dates", "bucket_count", "bucket_final_error_rate", "bucket_any_error_rate")
        == connection.execute(
            "select source, sum(bucket_count), sum(failed_count) / nullif(sum(finished_count), 0), "
            "sum(with_error_count) / nullif(sum(finished_count), 0) from statsig.agg_source_daily group by 1 order by 1"
        ).fetchall()
    )
    assert saved("fct_source_dates", "bucket_p95_hours")[2][0:2] == ("Metrics", 1.0)


def test_every_chart_asks_for_columns_and_metrics_that_its_dataset_has(assets):
    datasets = {dataset["uuid"]: dataset for dataset in of_kind(assets, "datasets")}
    for chart in of_kind(assets, "charts"):
        dataset, params = datasets[chart["dataset_uuid"]], chart["params"]
        columns = {column["column_name"] for column in dataset["columns"]}
        by = params.get("groupby", [])
        asked = [*params.get("all_columns", []), *([by] if isinstance(by, str) else by)]
        asked += [params["x_axis"]] if "x_axis" in params else []
        assert set(asked) <= columns, chart["slice_name"]
        metrics = params.get("metrics", [params["metric"]] if "metric" in params else [])
        assert set(metrics) <= {metric["metric_name"] for metric in dataset["metrics"]}, chart["slice_name"]


def test_every_chart_has_its_place_and_every_filter_reaches_the_charts_that_have_its_column(assets):
    (dashboard,) = of_kind(assets, "dashboards")
    placed = {part["meta"]["chartId"]: part["meta"] for key, part in dashboard["position"].items() if "CHART-" in key}
    names = {number: meta["sliceName"] for number, meta in placed.items()}
    assert sorted(names.values()) == sorted(chart["slice_name"] for chart in of_kind(assets, "charts"))
    reached = {
        each["name"]: {name for number, name in names.items() if number not in each["scope"]["excluded"]}
        for each in dashboard["metadata"]["native_filter_configuration"]
    }
    assert reached.keys() == {"Period", "Source", "Trigger", "Stage"}
    assert len(reached["Stage"]) == 2
    assert set(names.values()) - reached["Source"] == {
        "As of",
        "Runs by week and trigger",
        "Duration and waiting of a run by week, hours",
    }
    assert set(names.values()) - reached["Period"] == {"To look at", "Overdue dates", "Is the data in?", "In flight"}


def test_the_dashboard_is_an_exposure_of_the_marts_that_it_reads(assets):
    written = yaml.safe_load((packaged("sql") / "semantic/models/exposures.yml").read_text(encoding="utf-8"))
    (exposure,) = (each for each in written["exposures"] if each["type"] == "dashboard")
    code = " ".join(relation(dataset) for dataset in of_kind(assets, "datasets"))
    assert {each[5:-2] for each in exposure["depends_on"]} == set(re.findall(r"statsig\.(\w+)", code))
