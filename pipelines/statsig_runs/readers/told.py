"""What `check --notify` has told, so that nobody hears the same every hour and everybody hears that it is over.

Kept in a small file in the job's state, one for each project. It is no record that anything depends on: where it is
absent, damaged or cannot be written, something is told once more than it needs to be. It takes no lock: the file is
replaced whole.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from statsig_runs.moments import in_utc
from statsig_runs.readers.display import age, plain
from statsig_runs.whole_files import write_whole

if TYPE_CHECKING:
    from statsig_runs.readers.check import Result

log = logging.getLogger(__name__)

Check = tuple[str, str | None]
"""A check's name and, where it is about one, its source."""


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told now.

    `missed` are the checks that are missed and were not told lately, `again` those that were told as missed and are met
    again; `known` counts the missed ones that were told lately. `told` is what is to be remembered once this was told.
    """

    missed: list[Result] = field(default_factory=list)
    again: list[Result] = field(default_factory=list)
    known: int = 0
    told: Mapping[Check, datetime] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missed or self.again)


def find_news(results: Iterable[Result], told: Mapping[Check, datetime], now: datetime, repeat_hours: float) -> News:
    """Compare results with what was told. A check that is not tried any more is forgotten.

    Args:
        results: of `check.run_checks`.
        told: when each missed check was told last.
        now: the moment of this check.
        repeat_hours: the age from which on a missed check is told again; a negative number for never.
    """
    missed, again, known, remembered = [], [], 0, {}
    for result in results:
        check = (result.name, result.source)
        told_at = told.get(check)
        seconds = age(told_at, now)  # none for a moment in the future, of a clock that was wrong
        if result.is_met:
            if told_at:
                again.append(result)
        elif told_at and seconds is not None and (repeat_hours < 0 or seconds < repeat_hours * 3600):
            known += 1
            remembered[check] = told_at
        else:
            missed.append(result)
            remembered[check] = now
    return News(missed, again, known, remembered)


def read_told(file: Path) -> dict[Check, datetime]:
    """When each missed check was told last; nothing where the file is absent or damaged."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["told"]
        return {
            (str(entry["check"]), entry["source"]): in_utc(datetime.fromisoformat(entry["told_at"]))
            for entry in entries
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, OverflowError, KeyError, TypeError, RecursionError) as error:
        log.warning("%s cannot be read, so what was told before may be told again: %s", file, error)
        return {}


def write_told(file: Path, told: Mapping[Check, datetime]) -> None:
    """Remember what was told. A file that cannot be written is a warning: the message is out."""
    entries = [{"check": name, "source": source, "told_at": plain(at)} for (name, source), at in told.items()]
    try:
        write_whole(file, json.dumps({"told": entries}, indent=2).encode() + b"\n")
    except OSError as error:
        log.warning("%s cannot be written, so the next check tells the same again: %s", file, error)
