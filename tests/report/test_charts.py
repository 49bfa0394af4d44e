"""Charts are drawn from rows, whatever numbers a warehouse counts with and whatever a day lacks."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from statsig_runs.report.charts import draw_outcomes, draw_rows
from statsig_runs.report.plot import Layer

COUNTS = {"clean": 3, "recovered": 1, "partial": 0, "failed": 1, "in_progress": 2, "finished": 5, "retries": 4}
RATES = {"final_error_rate": 0.2, "any_error_rate": 0.4}
NOTHING = {"rows": None, "expected": None, "drop": 0, "empty": 0, "loads": None}


class Drawn:
    """Takes the place of the drawing, and keeps the specifications."""

    def __init__(self) -> None:
        self.charts: list[Layer] = []

    def __call__(self, chart: Layer) -> str:
        self.charts.append(json.loads(json.dumps(chart)))
        return "<svg></svg>"

    def values(self, chart: int) -> list[dict[str, Any]]:
        values: list[dict[str, Any]] = self.charts[chart]["data"]["values"]
        return values


def day(number: int, **values: Any) -> dict[str, Any]:
    return {"period": date(2026, 11, number), **values}


def test_a_warehouse_that_counts_in_decimals_has_the_same_charts() -> None:
    plain, decimal = Drawn(), Drawn()
    rows = [day(number, runs=7, **COUNTS, **RATES) for number in (1, 2)]
    as_decimals = [
        {name: Decimal(str(value)) if isinstance(value, int | float) else value for name, value in row.items()}
        for row in rows
    ]
    told = draw_outcomes(rows, plain, is_weekly=False)
    assert draw_outcomes(as_decimals, decimal, is_weekly=False) == told
    assert decimal.charts == plain.charts
    assert [value["to_in_progress"] for value in plain.values(0)] == [7, 7]
    assert told[0].rows[0][1:] == ("Sun 1 Nov", ["7", "3", "1", "0", "1", "2"])
    assert told[1].rows[0][2] == ["20.0%", "40.0%", "5"]


def test_a_day_without_a_report_has_no_rows_and_its_place_in_time() -> None:
    drawn = Drawn()
    rows = {"rows": 1200, "expected": 1000.0, "drop": 0, "empty": 0, "loads": 1}
    days = [
        day(1, **rows),
        day(2, **NOTHING),
        day(3, **rows | {"rows": 90, "drop": 1}),
        day(4, **NOTHING | {"empty": 1}),
    ]
    told = draw_rows(days, "Web", drawn)
    assert [words for _, words in told.keys] == ["rows", "far fewer than usual", "empty", "usual on that weekday"]
    assert [row[2] for row in told.rows] == [["1,200", "1,000", "1"], ["–", "–", "–"], ["90", "1,000", "1"], ["–"] * 3]  # noqa: RUF001
    values = drawn.values(0)
    assert [(value["usual"], value["dropped"], value["void"]) for value in values] == [
        (1200, 0, None),
        (0, 0, None),
        (0, 90, None),
        (0, 0, 0),
    ]
    assert [value["begin"] for value in values] == [
        datetime(2026, 11, number, tzinfo=UTC).timestamp() * 1000 for number in (1, 2, 3, 4)
    ]
    assert drawn.charts[0]["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0, 1200]
