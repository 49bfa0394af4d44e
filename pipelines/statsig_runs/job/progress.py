"""What a sync is doing: a live bar on a terminal, plain log lines elsewhere, never on stdout."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Protocol

log = logging.getLogger(__name__)

_LOG_EVERY: Final = 30.0
"""Seconds between two log lines about the same step."""


class Watch(Protocol):
    """Is told how far a sync is."""

    def step(self, name: str) -> None:
        """A step of this name begins."""

    def fetched(self, done: int, planned: int | None) -> None:
        """So many runs are done, of so many; `planned` is None while the list is paged and nobody knows how many."""

    def waiting(self, until: float) -> None:
        """The rate limit holds the next request until then (seconds since the epoch). Called from any thread."""


class LogWatch:
    """Writes log lines: one for each step, and one every 30 seconds while runs come in."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _LOG_EVERY
        self._waiting_until = 0.0

    def step(self, name: str) -> None:
        """See `Watch`."""
        log.info("%s", name)

    def fetched(self, done: int, planned: int | None) -> None:
        """See `Watch`."""
        if time.monotonic() >= self._next:
            log.info("%d runs fetched%s", done, f" of {planned}" if planned else "")
            self._next = time.monotonic() + _LOG_EVERY

    def waiting(self, until: float) -> None:
        """See `Watch`."""
        if until - max(time.time(), self._waiting_until) > 1:  # not for each thread, nor for a moment
            log.info("waiting for the rate limit until %s", _clock(until))
            self._waiting_until = until


class BarWatch:
    """A live bar: runs done, rate, time left, and until when the rate limit holds."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None, note="")

    def step(self, name: str) -> None:
        """See `Watch`."""
        self._bar.update(self._task, description=name, note="")

    def fetched(self, done: int, planned: int | None) -> None:
        """See `Watch`."""
        total = max(planned, done) if planned else None
        self._bar.update(self._task, completed=done, total=total, note="")

    def waiting(self, until: float) -> None:
        """See `Watch`."""
        if until - time.time() > 1:
            self._bar.update(self._task, note=f"waiting for the rate limit until {_clock(until)}")


@contextmanager
def watching() -> Iterator[Watch]:
    """A bar while stderr is a terminal, log lines otherwise."""
    if not sys.stderr.isatty():
        yield LogWatch()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield BarWatch(bar)


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime("%H:%M:%S")
