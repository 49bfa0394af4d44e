"""The API's rate windows, kept before the API has to: a sliding log of requests that all processes share.

The log itself is in `shared_log`. What is added here is the waiting: it can be interrupted, it is reported, and each
request is stamped with the time it really leaves. This module knows no HTTP; a 429 reaches it as a call of `pause`.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pyrate_limiter import InMemoryBucket, Rate, validate_rate_list

from statsig_runs.api.shared_log import Bucket, enter, forget, open_log
from statsig_runs.errors import ConfigurationError

log = logging.getLogger(__name__)

LONGEST_WAIT = 900.0
"""Seconds: the API's long window, and so the longest wait that a `Retry-After` can mean."""

_FIRST_PAUSE = 0.25  # seconds; a dozen doublings outlast the long window
_REPORTED_WAIT = 0.5  # seconds; shorter ones are the rhythm of the short window, nobody needs to hear of them
_LOOK_UP = 0.5  # seconds between two looks at the stop event


class Stopped(Exception):  # noqa: N818  # not an error: somebody asked for it
    """The work was called off while it waited."""


def parse_rate_limits(text: str) -> list[Rate]:
    """Read windows such as `100/10,900/900`: requests per seconds, separated by commas.

    Raises:
        ConfigurationError: for anything else, or when a longer window allows no more than a shorter one.
    """
    rates = []
    for window in text.split(","):
        requests, _, seconds = window.partition("/")
        try:
            rates.append(Rate(int(requests), round(float(seconds) * 1000)))
        except (ValueError, AssertionError, OverflowError):
            rates.append(Rate(1, 1))
            break
    rates.sort(key=lambda rate: rate.interval)
    if any(rate.interval <= 1 or rate.limit < 1 for rate in rates) or not validate_rate_list(rates):
        message = (
            f"rate_limits is {text!r}; it must be requests/seconds, one or more windows separated by commas, each "
            "longer window allowing more requests at a lower rate, such as 100/10,900/900."
        )
        raise ConfigurationError(message)
    return rates


def widen(rates: list[Rate]) -> list[Rate]:
    """Add to each window what may pass between two requests' leaving and their arrival.

    The API counts arrivals. A request that was slow on its way (a new connection's handshake) and one that was
    quick arrive closer to each other than they left: 1 % of the window, 40 to 100 ms, absorbs that.
    """
    widened: list[Rate] = []
    for rate in rates:
        interval = rate.interval + min(max(rate.interval // 100, 40), 100)
        if widened:  # pyrate-limiter wants no window faster than the one before
            interval = max(interval, -(-widened[-1].interval * rate.limit // widened[-1].limit))
        widened.append(Rate(rate.limit, interval))
    return widened


class RateLimiter:
    """Lets requests go as the windows allow, for all threads of this process and all processes of this user.

    Args:
        rates: the windows, as from `parse_rate_limits`.
        path: the shared log; None keeps one for this process alone, as does a file that cannot be used.
        on_wait: called with the time (seconds since the epoch) until which the next request will wait.
    """

    def __init__(
        self, rates: list[Rate], path: Path | None = None, on_wait: Callable[[float], None] | None = None
    ) -> None:
        self._rates = widen(rates)
        self._path = path
        self._on_wait = on_wait
        self._gate = threading.Lock()  # one thread at a time waits for the log, the others for the gate
        self._pause_lock = threading.Lock()
        self._paused_at = self._paused_until = 0.0
        self._pauses_in_a_row = 0
        self._next_leak = 0.0
        self._bucket: Bucket = InMemoryBucket(self._rates)
        if path is not None:
            try:
                self._bucket = open_log(self._rates, path)
            except (OSError, sqlite3.Error) as error:
                self._go_alone(error)

    def acquire(self, stop: threading.Event) -> float:
        """Wait until the next request may leave; return the time it was let go (`time.monotonic`).

        Raises:
            Stopped: `stop` was set meanwhile.
        """
        while not self._gate.acquire(timeout=_LOOK_UP):
            _raise_if(stop)
        try:
            while True:
                _raise_if(stop)
                delay = self._paused_until - time.monotonic()
                if delay <= 0:
                    delay = self._put()
                if delay <= 0:
                    return time.monotonic()
                if delay >= _REPORTED_WAIT and self._on_wait:
                    self._on_wait(time.time() + delay)
                stop.wait(min(delay, 60.0))  # a clock that was set while we slept is noticed within a minute
        finally:
            self._gate.release()

    def pause(self, sent_at: float, at_least: float) -> float:
        """Hold back all threads after a 429 for the request that was let go at `sent_at`; return the seconds.

        The pause doubles from a quarter of a second with every 429 to a request that left after the pause before:
        several to requests that were under way together are one event. `at_least` is the answer's `Retry-After`.
        """
        with self._pause_lock:
            if sent_at >= self._paused_at:
                self._pauses_in_a_row += 1
            backoff = _FIRST_PAUSE * 2.0 ** min(self._pauses_in_a_row - 1, 12) * random.uniform(1, 1.25)  # noqa: S311
            seconds = min(max(at_least, backoff), LONGEST_WAIT)
            self._paused_at = time.monotonic()
            self._paused_until = max(self._paused_until, self._paused_at + seconds)
            return seconds

    def note_success(self, sent_at: float) -> None:
        """An answer other than 429 came for the request let go at `sent_at`: the next pause starts small again."""
        with self._pause_lock:
            if sent_at >= self._paused_at:
                self._pauses_in_a_row = 0

    def close(self) -> None:
        """Close the log; what it holds stays for the next process."""
        with self._gate:
            self._bucket.close()
            self._bucket = InMemoryBucket(self._rates)

    def _put(self) -> float:
        """Enter one request into the log, or return the seconds until there may be room."""
        bucket = self._bucket
        try:
            if time.monotonic() >= self._next_leak:
                self._next_leak = time.monotonic() + 10
                forget(bucket)
            return enter(bucket)
        except sqlite3.Error as error:
            bucket.close()
            self._go_alone(error)
            return 0.001

    def _go_alone(self, error: Exception) -> None:
        log.warning(
            "The rate-limit log %s cannot be used (%s): other processes with this key are not taken into account. "
            "If the file is damaged, delete it.",
            self._path,
            error,
        )
        self._bucket = InMemoryBucket(self._rates)


def _raise_if(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped
