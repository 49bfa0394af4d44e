"""What a simulated Console API can do wrong, and how its rate limits count; knows no socket and no run."""

from __future__ import annotations

import json
import math
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Literal

Delivery = Literal["whole", "reset", "truncated", "slow", "oversized"]
"""How an answer reaches the client.

`reset`: the connection is reset before the first byte. `truncated`: `Content-Length` promises more than is sent,
then the connection closes. `slow`: the body trickles in over `Reply.seconds`. `oversized`: a body without end, of no
stated length.
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `status` None stands for the true answer, delivered in this way and with these headers."""

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = "whole"
    seconds: float = 0.0


Script = Callable[[str, int], Reply | None]
"""From a path as requested (query included), and how many requests for it this one makes, to a forced answer.

The count starts at 1; None leaves the true answer.
"""


def reply_json(status: int, content: object, **headers: str) -> Reply:
    """A JSON answer; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **named})


def reply_error(status: int, message: str, **headers: str) -> Reply:
    """An error as the API words it: status and message."""
    return reply_json(status, {"status": status, "message": message}, **headers)


@dataclass(frozen=True, slots=True)
class Faults:
    """Share of the requests, 0 to 1, that meet each fault; a `Script`.

    What a request meets depends on the seed, its path and how often that path was asked for, never on the order
    in which threads arrive.

    Attributes:
        server_error: 500, 502 or 503.
        too_many: 429 without `Retry-After`.
        too_many_with_retry_after: 429 that says `retry_after`.
        reset: the connection is reset.
        truncated: the body ends halfway.
        slow: the body takes `slow_seconds`.
        garbage: 200 with HTML.
        redirect: 302 to the same path at `redirect_to`.
        oversized: a body without end.
        seed: another number, other requests are hit.
        retry_after: seconds or an HTTP date.
        slow_seconds: how long a slow body takes.
        redirect_to: another origin.
    """

    server_error: float = 0.0
    too_many: float = 0.0
    too_many_with_retry_after: float = 0.0
    reset: float = 0.0
    truncated: float = 0.0
    slow: float = 0.0
    garbage: float = 0.0
    redirect: float = 0.0
    oversized: float = 0.0
    seed: int = 1
    retry_after: str = "0"
    slow_seconds: float = 1.0
    redirect_to: str = "https://elsewhere.invalid"

    @classmethod
    def spread(cls, rate: float, *, seed: int = 1) -> Faults:
        """A bad day, `rate` in all: a fifth each of 5xx, 429 with and without `Retry-After`, reset, truncated."""
        share = rate / 5
        return cls(
            server_error=share,
            too_many=share,
            too_many_with_retry_after=share,
            reset=share,
            truncated=share,
            seed=seed,
        )

    def __call__(self, path: str, nth: int) -> Reply | None:
        """The fault of the `nth` request for `path`, if it meets one."""
        rng = Random(f"{self.seed} {nth} {path}")  # noqa: S311
        left = rng.random()
        replies = {
            "server_error": reply_error(rng.choice((500, 502, 503)), "Something went wrong"),
            "too_many": reply_error(429, "Too many requests"),
            "too_many_with_retry_after": reply_error(429, "Too many requests", Retry_After=self.retry_after),
            "reset": Reply(delivery="reset"),
            "truncated": Reply(delivery="truncated"),
            "slow": Reply(delivery="slow", seconds=self.slow_seconds),
            "garbage": Reply(200, b"<!doctype html><title>Back soon</title>", {"Content-Type": "text/html"}),
            "redirect": Reply(302, headers={"Location": self.redirect_to + path}),
            "oversized": Reply(delivery="oversized"),
        }
        for name, reply in replies.items():
            left -= getattr(self, name)
            if left < 0:
                return reply
        return None


class RateWindows:
    """Sliding logs: no stretch of a window's seconds ever holds more admitted requests than it allows.

    `limits` reads as in `100/10,900/900`: requests/seconds, any number of windows; empty for none. Refused
    requests are not counted.
    """

    def __init__(self, limits: str) -> None:
        windows = [window.strip() for window in limits.split(",") if window.strip()]
        for window in windows:
            if not re.fullmatch(r"[1-9]\d*/\d*\.?\d+", window):
                msg = f"not a rate window of requests/seconds, as in 100/10: {window}"
                raise ValueError(msg)
        pairs = [window.split("/") for window in windows]
        self._windows = [(int(most), float(seconds)) for most, seconds in pairs]
        self._logs: list[deque[float]] = [deque() for _ in self._windows]
        self._lock = threading.Lock()

    def admit(self) -> int:
        """0 and the request counts, or the whole seconds until one would be admitted."""
        with self._lock:
            now = monotonic()
            wait = 0.0
            for (most, seconds), log in zip(self._windows, self._logs, strict=True):
                while log and log[0] <= now - seconds:
                    log.popleft()
                if len(log) >= most:
                    wait = max(wait, log[0] + seconds - now)
            if wait > 0:
                return math.ceil(wait)
            for log in self._logs:
                log.append(now)
            return 0
