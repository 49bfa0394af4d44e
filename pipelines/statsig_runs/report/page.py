"""The page put together: rows and figures through a Jinja2 template that escapes everything, into one file.

The file holds its own style and script and allows nothing else (a Content-Security-Policy with their hashes): it runs
offline, and a name that looks like markup stays a name even if an escape were ever forgotten.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import date, timedelta
from itertools import groupby, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup

from statsig_runs.readers.health import HEALTH_WORDS
from statsig_runs.readers.published import Row
from statsig_runs.readers.sentence import as_text, build_sentence, open_error, say_dates
from statsig_runs.report import words
from statsig_runs.report.drawings import Drawings
from statsig_runs.report.grid import build_grid, build_overdue, say_day
from statsig_runs.report.headline import build_flight_sentence
from statsig_runs.report.marts import Marts, group_rows, read_marts, read_timelines
from statsig_runs.report.reported import Volumes, read_messages, read_volumes, say_loads
from statsig_runs.report.shares import build_shares
from statsig_runs.report.timeline import build_timeline
from statsig_runs.whole_files import write_whole

if TYPE_CHECKING:
    import duckdb

    from statsig_runs.report.plot import Draw

PAGE_BYTES: Final = 1_950_000
"""What the page may weigh; timelines of failed runs get what the rest leaves over, the newest first."""
SOURCES: Final = 200
"""Sources that are shown, worst first."""

STAGE_ORDER: Final = ["", "queue", "download", "metrics", "pulse"]
STAGE_CHARTS: Final = 8


def write_report(connection: duckdb.DuckDBPyConnection, output: Path, kept: Path | None = None) -> Path:
    """Write the page of the published marts, whole or not at all.

    Args:
        connection: of `readers.published.reading`.
        output: the HTML file to write; its folder is created.
        kept: a file for the drawings, which the next page is given again.

    Returns:
        The file written.

    Raises:
        OSError: the file cannot be written; an older one is still there.
    """
    marts = read_marts(connection)
    drawings = Drawings(kept)
    environment = make_environment()
    template = environment.get_template("page.html.j2")
    style, script = _asset("page.css"), _asset("page.js")
    sentence = build_sentence(marts.as_of, marts.sources)
    about = {
        "marts": marts,
        "style": Markup(style),  # noqa: S704 our own file
        "script": Markup(script),  # noqa: S704
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "headline": sentence,
        "title": as_text(sentence),
        "flight": build_flight_sentence(marts),
        "sources": marts.sources[:SOURCES],
        "grid": _grid(marts),
        "overdue": build_overdue(marts.sources, marts.as_of.year) if marts.as_of else [],
        "day": _day(marts),
        "shares": build_shares(marts.stage_medians),
        **_charts(marts, drawings.draw),
        **_volumes(read_volumes(connection, marts), drawings.draw),
    }
    drawings.keep()
    runs = {run["run_id"]: run for of in (marts.last_runs, marts.slowest, marts.most_retried) for run in of}
    runs |= {run["run_id"]: run for run in marts.failed_runs if run["run_id"] not in runs}
    attempts, buckets = (group_rows(rows, "run_id") for rows in read_timelines(connection, list(runs)))
    year = marts.as_of.year if marts.as_of else 0
    messages = read_messages(connection, list(runs.values()), year)
    about["sources_of"] = {run_id: sorted({bucket["source"] for bucket in of}) for run_id, of in buckets.items()}
    without_timelines = template.render(about, **_arrange(marts, runs, {}))
    budget = PAGE_BYTES - len(without_timelines.encode())
    timelines = _draw(environment, marts, runs, attempts, buckets, messages, budget)
    write_whole(output, template.render(about, **_arrange(marts, runs, timelines)).encode())
    return output


def make_environment() -> jinja2.Environment:
    """Templates of this package: everything escaped, an unknown name an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("statsig_runs.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words.WORDS)
    environment.globals.update(HEALTH=HEALTH_WORDS, OUTCOME=words.OUTCOME_WORDS, FINDING=words.FINDING_WORDS)
    environment.globals.update(open_error=open_error, say_dates=say_dates)
    return environment


def _grid(marts: Marts) -> dict[str, Any]:
    dates = [row["date_stamp"] for row in marts.freshness]
    names = [source["source"] for source in marts.sources[:SOURCES]]
    return build_grid(marts.freshness, sorted(names), min(dates), max(dates)) if dates else {}


def _day(marts: Marts) -> str:
    """What a date is, if there is one: the mart tells when it ends."""
    ends = ((row["date_stamp"], row["day_ended_at"]) for row in marts.freshness if row["day_ended_at"])
    return next(starmap(say_day, ends), "")


def _charts(marts: Marts, draw: Draw) -> dict[str, Any]:
    """Charts as a page wants them; nothing to draw before the first run."""
    if marts.as_of is None or not marts.outcomes:
        return {"outcome_charts": [], "duration_charts": [], "more_stages": 0, "is_open": False}
    from statsig_runs.report import charts

    of_stage = group_rows(marts.durations, "stage")
    stages = sorted(of_stage, key=lambda s: (STAGE_ORDER.index(s) if s in STAGE_ORDER else 9, s))[:STAGE_CHARTS]
    durations = [
        charts.draw_duration(
            of_stage[stage],
            words.shorten(stage.capitalize(), 30) or "Whole run",
            draw,
            is_weekly=marts.is_weekly,
        )
        for stage in stages
    ]
    return {
        "outcome_charts": charts.draw_outcomes(marts.outcomes, draw, is_weekly=marts.is_weekly),
        "duration_charts": durations,
        "more_stages": len(of_stage) - len(stages),
        "is_open": marts.as_of.date() < marts.outcomes[-1]["period"] + timedelta(7 if marts.is_weekly else 1),
    }


def _volumes(volumes: Volumes | None, draw: Draw) -> dict[str, Any]:
    if volumes is None:
        return {"volumes": None}
    from statsig_runs.report import charts

    drawn = [charts.draw_rows(days, words.shorten(source, 40), draw) for source, days in volumes.days.items()]
    return {"volumes": volumes, "volume_charts": drawn, "loads": say_loads(volumes)}


def _draw(
    environment: jinja2.Environment,
    marts: Marts,
    runs: dict[str, Row],
    attempts: dict[str, list[Row]],
    buckets: dict[str, list[Row]],
    messages: dict[str, list[Row]],
    budget: int,
) -> dict[str, tuple[str, str]]:
    """Anchor and timeline of each run in turn, until they weigh `budget` bytes."""
    macro = environment.get_template("timeline.html.j2").module.timeline  # type: ignore[attr-defined]
    drawn = {}
    for number, (run_id, run) in enumerate(runs.items(), start=1):
        shown = build_timeline(run, attempts.get(run_id, []), buckets.get(run_id, []), marts.as_of or run["fetched_at"])
        html = macro(shown, f"run{number}", messages.get(run_id, []))
        budget -= len(html.encode())
        if budget < 0:
            break
        drawn[run_id] = (f"run{number}", html)
    return drawn


def _arrange(marts: Marts, runs: dict[str, Row], drawn: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Which timeline stands where: among the last runs, under the month of its failure, or with the slow ones."""
    last = {run["run_id"] for run in marts.last_runs}
    every_failed = {run["run_id"] for run in marts.failed_runs}
    failed = [run for run in marts.failed_runs if run["run_id"] in drawn and run["run_id"] not in last]
    others = [run for run_id, run in runs.items() if run_id in drawn and run_id not in last | every_failed]
    return {
        "anchors": {run_id: anchor for run_id, (anchor, _) in drawn.items()},
        "timelines": {run_id: html for run_id, (_, html) in drawn.items()},
        "failed_months": [(words.month(month), list(of)) for month, of in groupby(failed, key=_month)],
        "failed_drawn": len(every_failed & drawn.keys()),
        "failed_among_last": len(every_failed & last),
        "other_runs": sorted(others, key=lambda run: run["created_at"], reverse=True),
    }


def _month(run: Row) -> date:
    created: date = run["created_date"]
    return created.replace(day=1)


def _asset(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
