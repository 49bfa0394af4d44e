"""The installed command, but for the page that each sync draws: a third of a small one, and few tests look at it.

python -P without_page.py sync ...
"""

from __future__ import annotations

import sys

from statsig_runs.cli import main
from statsig_runs.job import refresh

if __name__ == "__main__":
    assert callable(refresh.refresh_page)
    vars(refresh)["refresh_page"] = lambda _warehouse: None
    sys.argv[0] = "statsig-runs"
    main()
