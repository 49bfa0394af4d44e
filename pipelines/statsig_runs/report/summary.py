"""The summary as a picture, for a chat or an e-mail: the first sentence and the sources, worst first. No browser."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from statsig_runs.readers.display import wrap
from statsig_runs.readers.sentence import NAMED, as_text, build_sentence
from statsig_runs.report.grid import LOOKS, NOTHING, look
from statsig_runs.report.headline import build_flight_sentence
from statsig_runs.report.marts import Marts, read_marts
from statsig_runs.report.page import make_environment
from statsig_runs.report.words import clean
from statsig_runs.whole_files import write_whole

if TYPE_CHECKING:
    import duckdb

SOURCES: Final = 12
DAYS: Final = 14
HEADLINE_WIDTH: Final = 62
"""Characters of the headline that fit in one line of the picture."""
HEADLINE_LINES: Final = 4


def write_summary_png(connection: duckdb.DuckDBPyConnection, output: Path) -> Path:
    """Draw the summary of the published marts, 1,200 pixels wide at double density, whole or not at all.

    Args:
        connection: of `readers.published.reading`.
        output: the PNG file to write; its folder is created.

    Returns:
        The file written.

    Raises:
        OSError: the file cannot be written.
    """
    import vl_convert

    svg = render_summary(connection)
    write_whole(output, vl_convert.svg_to_png(svg, scale=2))
    return output


def render_summary(connection: duckdb.DuckDBPyConnection) -> str:
    """The picture as SVG."""
    marts = read_marts(connection, with_details=False)
    newest = max((row["date_stamp"] for row in marts.freshness), default=None)
    days = [newest - timedelta(days=n) for n in reversed(range(DAYS))] if newest else []
    looks = {(row["source"], row["date_stamp"]): LOOKS.get(look(row), NOTHING)[0] for row in marts.freshness}
    shown = marts.sources[:SOURCES]
    return (
        make_environment()
        .get_template("summary.svg.j2")
        .render(
            marts=marts,
            headline=_headline(marts),
            flight=build_flight_sentence(marts) if marts.as_of else "Run `statsig-runs sync` to load the first.",
            sources=[(source, [looks.get((source["source"], day), NOTHING[0]) for day in days]) for source in shown],
            days=days,
            more=marts.sources[SOURCES:],
        )
    )


def _headline(marts: Marts) -> list[str]:
    """The first sentence, whole: it names as many sources as there is room for."""
    for named in range(NAMED, -1, -1):
        lines = wrap(clean(as_text(build_sentence(marts.as_of, marts.sources, named=named))), HEADLINE_WIDTH)
        if len(lines) <= HEADLINE_LINES:
            break
    return lines
