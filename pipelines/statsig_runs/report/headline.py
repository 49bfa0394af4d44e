"""The second sentence of the page: what runs, and is it late? The page and the picture both say it."""

from __future__ import annotations

from statsig_runs.report import words
from statsig_runs.report.marts import Marts


def build_flight_sentence(marts: Marts) -> str:
    """Say `2 runs are in progress, 1 of them late.`."""
    if not marts.in_flight_count:
        return "Nothing is running."
    running = f"{words.count(marts.in_flight_count, 'run')} {'is' if marts.in_flight_count == 1 else 'are'} in progress"
    if marts.unjudged_count == marts.in_flight_count:
        return f"{running}; too few have finished to tell what is late."
    if marts.in_flight_count == 1:
        return f"{running} and {'late' if marts.late_count else 'on time'}."
    late = f"{marts.late_count:,} of them late" if marts.late_count else "none of them late"
    is_known = marts.late_count or not marts.unjudged_count
    return f"{running}, {late}{'' if is_known else ' as far as can be told'}."
