"""Vega-Lite charts as inline SVG, without a line of JavaScript in the page. Knows frames, no mart and no HTML.

A layer is a part of a Vega-Lite specification: a mark and how it is placed by the columns of the frame.

Colours are the page's own CSS variables, so that one drawing serves light and dark; the numbers under a chart travel
beside it as rows, for the table that everybody can read and for the tooltip. No customer's name enters a chart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pandas as pd

from statsig_runs.readers.display import duration
from statsig_runs.report import words

Layer = dict[str, Any]
Draw = Callable[[Layer], str]
"""Gives the SVG of a specification."""

WIDTH, HEIGHT = 300, 120
_Y_LABELS: Final = 34
"""Pixels that the labels of every y axis get, so that charts side by side are of one size."""
_SMALLEST_TOP: Final = 4
"""An axis of counts goes at least so far, or it would be marked in halves."""
_TICKS: Final = 5
"""Dates named under a chart."""
_DOTS_UP_TO: Final = 35
"""A line of no more points than this shows each of them: days without a run leave gaps, and single days between."""

_CONFIG: Final[Layer] = {
    "aria": False,
    "background": "transparent",
    "padding": {"left": 2, "top": 6, "right": 6, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "gridColor": "var(--line)",
        "labelColor": "var(--muted)",
        "labelFontSize": 11,
        "title": None,
        "domain": False,
        "ticks": False,
    },
    "axisX": {"labelPadding": 6},
}

_FRACTION: Final = re.compile(r"(\d+\.\d)\d+")
_NOISE: Final = re.compile(
    r' (?:xmlns:xlink|version|class|width|height|role|aria-\w+|stroke-miterlimit|pointer-events|font-family)="[^"]*"'
)
_ROOT: Final = re.compile(r'<g fill="none" transform="translate\(([\d.]+),[\d.]+\)"')
_VIEW: Final = re.compile(r'viewBox="0 0 ([\d.]+) [\d.]+"')


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing.

    `left` and `width` place the plot in the drawing, as shares of its width. `keys` are (class, words) of the legend.
    `rows` are (place in the plot from 0 to 1, label, values as text), oldest first, under `columns`.
    """

    title: str
    note: str
    svg: str
    left: float
    width: float
    keys: list[tuple[str, str]]
    columns: list[str]
    rows: list[tuple[float, str, list[str]]]


