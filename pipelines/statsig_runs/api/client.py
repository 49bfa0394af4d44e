"""The Console API client: asks for ingestion runs by id, many at once, or for pages of the list.

It puts the pieces together: what may be asked (`address`), when (`rate_limit`), how (`transport`) and what the
answers mean (`answers`), and has many requests under way at once. It knows HTTP, and no table.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

from statsig_runs.api.address import check_base_url, check_key, is_loopback, page_target, run_target
from statsig_runs.api.answers import Answer, FetchedRun, RunPage, read_page_answer, read_run_answer
from statsig_runs.api.rate_limit import RateLimiter, Stopped, default_directory, log_name, parse_rate_limits
from statsig_runs.api.transport import PATIENCE, Patience, Transport, Usage
from statsig_runs.contract import MissingRun
from statsig_runs.errors import ApiError, ApiRequestError, RequestsSpentError

__all__ = [
    "BASE_URL",
    "RATE_LIMITS",
    "ConsoleApi",
    "FailedRun",
    "FetchedRun",
    "MissingRun",
    "Patience",
    "RunPage",
    "Usage",
]

BASE_URL = "https://statsigapi.net"
RATE_LIMITS = "100/10,900/900"
"""Both windows of the API's documentation: requests/seconds."""

_OF_ANOTHER_SERVER = {*range(300, 400), 404}  # the API's own 404 is a missing run, no failure
_FAILURES_IN_A_ROW = 5  # runs; then it is the API that is down, and not a run that cannot be read
_BETWEEN_CONNECTIONS = 0.002  # seconds: small servers have room for five connections that are not accepted yet
_LOOK_AHEAD = 2  # runs asked for, or waiting to be taken, for each thread
_LOOK_UP = 0.2  # seconds between two looks at whether Ctrl-C was pressed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that could not be read this time, for a reason of its own; the others go on."""

    run_id: str
    error: ApiError


