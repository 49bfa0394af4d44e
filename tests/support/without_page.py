"""The installed command, but for the page that each sync draws: a third of a small one, and few tests look at it.

python -P without_page.py sync ...
"""

from __future__ import annotations

import sys

from statsig_runs.cli import main
from statsig_runs.job import refresh


def draw_nothing(_warehouse: object) -> None:
    """In place of what draws the page."""


if __name__ == "__main__":
    assert callable(refresh.refresh_page)
    refresh.refresh_page = draw_nothing
    sys.argv[0] = "statsig-runs"
    main()
