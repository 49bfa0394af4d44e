"""The summary as a picture, for a chat or an e-mail: the first sentence and the sources, worst first. No browser."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from pathlib import Path
from typing import Final

from statsig_runs.report.frames import read_marts
from statsig_runs.report.grid import CLASSES
from statsig_runs.report.headline import as_text, build_flight_sentence, build_headline
from statsig_runs.report.page import make_environment, write_whole

SOURCES: Final = 12
DAYS: Final = 14
HEADLINE_WIDTH: Final = 62
"""Characters of the headline that fit in one line of the picture."""


def write_summary_png(published: Path, output: Path, *, schema: str = "statsig") -> Path:
    """Draw the summary of the published marts, 1,200 pixels wide at double density, whole or not at all.

    Returns:
        The file written.

    Raises:
        ConfigurationError: there is no published copy, or it holds no marts in this schema.
        OSError: the file cannot be written.
    """
    import vl_convert

    svg = render_summary(published, schema)
    write_whole(output, vl_convert.svg_to_png(svg, scale=2))
    return output


def render_summary(published: Path, schema: str) -> str:
    """The picture as SVG."""
    marts = read_marts(published, schema, with_details=False)
    newest = max((row["date_stamp"] for row in marts.freshness), default=None)
    days = [newest - timedelta(days=n) for n in reversed(range(DAYS))] if newest else []
    outcomes = {(row["source"], row["date_stamp"]): CLASSES.get(row["latest_outcome"], "n") for row in marts.freshness}
    shown = marts.sources[:SOURCES]
    return (
        make_environment()
        .get_template("summary.svg.j2")
        .render(
            marts=marts,
            headline=textwrap.wrap(as_text(build_headline(marts)) + ".", HEADLINE_WIDTH)[:4],
            flight=build_flight_sentence(marts) if marts.as_of else "Run `statsig-runs sync` to load the first.",
            sources=[(source, [outcomes.get((source["source"], day), "n") for day in days]) for source in shown],
            days=days,
            more=marts.sources[SOURCES:],
        )
    )
