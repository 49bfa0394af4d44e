"""Moments in time: the package keeps all of them in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. One that names no zone is in UTC already: so say the engines that keep none.

    Raises:
        OverflowError: in UTC it is beyond the years 1 to 9999.
    """
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
