"""`python -m statsig_runs` is `statsig-runs`."""

from statsig_runs.cli import main

main()
