"""The charts of the page: runs by outcome, errors, retries, durations, and the rows of a source. Knows no HTML.

Each is drawn from rows that have the columns named here, oldest first; how is the business of `plot`.
"""

from __future__ import annotations

from statsig_runs.readers.display import duration
from statsig_runs.readers.published import Row
from statsig_runs.report import words
from statsig_runs.report.plot import (
    SMALLEST_TOP,
    Chart,
    Draw,
    finish,
    lines,
    make_layer,
    place,
    quantity,
    stack,
    y_axis,
)


def draw_outcomes(rows: list[Row], draw: Draw, *, is_weekly: bool) -> list[Chart]:
    """Runs by outcome, error rates, retries and recoveries."""
    rows = place(rows, is_weekly=is_weekly)
    kinds = {
        "clean": ("ok", "first time right"),
        "recovered": ("mended", "recovered"),
        "partial": ("warn", "partly failed"),
        "failed": ("bad", "failed"),
        "in_progress": ("busy", "in progress"),
    }
    volume = finish(
        draw,
        stack(rows, {kind: colour for kind, (colour, _) in kinds.items()}),
        rows,
        "Runs by outcome",
        keys=list(kinds.values()),
        columns={"runs": "runs"} | {kind: label for kind, (_, label) in kinds.items()},
    )
    rates = {"any_error_rate": "warn", "final_error_rate": "bad"}
    errors = finish(
        draw,
        lines(rows, rates, lowest_top=0.1, axis_format=".0%"),
        rows,
        "Error rate",
        "share of the finished runs",
        keys=[("bad", "failed in the end"), ("warn dashed", "had an error")],
        columns={
            "final_error_rate": "failed in the end",
            "any_error_rate": "had an error",
            "finished": "finished runs",
        },
        say=words.percent,
    )
    retries = finish(
        draw,
        lines(rows, {"retries": "busy", "recovered": "mended"}, lowest_top=SMALLEST_TOP),
        rows,
        "Retries and recoveries",
        keys=[("busy dashed", "retries"), ("mended", "recovered runs")],
        columns={"retries": "retries", "recovered": "recovered runs", "runs": "runs"},
    )
    return [volume, errors, retries]


def draw_duration(rows: list[Row], title: str, draw: Draw, *, is_weekly: bool) -> Chart:
    """p50 and p95 of one stage, which are seconds."""
    rows = place(rows, is_weekly=is_weekly)
    longest = max(row["p95"] for row in rows)
    unit, seconds = next(
        (u, s) for u, s in (("hours", 3600), ("minutes", 60), ("seconds", 1)) if longest >= 3 * s or s == 1
    )
    for row in rows:
        row["low"], row["high"] = row["p50"] / seconds, row["p95"] / seconds
    band = make_layer(
        {"type": "area", "color": "var(--busy)", "opacity": 0.13}, y=quantity("low"), y2={"field": "high"}
    )
    return finish(
        draw,
        [band, *lines(rows, {"high": "busy", "low": "ink"}, lowest_top=1)],
        rows,
        title,
        unit,
        keys=[("ink", "p50"), ("busy dashed", "p95")],
        columns={"p50": "p50", "p95": "p95", "runs": "runs"},
        say=duration,
    )


def draw_rows(days: list[Row], source: str, draw: Draw) -> Chart:
    """Rows of one source by date; each day has `rows`, `expected`, `drop`, `empty` and `loads`."""
    days = place(days, is_weekly=False)
    for day in days:
        count = day["rows"] or 0
        day["usual"], day["dropped"] = (0, count) if day["drop"] else (count, 0)
        day["void"] = 0 if day["empty"] else None
    bars = stack(
        days,
        {"usual": "busy", "dropped": "bad"},
        axis=y_axis(labelExpr="datum.value ? format(datum.value, '~s') : '0'"),
    )
    keys = [("busy", "rows")]
    if any(day["drop"] for day in days):
        keys.append(("bad", "far fewer than usual"))
    if any(day["empty"] for day in days):
        cross = {"type": "point", "shape": "cross", "angle": 45, "filled": True, "size": 60, "color": "var(--bad)"}
        bars.append(make_layer(cross, y=quantity("void")))
        keys.append(("bad cross", "empty"))
    if any(day["expected"] is not None for day in days):
        line = {"type": "line", "color": "var(--ink)", "strokeWidth": 1.2, "strokeDash": [4, 3]}
        bars.append(make_layer(line, y=quantity("expected")))
        keys.append(("ink dashed", "usual on that weekday"))
    return finish(
        draw,
        bars,
        days,
        source,
        keys=keys,
        columns={"rows": "rows", "expected": "usual on that weekday", "loads": "loads"},
        say=lambda number: "–" if number is None else words.count(number),  # noqa: RUF001
    )
