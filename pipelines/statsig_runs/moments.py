"""Moments in time: the package keeps all of them in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
"""What lies so little in the future is now: the machine that fetched may have another clock than the one that reads."""

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. One that names no zone is in UTC already: so say the engines that keep none.

    Raises:
        OverflowError: in UTC it is beyond the years 1 to 9999.
    """
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_on_the_calendar(moment: datetime) -> bool:
    """Whether a moment with a zone is in the years 1 to 9999 in UTC: its offset may lead out of them."""
    return _FIRST <= moment <= _LAST
