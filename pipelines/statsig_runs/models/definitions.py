"""The definitions that a team may change, as variables of the dbt project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Definitions:
    """The thresholds that the marts' numbers and words depend on.

    Args:
        settle_hours: the age at which a complete stage means success, and silence means stalled.
        terminal_success_statuses: the statuses that end a history in success at once.
        day_utc_offset_hours: how far the day of a date stamp is ahead of UTC; -8 is Statsig's own, all year.
        overdue_grace_hours: how much later than its source's habit a date may land before it is overdue.
        completeness_days: how many days back overdue dates are counted for each source.
        volume_drop_ratio: the share of its weekday's usual rows under which a date's rows are a drop.
    """

    settle_hours: float = 24
    terminal_success_statuses: Sequence[str] = ("pulse_complete",)
    day_utc_offset_hours: float = -8
    overdue_grace_hours: float = 2
    completeness_days: int = 28
    volume_drop_ratio: float = 0.5

    def to_variables(self) -> dict[str, Any]:
        """The variables of `dbt_project.yml` that say the same."""
        return {**asdict(self), "terminal_success_statuses": list(self.terminal_success_statuses)}
