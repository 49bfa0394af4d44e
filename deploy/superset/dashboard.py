"""Writes the Superset dashboard as a ZIP that `superset import-dashboards` takes.

    python deploy/superset/dashboard.py data/published/statsig_runs.duckdb statsig_runs.zip

Columns and their descriptions are those of the marts' `.yml` files, and the saved metrics those of `sql/semantic`:
neither is written here. What is drawn is in `charts.py`, from what in `datasets.py`. Needs PyYAML, which Superset
brings, and a checkout.
"""

from __future__ import annotations

import argparse
import re
import sys
import uuid
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import yaml
from charts import CHARTS, FILTERS, SECTIONS, TITLE, Chart
from datasets import DATASETS, Dataset

SQL = Path(__file__).resolve().parents[2] / "sql"
NAMESPACE = uuid.UUID("6f3f2f8e-54c0-4c43-9d5c-2b8c7d0e9a11")
VERSION = "1.0.0"
TYPES = {"string": "VARCHAR", "double precision": "DOUBLE", "timestamptz": "TIMESTAMP WITH TIME ZONE"}
FORMATS = {"_rate": ".1%", "_per_run": ".2f", "_count": ",d", "_hours": ",.1f"}
"""How a metric is shown, by the end of its name."""


def main() -> None:
    """Read the arguments and write the ZIP."""
    options = argparse.ArgumentParser(description="Writes the Superset dashboard as a ZIP.")
    options.add_argument("database", type=Path, help="the published copy, where Superset can read it")
    options.add_argument("zip", type=Path, help="the file to write")
    options.add_argument(
        "--schema", default="statsig", help="where the marts are in it (statsig_shop of a project shop)"
    )
    given = options.parse_args()
    with ZipFile(given.zip, "w", ZIP_DEFLATED) as bundle:
        for name, content in assets(given.database.absolute(), given.schema).items():
            text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
            bundle.writestr(f"statsig_runs/{name}.yaml", text)
    sys.stdout.write(f"{given.zip} holds the dashboard over {given.database.absolute()}.\n")


def assets(database: Path, schema: str) -> dict[str, dict[str, Any]]:
    """Every file of the bundle, by its name without `.yaml`."""
    return {
        "metadata": {"version": VERSION, "type": "Dashboard"},
        "databases/statsig_runs": database_asset(database),
        **{f"datasets/statsig_runs/{each.name}": dataset_asset(each, schema) for each in DATASETS},
        **{f"charts/{slug(each.name)}": chart_asset(each) for each in CHARTS},
        "dashboards/statsig_runs": dashboard_asset(),
    }


def database_asset(database: Path) -> dict[str, Any]:
    """The published copy: read only, in UTC, never cached. Superset opens it for each query and closes it."""
    connect = {"read_only": True, "config": {"timezone": "UTC"}}  # so written, duckdb-engine sets it later
    return {
        "database_name": "statsig_runs",
        "sqlalchemy_uri": f"duckdb:///{database}",
        "cache_timeout": -1,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "extra": {"engine_params": {"connect_args": connect}, "allows_virtual_table_explore": True},
        "uuid": identity("database"),
        "version": VERSION,
    }


def dataset_asset(dataset: Dataset, schema: str) -> dict[str, Any]:
    """A mart, or a query over marts, with the descriptions of its columns and its saved metrics."""
    described = [mart(name) for name in dataset.marts]
    columns = {name: each for _, of_mart in reversed(described) for name, each in of_mart.items()}
    shown = [name for name in columns if dataset.columns is None or name in dataset.columns]
    return {
        "table_name": dataset.name,
        "main_dttm_col": dataset.time,
        "description": dataset.description or described[0][0],
        "schema": schema,
        "sql": dataset.sql and dataset.sql.format(schema=schema),
        "filter_select_enabled": True,
        "columns": [
            {"column_name": name, "verbose_name": heading(name), "is_active": True, **columns[name]} for name in shown
        ],
        "metrics": [
            *metrics(dataset.semantic_model),
            *({"metric_name": name, "metric_type": None, **each} for name, each in dataset.metrics.items()),
        ],
        "uuid": identity("dataset", dataset.name),
        "version": VERSION,
        "database_uuid": identity("database"),
    }


