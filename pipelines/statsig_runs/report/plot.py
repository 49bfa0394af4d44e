"""A chart over days or weeks: layers of a Vega-Lite specification, drawn as inline SVG. Knows no mart and no HTML.

A chart is drawn from rows, one a day or week, each with its `period`. A layer is a part of a specification: a mark and
how it is placed by values of the rows. A chart needs no JavaScript to be drawn.

Colours are the page's own CSS variables, so that one drawing serves light and dark; the numbers under a chart travel
beside it as rows, for the table that everybody can read and for the tooltip. No customer's name enters a chart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from statsig_runs.readers.published import Row
from statsig_runs.report import words

Layer = dict[str, Any]
Draw = Callable[[Layer], str]
"""Gives the SVG of a specification."""

WIDTH, HEIGHT = 300, 120
_Y_LABELS: Final = 34
"""Pixels that the labels of every y axis get, so that charts side by side are of one size."""
SMALLEST_TOP: Final = 4
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


def place(rows: list[Row], *, is_weekly: bool) -> list[Row]:
    """Copies of the rows, with the place of each day or week in time; a warehouse may have counted in decimals.

    Milliseconds since 1970, because dates as text are read in the machine's own zone.
    """
    length = timedelta(days=7 if is_weekly else 1) / timedelta(milliseconds=1)
    placed = []
    for row in rows:
        begin = datetime.combine(row["period"], time(), UTC).timestamp() * 1000
        middle = begin + length / 2
        place = {"begin": begin, "middle": middle, "end": begin + length}
        bar = {"bar_begin": begin + length * 0.05, "bar_end": begin + length * 0.95}
        # a week is named by its Monday, as its label says it; a day beneath its point
        label = f"{'week of ' if is_weekly else ''}{words.day(row['period'])}"
        numbers = {name: float(value) for name, value in row.items() if isinstance(value, Decimal)}
        named_at = begin if is_weekly else middle
        placed.append({**row, **numbers, **place, **bar, "named_at": named_at, "label": label})
    return placed


def stack(rows: list[Row], kinds: dict[str, str], axis: Layer | None = None) -> list[Layer]:
    """Bars of several kinds, the first at the bottom; adds `below` and `to_…` to the rows."""
    for row in rows:
        top = row["below"] = 0
        for kind in kinds:
            top = row[f"to_{kind}"] = top + row[kind]
    scale = _scale_to(max(SMALLEST_TOP, _highest(rows, *(f"to_{kind}" for kind in kinds), "expected")))
    layers: list[Layer] = []
    floor = "below"
    for kind, colour in kinds.items():
        y = quantity(floor, scale=scale, axis=axis or y_axis(tickMinStep=1))
        bar = {"type": "rect", "color": f"var(--{colour})"}
        layers.append(make_layer(bar, y=y, y2={"field": f"to_{kind}"}, x2={"field": "bar_end"}))
        floor = f"to_{kind}"
    return layers


def lines(rows: list[Row], columns: dict[str, str], *, lowest_top: float, axis_format: str = "") -> list[Layer]:
    """One line a column; the first is dashed, so that they differ without colour. No axis ends below `lowest_top`."""
    top = max(lowest_top, _highest(rows, *columns))
    axis = y_axis(format=axis_format) if axis_format else y_axis(tickMinStep=1)
    layers: list[Layer] = []
    for column, colour in columns.items():
        line = {
            "type": "line",
            "color": f"var(--{colour})",
            "strokeWidth": 1.6,
            "strokeDash": [1, 0] if layers else [4, 3],
            "point": {"filled": True, "size": 18, "color": f"var(--{colour})"} if len(rows) <= _DOTS_UP_TO else False,
        }
        layers.append(make_layer(line, y=quantity(column, scale=_scale_to(top), axis=axis)))
    return layers


def _highest(rows: list[Row], *columns: str) -> float:
    return float(max((row[column] for row in rows for column in columns if row.get(column) is not None), default=0))


def make_layer(mark: Layer, **encoding: Layer) -> Layer:
    """A mark, and which values place it: `y=quantity("runs")`."""
    return {"mark": mark, "encoding": encoding}


def quantity(column: str, **chosen: Any) -> Layer:
    """A number of each row; what else is chosen is its scale and its axis."""
    return {"field": column, "type": "quantitative", **chosen}


def _scale_to(top: float) -> Layer:
    return {"domain": [0, top], "nice": True}


def y_axis(**chosen: Any) -> Layer:
    """An axis as wide as that of the other charts."""
    return {"tickCount": 4, "minExtent": _Y_LABELS, "maxExtent": _Y_LABELS, **chosen}


def finish(
    draw: Draw,
    layers: list[Layer],
    rows: list[Row],
    title: str,
    note: str = "",
    *,
    keys: list[tuple[str, str]],
    columns: dict[str, str],
    say: Callable[[float], str] = words.count,
) -> Chart:
    """Draw the layers over the days or weeks, oldest first, and tell the rows; numbers of runs are said as counts."""
    first, last = rows[0]["begin"], rows[-1]["end"]
    # of Vega's own ticks some would crowd, and a single day would be named at every hour
    ticks = [row["named_at"] for row in rows[:: -(-len(rows) // _TICKS)]]
    axis = {"format": "%-d %b", "values": ticks, "labelFlush": True, "grid": False}
    scale = {"type": "utc", "domain": [first, last], "nice": False}
    for layer in layers:
        begin = "bar_begin" if "x2" in layer["encoding"] else "middle"
        layer["encoding"]["x"] = {"field": begin, "type": "temporal", "scale": scale, "axis": axis}
    # numbers only: what is not needed to draw does not enter the drawing
    numbers = [{name: value for name, value in row.items() if isinstance(value, int | float | None)} for row in rows]
    svg = _trim(
        draw(
            {
                "layer": layers,
                "data": {"values": numbers},
                "width": WIDTH,
                "height": HEIGHT,
                "config": _CONFIG,
            }
        )
    )
    total, left = (float(found[1]) if (found := part.search(svg)) else 0.0 for part in (_VIEW, _ROOT))
    counts = {"runs", "finished"}
    told = [
        (
            round((row["middle"] - first) / (last - first), 4),
            row["label"],
            [words.count(row[c]) if c in counts else say(row[c]) for c in columns],
        )
        for row in rows
    ]
    total = total or WIDTH
    return Chart(title, note, svg, round(left / total, 4), round(WIDTH / total, 4), keys, ["", *columns.values()], told)


def _trim(svg: str) -> str:
    """The drawing without what the page sets itself, and silent: its table speaks for it."""
    return _FRACTION.sub(r"\1", _NOISE.sub("", svg))