class ConsoleApi:
    """Reads ingestion runs; for use by one thread, with many of its own.

    Args:
        api_key: a Console API key; shown nowhere.
        base_url: https, or plain http on loopback.
        rate_limits: requests/seconds of each window, shared by all processes of this user with the same key.
        limiter_dir: where that is written down; by default in the user's state directory.
        threads: how many requests are under way at once.
        on_wait: called with the time (seconds since the epoch) until which the rate limit holds the next request.
        patience: timeouts and retries.
        max_requests: how many may be sent in all, retries included; then `RequestsSpentError` is raised.

    Raises:
        ConfigurationError: the key, the base URL or the rate limits are unusable.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        rate_limits: str = RATE_LIMITS,
        limiter_dir: Path | None = None,
        threads: int = 40,
        on_wait: Callable[[float], None] | None = None,
        patience: Patience = PATIENCE,
        max_requests: int | None = None,
    ) -> None:
        check_key(api_key)
        base_url = check_base_url(base_url)
        rates = parse_rate_limits(rate_limits)
        try:
            log = (limiter_dir or default_directory()) / log_name(api_key, base_url)
        except RuntimeError:  # no home: nobody to share the limits with
            log = None
        self._base_url = base_url
        self._threads = threads
        self._under_way: set[threading.Event] = set()  # what stops each `read_runs` that has not ended
        self._limiter = RateLimiter(rates, log, on_wait)
        is_direct = is_loopback(urlsplit(base_url).hostname or "")  # no proxy need see what stays on this machine
        self._transport = Transport(
            api_key,
            base_url,
            self._limiter,
            patience,
            connections=threads,
            is_direct=is_direct,
            max_requests=max_requests,
        )

    def __repr__(self) -> str:
        return f"ConsoleApi({self._base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Call off what is under way, close the connections and the limiter's log."""
        for stop in tuple(self._under_way):
            stop.set()
        self._transport.close()
        self._limiter.close()

    @property
    def usage(self) -> Usage:
        """Requests, retries and 429s so far."""
        return self._transport.usage

    @property
    def has_answered(self) -> bool:
        """Whether any answer has come, be it an error."""
        return self._transport.has_answered

    def read_run(self, run_id: str) -> FetchedRun | MissingRun:
        """Read one run by its id.

        Raises:
            ConfigurationError: the id is empty, or no text that can be sent.
            NotAuthorisedError: the API refused the key; at once.
            ApiRequestError: the API refused this request.
            ApiError: no usable answer after all retries.
        """
        return _wait_for(lambda stop: self._read_run(run_id, stop))

    def read_runs(self, run_ids: Iterable[str]) -> Generator[FetchedRun | MissingRun | FailedRun, None, None]:
        """Read many runs at once, in the order in which the answers come.

        Ids are taken from `run_ids` as they are needed, in the caller's thread. The first goes alone, so that a
        wrong key is tried once only. Leaving the iterator (or Ctrl-C) ends the work: what waits stops at once,
        and requests under way are left to end by themselves.

        Raises:
            ConfigurationError: an id is empty, or no text that can be sent.
            NotAuthorisedError: the API refused the key; at once.
            ApiError: the API does not answer, or five runs in a row could not be read.
        """
        tasks: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        results: queue.SimpleQueue[FetchedRun | MissingRun | FailedRun | BaseException] = queue.SimpleQueue()
        stop = threading.Event()
        self._under_way.add(stop)
        ids = iter(run_ids)
        workers = 0
        pending = 0
        failures = 0
        try:
            while True:
                room = self._threads * _LOOK_AHEAD if self._transport.has_answered else 1
                for run_id in islice(ids, room - pending):
                    tasks.put(run_id)
                    pending += 1
                while workers < min(pending, self._threads):
                    # Daemons, not a pool: a pool is waited for when Python ends, for as long as a read timeout.
                    threading.Thread(target=self._work, args=(tasks, results, stop), daemon=True).start()
                    workers += 1
                    time.sleep(_BETWEEN_CONNECTIONS)  # not `stop.wait`, whose lock a Ctrl-C can leave held
                if not pending:
                    return
                if stop.is_set():
                    raise ApiError("The client was closed while runs were being read.")
                result = _take(results)
                pending -= 1
                if isinstance(result, BaseException):
                    raise result
                failures = failures + 1 if _blames_the_api(result) else 0
                if failures and (failures >= _FAILURES_IN_A_ROW or not self._transport.has_answered):
                    raise result.error  # type: ignore[union-attr]  # only a failed run counts
                yield result
        finally:
            stop.set()
            self._under_way.discard(stop)
            for _ in range(workers):
                tasks.put(None)

    def read_page(self, link: str | None = None) -> RunPage:
        """Read one page of the list: the first, or the one that `next_page` of the page before names.

        Raises:
            NotAuthorisedError: the API refused the key; at once.
            ApiRequestError: the API refused this request.
            ApiError: no usable answer after all retries, or a link that leads elsewhere.
        """
        target = page_target(self._base_url, link or "?page=1")

        def read(answer: Answer) -> RunPage:
            return read_page_answer(answer, self._transport.scrub)

        page = _wait_for(lambda stop: self._transport.get(target, stop, read))
        if page.next_page and page_target(self._base_url, page.next_page) == target:
            raise ApiError(f"The Console API at {self._transport.host} names {target} as its own next page.")
        return page

    def _work(
        self,
        tasks: queue.SimpleQueue[str | None],
        results: queue.SimpleQueue[FetchedRun | MissingRun | FailedRun | BaseException],
        stop: threading.Event,
    ) -> None:
        while (run_id := tasks.get()) is not None and not stop.is_set():
            try:
                results.put(self._read_run(run_id, stop))
            except ApiError as error:
                results.put(FailedRun(run_id, error.with_traceback(None)))  # its frames hold the whole client
            except Stopped:
                return
            except BaseException as error:  # noqa: BLE001  # it is raised where the results are taken
                results.put(error)

    def _read_run(self, run_id: str, stop: threading.Event) -> FetchedRun | MissingRun:
        def read(answer: Answer) -> FetchedRun | MissingRun:
            return read_run_answer(answer, run_id, self._transport.scrub)

        return self._transport.get(run_target(run_id), stop, read)


def _wait_for(work: Callable[[threading.Event], T]) -> T:
    """Do the work in a thread of its own, so that Ctrl-C need not wait for an answer; what it raises is raised here."""
    results: queue.SimpleQueue[T | BaseException] = queue.SimpleQueue()
    stop = threading.Event()

    def answer() -> None:
        try:
            results.put(work(stop))
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is taken
            results.put(error)

    try:
        threading.Thread(target=answer, daemon=True).start()
        result = _take(results)
    finally:
        stop.set()
    if isinstance(result, BaseException):
        raise result
    return result


def _take(results: queue.SimpleQueue[T]) -> T:
    """Wait for the next result, in short waits.

    A Ctrl-C that comes just before a wait begins, or to another thread, is noticed only when that wait ends.
    """
    while True:
        with suppress(queue.Empty):
            return results.get(timeout=_LOOK_UP)


def _blames_the_api(result: FetchedRun | MissingRun | FailedRun) -> bool:
    """Whether a run failed for a reason that others will meet as well: no answer, a redirect, another server."""
    if not isinstance(result, FailedRun) or isinstance(result.error, RequestsSpentError):
        return False
    return not isinstance(result.error, ApiRequestError) or result.error.status in _OF_ANOTHER_SERVER
