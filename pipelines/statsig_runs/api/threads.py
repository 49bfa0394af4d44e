"""Work in other threads, and waits for it that Ctrl-C ends. It knows errors of the API, and no request."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from statsig_runs.api.rate_limit import Stopped
from statsig_runs.errors import ApiError

K = TypeVar("K")
T = TypeVar("T")

_LOOK_UP: Final = 0.2  # seconds between two looks at whether Ctrl-C was pressed


def work(
    tasks: queue.SimpleQueue[K | None],
    results: queue.SimpleQueue[tuple[K, T | ApiError] | BaseException],
    ask: Callable[[K], T],
    stop: threading.Event,
) -> None:
    """What each thread does until it is told to stop."""
    while (key := tasks.get()) is not None and not stop.is_set():
        try:
            results.put((key, ask(key)))
        except ApiError as error:
            results.put((key, error.with_traceback(None)))  # its frames hold the whole client
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001  it is raised where the results are taken
            results.put(error)


def wait_for(work: Callable[[threading.Event], T]) -> T:
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
        result = take(results)
    finally:
        stop.set()
    if isinstance(result, BaseException):
        raise result
    return result


def take(results: queue.SimpleQueue[T]) -> T:
    """Wait for the next result, in short waits.

    A Ctrl-C that comes just before a wait begins, or to another thread, is noticed only when that wait ends.
    """
    while True:
        with suppress(queue.Empty):
            return results.get(timeout=_LOOK_UP)
