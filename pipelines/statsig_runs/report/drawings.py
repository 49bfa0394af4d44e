"""Draws charts as SVG, from Vega-Lite specifications.

The drawings are kept in a file. Most charts of a page are as they were on the page before, and are not drawn again.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from statsig_runs.kept import keep, read_kept


class Drawings:
    """The drawings of one page.

    Args:
        file: holds the drawings of the page before, and then those of this page; None to keep none.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._key = version("vl-convert-python")
        content = read_kept(file, self._key) if file else None
        self._before: dict[str, str] = msgspec.json.decode(content, type=dict[str, str]) if content else {}
        self._drawn: dict[str, str] = {}

    def draw(self, chart: dict[str, Any]) -> str:
        """The SVG of a Vega-Lite specification."""
        name = hashlib.sha256(json.dumps(chart, sort_keys=True).encode()).hexdigest()
        self._drawn[name] = self._before.get(name) or _to_svg(chart)
        return self._drawn[name]

    def keep(self) -> None:
        """Keep the drawings of this page for the next one. Those that it did not need are forgotten."""
        if self._file and self._drawn != self._before:
            keep(self._file, self._key, msgspec.json.encode(self._drawn))


def _to_svg(chart: dict[str, Any]) -> str:
    import vl_convert  # an engine of its own, which takes a while to start

    svg: str = vl_convert.vegalite_to_svg(chart)
    return svg