def mart(name: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """What a mart means, and its columns as Superset describes them, from its `.yml`."""
    (model,) = read_yaml(SQL / "models" / "marts" / f"{name}.yml")["models"]
    columns = {}
    for column in model["columns"]:
        # a reserved word on one engine and a type's name on each are templates
        plain = re.sub(r"{{.*'(\w[\w ]*)'.*}}", r"\1", column["name"])
        (kind,) = re.findall(r"timestamptz|double precision|^\w+$", column["data_type"])
        columns[plain] = {
            "type": TYPES.get(kind, kind.upper()),
            "is_dttm": kind in {"timestamptz", "date"},
            "groupby": True,
            "filterable": True,
            "description": column["description"],
        }
    return model["description"], columns


def metrics(semantic_model: str | None) -> list[dict[str, Any]]:
    """The metrics of a semantic model as saved metrics: the same names, labels, descriptions and aggregates.

    A ratio divides its counts over whatever is grouped by. Seconds become hours, and the names say so.
    """
    if semantic_model is None:
        return []
    written = read_yaml(SQL / "semantic" / "models" / f"{semantic_model}.yml")
    (model,) = written["semantic_models"]
    sql_of = {measure["name"]: aggregate(measure) for measure in model["measures"]}
    for ratio in written.get("metrics", []):
        parts = ratio["type_params"]
        sql_of[ratio["name"]] = f"1.0 * {sql_of[parts['numerator']]} / nullif({sql_of[parts['denominator']]}, 0)"
    saved = []
    for metric in [*model["measures"], *written.get("metrics", [])]:
        name, label, sql = metric["name"], metric["label"], sql_of[metric["name"]]
        if name.endswith("_seconds"):
            name, label, sql = name.removesuffix("_seconds") + "_hours", f"{label}, hours", f"{sql} / 3600"
        saved.append(
            {
                "metric_name": name,
                "verbose_name": label,
                "metric_type": None,
                "expression": sql,
                "description": metric["description"],
                "d3format": next(shown for end, shown in FORMATS.items() if name.endswith(end)),
            }
        )
    return saved


def aggregate(measure: dict[str, Any]) -> str:
    """The SQL of a measure."""
    sql = measure.get("expr", measure["name"])
    match measure["agg"]:
        case "count_distinct":
            return f"count(distinct {sql})"
        case "percentile":
            return f"percentile_cont({measure['agg_params']['percentile']}) within group (order by {sql})"
        case "count" | "sum" as function:
            return f"{function}({sql})"
    raise ValueError(f"Superset has no aggregate for {measure['agg']}")


def chart_asset(chart: Chart) -> dict[str, Any]:
    """A chart over its dataset, open to the period of the dashboard where that has a time."""
    dataset = next(each for each in DATASETS if each.name == chart.dataset)
    period = {
        "clause": "WHERE",
        "expressionType": "SIMPLE",
        "subject": dataset.time,
        "operator": "TEMPORAL_RANGE",
        "comparator": "No filter",
    }
    params = {"viz_type": chart.kind, "adhoc_filters": [period] if dataset.time else [], **chart.params}
    return {
        "slice_name": chart.name,
        "viz_type": chart.kind,
        "params": params,
        "uuid": identity("chart", chart.name),
        "version": VERSION,
        "dataset_uuid": identity("dataset", chart.dataset),
    }


def dashboard_asset() -> dict[str, Any]:
    """The sections with their rows of charts, and the filters."""
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "parents": ["ROOT_ID"], "children": []},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": TITLE}},
    }
    grid = ["ROOT_ID", "GRID_ID"]

    def place(kind: str, key: str, parents: list[str], **meta: Any) -> str:
        identifier = f"{kind}-{key}"
        children = {} if kind == "CHART" else {"children": []}
        position[identifier] = {"type": kind, "id": identifier, "parents": parents, "meta": meta, **children}
        position[parents[-1]]["children"].append(identifier)
        return identifier

    for number, (heading_text, rows) in enumerate(SECTIONS):
        background = "BACKGROUND_TRANSPARENT"
        place("HEADER", f"{number}", grid, text=heading_text, headerSize="MEDIUM_HEADER", background=background)
        for count, (height, charts) in enumerate(rows):
            row = place("ROW", f"{number}-{count}", grid, background=background)
            for name, width in charts.items():
                placed = {"chartId": number_of(name), "uuid": identity("chart", name), "sliceName": name}
                place("CHART", slug(name), [*grid, row], height=height, width=width, **placed)
    return {
        "dashboard_title": TITLE,
        "slug": "statsig-runs",
        "published": True,
        "position": position,
        "metadata": {
            "color_scheme": "supersetColors",
            "cross_filters_enabled": True,
            "refresh_frequency": 0,
            "native_filter_configuration": [filter_asset(*each) for each in FILTERS],
        },
        "uuid": identity("dashboard"),
        "version": VERSION,
    }


def filter_asset(name: str, column: str | None, dataset: str | None) -> dict[str, Any]:
    """A filter over the charts whose dataset has its column; without a column, the period of those that have a time."""
    reached = {each.name for each in DATASETS if (has_column(each, column) if column else each.time)}
    target = {"column": {"name": column}, "datasetUuid": identity("dataset", dataset)} if dataset else {}
    return {
        "id": f"NATIVE_FILTER-{name}",
        "name": name,
        "type": "NATIVE_FILTER",
        "filterType": "filter_select" if column else "filter_time",
        "targets": [target],
        "controlValues": {"enableEmptyFilter": False, "multiSelect": True, "searchAllOptions": False},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        "cascadeParentIds": [],
        "scope": {
            "rootPath": ["ROOT_ID"],
            "excluded": [number_of(each.name) for each in CHARTS if each.dataset not in reached],
        },
    }


def has_column(dataset: Dataset, column: str) -> bool:
    """Whether a dataset shows this column."""
    return column in (dataset.columns or {name for each in dataset.marts for name in mart(each)[1]})


def number_of(chart: str) -> int:
    """A number for a chart within the bundle; Superset gives it its own."""
    return [each.name for each in CHARTS].index(chart) + 1


def identity(*names: str) -> str:
    """A UUID that stays the same from one bundle to the next, so that importing again replaces."""
    return str(uuid.uuid5(NAMESPACE, "/".join(names)))


def slug(name: str) -> str:
    """A name for a file."""
    return re.sub(r"\W+", "_", name).strip("_").lower()


def heading(column: str) -> str:
    """A column's name as a heading."""
    return re.sub(r"_", " ", column).removeprefix("is ").capitalize()


def read_yaml(file: Path) -> dict[str, Any]:
    """The content of a `.yml` file of the dbt project."""
    read: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return read


if __name__ == "__main__":
    main()
