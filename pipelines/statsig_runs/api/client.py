"""The Console API client: asks for an address, or for many at once, whatever the endpoint.

It puts the pieces together: what may be asked (`address`), when (`rate_limit`), how (`transport`), and has many
requests under way at once. It also tells an address that cannot be read from an API that is down: see
`still_answers`. It knows HTTP, and neither a path nor what an answer holds.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

from statsig_runs.api.address import check_base_url, check_key, is_loopback
from statsig_runs.api.answers import Answer, NotTheApi
from statsig_runs.api.rate_limit import RateLimiter, parse_rate_limits
from statsig_runs.api.shared_log import log_directory, log_name
from statsig_runs.api.threads import take, wait_for, work
from statsig_runs.api.transport import PATIENCE, Patience, Transport, Usage
from statsig_runs.errors import ApiError, ApiRequestError, NotTheApiError, RequestsSpentError

BASE_URL = "https://statsigapi.net"

_OF_ANOTHER_SERVER = {*range(300, 400), 404}  # the API's own 404 is an answer, no failure
_FAILURES_IN_A_ROW = 5  # addresses; then it is worth a request to see whether the API is down
_BRIEFLY = 2  # attempts, where the answer matters little, or another attempt promises nothing
_BETWEEN_CONNECTIONS = 0.002  # seconds: small servers have room for five connections that are not accepted yet
_LOOK_AHEAD = 2  # addresses asked for, or waiting to be taken, for each thread

K = TypeVar("K")
T = TypeVar("T")

Address = tuple[str, Callable[[Answer], object]]
"""Path and query below the base URL, and what makes sense of its answer."""


class ConsoleApi:
    """Asks the Console API; for use by one thread, with many of its own.

    Args:
        api_key: a Console API key; shown nowhere.
        rate_limits: requests/seconds of each window, shared by all processes of this user with the same key.
        base_url: https, or plain http on loopback.
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
        rate_limits: str,
        base_url: str = BASE_URL,
        limiter_dir: Path | None = None,
        threads: int = 40,
        on_wait: Callable[[float], None] | None = None,
        patience: Patience = PATIENCE,
        max_requests: int | None = None,
    ) -> None:
        check_key(api_key)
        base_url = check_base_url(base_url)
        rates = parse_rate_limits(rate_limits)
        log = (limiter_dir or log_directory()) / log_name(api_key, base_url)
        self.base_url = base_url
        self._threads = threads
        self._under_way: set[threading.Event] = set()  # what stops each `get_each` that has not ended
        self._answered: Address | None = None  # the last address that was usable
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
        return f"ConsoleApi({self.base_url!r})"

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

    def scrub(self, text: str) -> str:
        """Make a text from outside fit to be shown: no secrets, one short line of printable characters."""
        return self._transport.scrub(text)

    def get(self, target: str, read: Callable[[Answer], T], *, attempts: int | None = None) -> T:
        """GET one address.

        Args:
            target: path and query below the base URL, encoded.
            read: makes sense of an answer; raises `Unusable` for one that had better be asked for again.
            attempts: how many at most; by default as many as the client's patience allows.

        Raises:
            NotAuthorisedError: the API refused the key; at once.
            ApiRequestError: the API refused this request.
            NotTheApiError: somebody else answers; after two attempts.
            ApiError: no usable answer after all attempts.
        """
        return wait_for(lambda stop: self._get(target, read, stop, attempts))

    def get_each(
        self,
        keys: Iterable[K],
        target: Callable[[K], str],
        read: Callable[[Answer, K], T],
        *,
        beside: Address,
        attempts: int | None = None,
    ) -> Generator[tuple[K, T | ApiError], None, None]:
        """GET many addresses at once, in the order in which the answers come; an error of one address stops no other.

        Keys are taken as they are needed, in the caller's thread. The first goes alone, so that a wrong key is tried
        once only. Leaving the iterator (or Ctrl-C) ends the work: what waits stops at once, and requests under way are
        left to end by themselves.

        Args:
            keys: what names each address.
            target: its path and query.
            read: as of `get`.
            beside: another address, to tell an API that is down from addresses that cannot be read.
            attempts: as of `get`.

        Raises:
            NotAuthorisedError: the API refused the key; at once.
            ApiError: the API does not answer; the first error or, later, five in a row show it, and so does `beside`.
        """
        tasks: queue.SimpleQueue[K | None] = queue.SimpleQueue()
        results: queue.SimpleQueue[tuple[K, T | ApiError] | BaseException] = queue.SimpleQueue()
        stop = threading.Event()

        def ask(key: K) -> T:
            return self._get(target(key), lambda answer: read(answer, key), stop, attempts)

        self._under_way.add(stop)
        waiting = iter(keys)
        workers = pending = failures = 0
        try:
            while True:
                room = self._threads * _LOOK_AHEAD if self.has_answered else 1
                for key in islice(waiting, room - pending):
                    tasks.put(key)
                    pending += 1
                while workers < min(pending, self._threads):
                    # Daemons, not a pool: a pool is waited for when Python ends, for as long as a read timeout.
                    threading.Thread(target=work, args=(tasks, results, ask, stop), daemon=True).start()
                    workers += 1
                    time.sleep(_BETWEEN_CONNECTIONS)  # not `stop.wait`, whose lock a Ctrl-C can leave held
                if not pending:
                    return
                if stop.is_set():
                    raise ApiError("The client was closed while it was reading.")
                result = take(results)
                pending -= 1
                if isinstance(result, BaseException):
                    raise result
                failures = self._judge(result[1], failures, beside)
                yield result
        finally:
            stop.set()
            self._under_way.discard(stop)
            for _ in range(workers):
                tasks.put(None)

    def still_answers(self, beside: Address) -> bool:
        """Whether the API is well, though an address could not be read: one request more tells.

        Args:
            beside: what to ask for where nothing has been answered well yet. Otherwise what was answered well last is
                asked for again.

        Raises:
            NotAuthorisedError: the API refused the key.
        """
        target, read = self._answered or beside
        try:
            self.get(target, read, attempts=_BRIEFLY if self._answered else 1)
        except RequestsSpentError:
            return True  # it is not known
        except ApiError:
            return False
        return True

    def _judge(self, result: object, before: int, beside: Address) -> int:
        """Count the failures in a row, after so many before; raise one that is not of its address, but of the API."""
        if not isinstance(result, ApiError) or not _blames_the_api(result):
            return 0
        is_foreign = self._answered is None and isinstance(result, NotTheApiError)
        is_many = before + 1 >= _FAILURES_IN_A_ROW
        if (is_foreign or is_many or not self.has_answered) and self.still_answers(beside):
            return 0
        if is_foreign or is_many or not self.has_answered:
            raise result
        return before + 1

    def _get(self, target: str, read: Callable[[Answer], T], stop: threading.Event, attempts: int | None = None) -> T:
        foreign = 0

        def judge(answer: Answer) -> T:
            nonlocal foreign
            try:
                result = read(answer)
            except NotTheApi as error:
                foreign += 1
                if foreign < _BRIEFLY:
                    raise
                problem = str(error)
            else:
                self._answered = target, read
                return result
            raise self._doubt_the_address(problem)

        return self._transport.get(target, stop, judge, attempts)

    def _doubt_the_address(self, what: str) -> NotTheApiError:
        host = self._transport.host
        if self._answered:
            return NotTheApiError(f"The Console API at {host} answered with {what}, twice.")
        is_own = self.base_url == BASE_URL
        doubt = (
            "Something between here and there answers in its place, such as a proxy or a login page of this network."
            if is_own
            else f"Check the setting base_url: Statsig's own address is {BASE_URL}."
        )
        return NotTheApiError(
            f"What answers at {host} is not the Console API: it sends {what}. {doubt}", is_setting=not is_own
        )


def _blames_the_api(error: ApiError) -> bool:
    """Whether it may be a failure that others will meet as well: no answer, a redirect, another server."""
    if isinstance(error, RequestsSpentError):
        return False
    return not isinstance(error, ApiRequestError) or error.status in _OF_ANOTHER_SERVER
