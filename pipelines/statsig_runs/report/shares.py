"""Where the time of a run goes: its stages and the waits between them, in a row. Knows no SQL and no HTML."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Final

from statsig_runs.readers.display import duration
from statsig_runs.readers.published import Row
from statsig_runs.report import words
from statsig_runs.report.timeline import STAGES

WAYS: Final = 4
"""So many ways through the stages are drawn, the most frequent ones."""
_ALIKE: Final = 0.02
"""Medians of parts add up to the whole within this share, or the page says that they do not."""


@dataclass(frozen=True, slots=True)
class Shares:
    """One bar: what the median run of one way through the stages spends its time on.

    `bars` are (class, place and width in percent); `parts` their words, in the same order; `sentence` names the
    largest; `note` says what the bar does not show.
    """

    title: str
    sentence: str
    bars: list[tuple[str, float, float]]
    parts: list[str]
    note: str


def build_shares(medians: list[Row]) -> list[Shares]:
    """The most frequent ways through the stages, each as one bar.

    Args:
        medians: a row for each way and stage, in order: `way` (list of stages), `run_count`, `seconds` (of whole runs),
            `stage`, `duration_seconds`, `wait_seconds` (before it; negative where stages overlap).
    """
    ways = islice(groupby(medians, key=itemgetter("way")), WAYS)
    return [shares for _, rows in ways if (shares := _build(list(rows)))]


def _build(rows: list[Row]) -> Shares | None:
    spans: list[tuple[str, str, float]] = []
    overlaps = []
    for row in rows:
        stage = words.shorten(row["stage"], 24)
        wait, lasted = row["wait_seconds"], row["duration_seconds"]
        if wait is not None and wait > 0:
            spans.append(("wait", f"wait before {stage}", wait))
        if wait is not None and wait < 0:
            overlaps.append(stage)
        if lasted:
            spans.append((STAGES.get(row["stage"], "o"), stage, lasted))
    total = sum(seconds for *_, seconds in spans)
    if not total:
        return None
    bars, place = [], 0.0
    for css, _, seconds in spans:
        bars.append((css, round(place, 2), round(100 * seconds / total, 2)))
        place += 100 * seconds / total
    _, what, most = max(spans, key=itemgetter(2))
    count, whole = rows[0]["run_count"], rows[0]["seconds"]
    way = ", ".join(words.shorten(stage, 24) for stage in rows[0]["way"])
    return Shares(
        title=f"{words.count(count, 'run')} through {words.shorten(way, 120)}.",
        sentence=f"Most of it: {what}, {duration(most)} of {duration(total)} ({most / total:.0%}).",
        bars=bars,
        parts=[f"{what} {duration(seconds)}" for _, what, seconds in spans],
        note=_note(overlaps, total, whole),
    )


def _note(overlaps: list[str], total: float, whole: float | None) -> str:
    if overlaps:
        return f"Half of the runs or more start {' and '.join(overlaps)} before the stage ahead has ended."
    if whole and abs(total - whole) > _ALIKE * whole:
        return f"The median run takes {duration(whole)} in all: medians of parts do not add up to it."
    return ""
