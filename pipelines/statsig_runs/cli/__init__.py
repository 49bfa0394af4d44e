"""The command line: words in, exit codes out.

commands      sync, replay, transform, docs, and the way an error leaves the program
simulation    demo, simulate
readers       query, export, status, check, report
wait          wait-for
diagnosis     settings, doctor
common        the options they share
surroundings  streams that are closed, left or ASCII only, a user without a home
"""

from __future__ import annotations

from statsig_runs.cli.commands import EXIT_CODES, cli, main

__all__ = ["EXIT_CODES", "cli", "main"]
