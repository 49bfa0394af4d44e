"""Values as text: for people, for CSV and for JSON. Names that the API invented are shown, never obeyed.

Pure functions over plain values; this module knows no table and no terminal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from statsig_runs.harmless import harmless
from statsig_runs.moments import CLOCKS_DIFFER_BY

_AS_IT_IS: Final = {type(None), bool, int, str}
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_NEAR: Final = 3
_NAMES: Final = 10
_NAME_WIDTH: Final = 60


def visible(text: str, width: int | None = None) -> str:
    """Text that obeys nothing it holds, and fits.

    Args:
        text: any text; see `harmless`.
        width: the terminal columns it may take; what is longer ends in an ellipsis.
    """
    text = harmless(text)
    if width is None:
        return text
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def reason(message: str | None, status: str | None, width: int = 160) -> str:
    """`DOWNLOAD_ERROR: no table of that name`: why something failed, on one line that obeys nothing it holds.

    Args:
        message: what the API passed on, of any length and content; the class stands alone without one.
        status: its class; nothing is said without either.
        width: the terminal columns it may take.
    """
    # an escape is never shorter than what it stands for, so no more than this can be shown
    told = ": ".join(" ".join(part[: 8 * width].split()) for part in (status, message) if part and part.strip())
    return visible(told, width)


def align(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), rule: bool = False) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell.

    Args:
        rows: as many cells in each; with `rule` the first one is the header.
        right: the numbers of the columns, from 0, that go to the right.
        rule: draw a line below the header.
    """
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]] if rule else rows
    lines = []
    for row in ruled:
        padded = []
        for number, (text, width) in enumerate(zip(row, widths, strict=True)):
            padding = " " * (width - cell_len(text))
            padded.append(padding + text if number in right else text + padding)
        lines.append("  ".join(padded).rstrip())
    return lines


def near(name: str, names: Iterable[str]) -> str:
    """What else somebody may have meant: `Did you mean 'Orders'?`, or which names there are."""
    from difflib import get_close_matches

    there = sorted(names)
    folded = {each.casefold(): each for each in there}
    meant = [folded[each] for each in get_close_matches(name.casefold(), folded, n=_NEAR)]
    if meant:
        return f"Did you mean {' or '.join(map(_quoted, meant))}?"
    if not there:
        return "There is none yet."
    more = f" and {len(there) - _NAMES:,} more" if len(there) > _NAMES else ""
    return f"There are {', '.join(map(_quoted, there[:_NAMES]))}{more}."


def _quoted(name: str) -> str:
    return f"'{visible(name, _NAME_WIDTH)}'"


def wrap(text: str, width: int) -> list[str]:
    """Lines of whole words, each at most so many terminal columns wide unless one word alone is wider."""
    from rich.cells import cell_len

    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def minute(value: datetime | None) -> str:
    """`2024-03-15 09:00`, UTC, where that is plain; a dash for None."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}" if value else "-"


def moment(value: datetime | None) -> str:
    """`2024-03-15 09:00 UTC`, or a dash."""
    return f"{minute(value)} UTC" if value else "-"


def age(since: datetime | None, now: datetime) -> float | None:
    """Seconds from a moment until now; None where it has not come yet, which only a clock that is wrong can bring."""
    if since is None or since - now > CLOCKS_DIFFER_BY:
        return None
    return max((now - since).total_seconds(), 0.0)


def is_in_future(moment: datetime | None, now: datetime) -> bool:
    """Whether a moment that should be past lies ahead by more than two clocks may differ."""
    return moment is not None and age(moment, now) is None


def duration(seconds: float | None) -> str:
    """Two units at most: `52 s`, `12 min`, `1 h 05 min`, `3 d 4 h`; a dash for None."""
    if seconds is None:
        return "-"
    sign, whole = ("-" if seconds < 0 else ""), round(abs(seconds))
    if whole < 2 * _MINUTE:
        return f"{sign}{whole} s"
    minutes = round(whole / _MINUTE)
    if whole < _HOUR:
        return f"{sign}{minutes} min"
    if whole < 2 * _DAY:
        return f"{sign}{minutes // 60} h {minutes % 60:02d} min"
    hours = round(whole / _HOUR)
    return f"{sign}{hours // 24} d {hours % 24} h"


def plain(value: Any) -> Any:  # noqa: PLR0911  one line a type
    """A value of DuckDB as JSON knows it.

    Moments are ISO 8601, those with a time zone in UTC with a `Z`; decimals are numbers, intervals seconds; NaN and the
    infinities, which JSON cannot say, are null; bytes are hexadecimal.
    """
    if type(value) in _AS_IT_IS:  # most are, and `match` is slow
        return value
    match value:
        case Decimal():
            return plain(float(value)) if value % 1 or not value.is_finite() else int(value)
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return _iso(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case dict():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return str(value)


def cell(value: Any) -> str:
    """A value as the text of one cell: as `plain`, but nothing for null, and NaN and the infinities by their names."""
    kind = type(value)
    if kind is str or value is None:
        return value or ""
    if kind in {int, float}:
        return repr(value)
    value = plain(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _iso(value: datetime) -> str:
    timespec = "microseconds" if value.microsecond % 1000 else "milliseconds"
    if value.tzinfo is None:
        return value.isoformat(timespec=timespec)
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"