def draw_outcomes(frame: pd.DataFrame, draw: Draw, *, is_weekly: bool) -> list[Chart]:
    """Runs by outcome, error rates, retries and recoveries; `frame` has a row per day or week."""
    frame = _place(frame, is_weekly=is_weekly)
    kinds = {
        "clean": ("ok", "first time right"),
        "recovered": ("mended", "recovered"),
        "partial": ("warn", "partly failed"),
        "failed": ("bad", "failed"),
        "in_progress": ("busy", "in progress"),
    }
    volume = _finish(
        draw,
        _stack(frame, {kind: colour for kind, (colour, _) in kinds.items()}),
        frame,
        "Runs by outcome",
        keys=list(kinds.values()),
        columns={"runs": "runs"} | {kind: label for kind, (_, label) in kinds.items()},
    )
    rates = {"any_error_rate": "warn", "final_error_rate": "bad"}
    errors = _finish(
        draw,
        _lines(frame, rates, lowest_top=0.1, axis_format=".0%"),
        frame,
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
    retries = _finish(
        draw,
        _lines(frame, {"retries": "busy", "recovered": "mended"}, lowest_top=_SMALLEST_TOP),
        frame,
        "Retries and recoveries",
        keys=[("busy dashed", "retries"), ("mended", "recovered runs")],
        columns={"retries": "retries", "recovered": "recovered runs", "runs": "runs"},
    )
    return [volume, errors, retries]


def draw_duration(frame: pd.DataFrame, title: str, draw: Draw, *, is_weekly: bool) -> Chart:
    """p50 and p95 of one stage; `frame` has a row per day or week with seconds."""
    frame = _place(frame, is_weekly=is_weekly)
    longest = float(frame["p95"].max())
    unit, seconds = next(
        (u, s) for u, s in (("hours", 3600), ("minutes", 60), ("seconds", 1)) if longest >= 3 * s or s == 1
    )
    frame["low"], frame["high"] = frame["p50"] / seconds, frame["p95"] / seconds
    band = _layer({"type": "area", "color": "var(--busy)", "opacity": 0.13}, y=_quantity("low"), y2={"field": "high"})
    return _finish(
        draw,
        [band, *_lines(frame, {"high": "busy", "low": "ink"}, lowest_top=1)],
        frame,
        title,
        unit,
        keys=[("ink", "p50"), ("busy dashed", "p95")],
        columns={"p50": "p50", "p95": "p95", "runs": "runs"},
        say=duration,
    )


def draw_rows(frame: pd.DataFrame, source: str, draw: Draw) -> Chart:
    """Rows of one source by date; `frame` has a row per day with `rows`, `expected`, `drop`, `empty` and `loads`."""
    frame = _place(frame, is_weekly=False)
    frame["usual"] = frame["rows"].where(frame["drop"] == 0).fillna(0)
    frame["dropped"] = frame["rows"].where(frame["drop"] == 1).fillna(0)
    frame["void"] = (frame["empty"] * 0).where(frame["empty"] == 1)
    bars = _stack(
        frame,
        {"usual": "busy", "dropped": "bad"},
        axis=_y_axis(labelExpr="datum.value ? format(datum.value, '~s') : '0'"),
    )
    keys = [("busy", "rows")]
    if frame["drop"].any():
        keys.append(("bad", "far fewer than usual"))
    if frame["empty"].any():
        cross = {"type": "point", "shape": "cross", "angle": 45, "filled": True, "size": 60, "color": "var(--bad)"}
        bars.append(_layer(cross, y=_quantity("void")))
        keys.append(("bad cross", "empty"))
    if frame["expected"].notna().any():
        line = {"type": "line", "color": "var(--ink)", "strokeWidth": 1.2, "strokeDash": [4, 3]}
        bars.append(_layer(line, y=_quantity("expected")))
        keys.append(("ink dashed", "usual on that weekday"))
    return _finish(
        draw,
        bars,
        frame,
        source,
        keys=keys,
        columns={"rows": "rows", "expected": "usual on that weekday", "loads": "loads"},
        say=lambda number: "–" if number != number else words.count(number),  # noqa: PLR0124, RUF001  not a number
    )


def _place(frame: pd.DataFrame, *, is_weekly: bool) -> pd.DataFrame:
    """The frame with the place of each day or week in time.

    Milliseconds since 1970, because dates as text are read in the machine's own zone.
    """
    length = timedelta(days=7 if is_weekly else 1) / timedelta(milliseconds=1)
    begin = pd.to_datetime(frame["period"], utc=True).dt.as_unit("ms").astype("int64").astype(float)
    label = frame["period"].map(lambda period: f"{'week of ' if is_weekly else ''}{words.day(period)}")
    middle = begin + length / 2
    bar = {"bar_begin": begin + length * 0.05, "bar_end": begin + length * 0.95}
    # a week is named by its Monday, as its label says it; a day beneath its point
    named_at = begin if is_weekly else middle
    return frame.assign(begin=begin, middle=middle, end=begin + length, named_at=named_at, label=label, **bar)


def _stack(frame: pd.DataFrame, kinds: dict[str, str], axis: Layer | None = None) -> list[Layer]:
    """Bars of several kinds, the first at the bottom; adds the columns `below` and `to_…`."""
    frame["below"] = 0
    tops = frame[list(kinds)].cumsum(axis=1)
    highest = frame["expected"].max() if "expected" in frame else 0
    scale = _scale_to(max(_SMALLEST_TOP, float(tops.to_numpy().max()), highest))
    layers: list[Layer] = []
    floor = "below"
    for kind, colour in kinds.items():
        frame[f"to_{kind}"] = tops[kind]
        y = _quantity(floor, scale=scale, axis=axis or _y_axis(tickMinStep=1))
        bar = {"type": "rect", "color": f"var(--{colour})"}
        layers.append(_layer(bar, y=y, y2={"field": f"to_{kind}"}, x2={"field": "bar_end"}))
        floor = f"to_{kind}"
    return layers


def _lines(frame: pd.DataFrame, columns: dict[str, str], *, lowest_top: float, axis_format: str = "") -> list[Layer]:
    """One line a column; the first is dashed, so that they differ without colour. No axis ends below `lowest_top`."""
    top = max(lowest_top, float(frame[list(columns)].max().fillna(0).max()))
    axis = _y_axis(format=axis_format) if axis_format else _y_axis(tickMinStep=1)
    layers: list[Layer] = []
    for column, colour in columns.items():
        line = {
            "type": "line",
            "color": f"var(--{colour})",
            "strokeWidth": 1.6,
            "strokeDash": [1, 0] if layers else [4, 3],
            "point": {"filled": True, "size": 18, "color": f"var(--{colour})"} if len(frame) <= _DOTS_UP_TO else False,
        }
        layers.append(_layer(line, y=_quantity(column, scale=_scale_to(top), axis=axis)))
    return layers


def _layer(mark: Layer, **encoding: Layer) -> Layer:
    return {"mark": mark, "encoding": encoding}


def _quantity(column: str, **chosen: Any) -> Layer:
    return {"field": column, "type": "quantitative", **chosen}


def _scale_to(top: float) -> Layer:
    return {"domain": [0, top], "nice": True}


def _y_axis(**chosen: Any) -> Layer:
    return {"tickCount": 4, "minExtent": _Y_LABELS, "maxExtent": _Y_LABELS, **chosen}


def _finish(
    draw: Draw,
    layers: list[Layer],
    frame: pd.DataFrame,
    title: str,
    note: str = "",
    *,
    keys: list[tuple[str, str]],
    columns: dict[str, str],
    say: Callable[[float], str] = words.count,
) -> Chart:
    """Draw the layers over the days or weeks, and tell the rows beneath; numbers of runs are said as counts."""
    first, last = frame["begin"].min(), frame["end"].max()
    # of Vega's own ticks some would crowd, and a single day would be named at every hour
    ticks = frame["named_at"].iloc[:: -(-len(frame) // _TICKS)].tolist()
    axis = {"format": "%-d %b", "values": ticks, "labelFlush": True, "grid": False}
    scale = {"type": "utc", "domain": [first, last], "nice": False}
    for layer in layers:
        begin = "bar_begin" if "x2" in layer["encoding"] else "middle"
        layer["encoding"]["x"] = {"field": begin, "type": "temporal", "scale": scale, "axis": axis}
    # numbers only: what is not needed to draw does not enter the drawing
    numbers = frame.select_dtypes("number").astype(object).where(frame.select_dtypes("number").notna(), None)
    svg = _trim(
        draw(
            {
                "layer": layers,
                "data": {"values": numbers.to_dict("records")},
                "width": WIDTH,
                "height": HEIGHT,
                "config": _CONFIG,
            }
        )
    )
    total, left = (float(found[1]) if (found := part.search(svg)) else 0.0 for part in (_VIEW, _ROOT))
    counts = {"runs", "finished"}
    rows = [
        (
            round((row["middle"] - first) / (last - first), 4),
            row["label"],
            [words.count(row[c]) if c in counts else say(row[c]) for c in columns],
        )
        for row in frame.to_dict("records")
    ]
    total = total or WIDTH
    return Chart(title, note, svg, round(left / total, 4), round(WIDTH / total, 4), keys, ["", *columns.values()], rows)


def _trim(svg: str) -> str:
    """The drawing without what the page sets itself, and silent: its table speaks for it."""
    return _FRACTION.sub(r"\1", _NOISE.sub("", svg))
