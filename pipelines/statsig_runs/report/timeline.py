"""One run as a timeline: its stages and attempts, and those of each source and date. Pure functions; knows no HTML.

Time runs from left (0) to right (100 percent). A wait in which nothing of the run happens is drawn short, so that a
recovery 27 hours later does not squeeze the two hours that matter; the axis says so.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from statsig_runs.readers.display import duration
from statsig_runs.readers.published import Row
from statsig_runs.report import words

LINES: Final = 30
"""Sources and dates of one run that are drawn; those that did not succeed come first where there are more."""
STAGES: Final = {"queue": "q", "download": "d", "metrics": "m", "pulse": "u"}
"""The classes of the stages with a colour of their own."""

_SLIVER: Final = 0.4
"""Percent of the width that the shortest attempt gets, or nobody would see it."""
_BREAK: Final = 6.0
"""Percent of the width that a wait gets."""
_LONGEST_WAIT: Final = timedelta(minutes=45)


class _Axis:
    """Moments to percent of the width."""

    def __init__(self, spans: list[tuple[datetime, datetime]]) -> None:
        spans = sorted(spans)
        self.start, self.end = spans[0][0], max(end for _, end in spans)
        waits, busy_until = [], spans[0][1]
        for begin, end in spans[1:]:
            if begin - busy_until > _LONGEST_WAIT:
                waits.append((busy_until, begin))
            busy_until = max(busy_until, end)
        waits = waits[:8]
        busy = (self.end - self.start) - sum((end - begin for begin, end in waits), timedelta())
        scale = (100 - _BREAK * len(waits)) / max(busy.total_seconds(), 1)
        self._moments, self._places = [self.start.timestamp()], [0.0]
        for begin, end in waits:
            self._add(begin, (begin.timestamp() - self._moments[-1]) * scale)
            self._add(end, _BREAK)
        self._add(self.end, (self.end.timestamp() - self._moments[-1]) * scale)
        self.waits = [(round((self.at(a) + self.at(b)) / 2, 1), duration((b - a).total_seconds())) for a, b in waits]

    def _add(self, at: datetime, width: float) -> None:
        self._moments.append(at.timestamp())
        self._places.append(self._places[-1] + width)

    def at(self, moment: datetime) -> float:
        return float(np.interp(moment.timestamp(), self._moments, self._places))


def build_timeline(run: Row, attempts: list[Row], buckets: list[Row], as_of: datetime) -> dict[str, Any]:
    """What the timeline of one run shows.

    Args:
        run: its row of `fct_runs`.
        attempts: its rows of `fct_stage_attempts`, both levels, oldest first.
        buckets: its rows of `fct_source_dates`.
        as_of: until when an open attempt is drawn.

    Returns:
        `run`, `start` and `end`, `waits` (place in percent, how long), `lines` (label, outcome, bars; the run itself
        first), `hidden` (how many sources and dates are not drawn).
    """
    spans = [(a["seen_at"], a["ended_at"] or max(as_of, a["seen_at"])) for a in attempts]
    if not spans:
        spans = [(run["created_at"], run["last_event_at"] or run["created_at"])]
    axis = _Axis(spans)
    of_line: dict[tuple[Any, Any], list[Row]] = defaultdict(list)
    for attempt in attempts:
        of_line[attempt["source"], attempt["date_stamp"]].append(attempt)
    if len(buckets) > LINES:
        buckets = sorted(buckets, key=lambda b: b["outcome"] == "succeeded")
    lines = [{"source": None, "outcome": run["outcome"], "bars": [_bar(a, axis, as_of) for a in of_line[None, None]]}]
    lines += [
        b | {"bars": [_bar(a, axis, as_of) for a in of_line[b["source"], b["date_stamp"]]]} for b in buckets[:LINES]
    ]
    is_open = run["effective_outcome"] == "in_progress"
    return {
        "run": run,
        "took": f"for {duration((as_of - axis.start).total_seconds())}" if is_open else duration(run["total_seconds"]),
        "start": axis.start,
        "end": axis.end,
        "waits": axis.waits,
        "lines": lines,
        "sources": sorted({b["source"] for b in buckets}),
        "hidden": max(len(buckets) - LINES, 0),
    }


def _bar(attempt: Row, axis: _Axis, as_of: datetime) -> dict[str, Any]:
    """Place, class and words of one attempt."""
    begin, end = attempt["seen_at"], attempt["ended_at"]
    x = axis.at(begin)
    width = max(axis.at(end or max(as_of, begin)) - x, _SLIVER)
    name = words.shorten(attempt["stage"], 24) + (" retry" if attempt["kind"] == "retry" else "")
    if attempt["kind"] == "rerun":
        name += " rerun"
    outcome = attempt["outcome"]
    if attempt["kind"] == "unopened":
        text = f"{name} {'failed' if outcome == 'error' else 'complete'}, start unseen"
    elif end is None:
        text = f"{name} running for {duration((max(as_of, begin) - begin).total_seconds())}"
    else:
        text = f"{name}{' failed after' if outcome == 'error' else ''} {duration(attempt['attempt_seconds'])}"
    if attempt["restart_count"]:
        text += f" ({attempt['restart_count'] + 1} starts)"
    mark = {"error": "e", "running": "r"}.get(outcome, "")
    stage = STAGES.get(attempt["stage"], "o")
    return {
        "x": round(min(x, 100 - width), 1),
        "width": round(width, 1),
        "css": f"{stage} {mark}".strip(),
        "text": text,
    }
