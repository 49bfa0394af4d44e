"""A thread in which dbt reads its project while the API is waited for: with dbt's import, half of a small first build.

It does what the build would do first, so nothing is done twice, and a machine with one core loses nothing. Knows
neither dbt nor the API.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class ReadAhead:
    """What is read in a thread, from `begin` to `finish`, each of which may be called again.

    Args:
        read: what the thread does; None where nothing is to be read. What it raises is only logged: the build will
            meet it as well, and tell it.

    Attributes:
        waited: how long `finish` took, in seconds.
    """

    def __init__(self, read: Callable[[], object] | None) -> None:
        self._read = read
        self._thread: threading.Thread | None = None
        self.waited = 0.0

    def begin(self) -> None:
        """Start the thread; it does not keep the process from ending."""
        if self._read and not self._thread:
            self._thread = threading.Thread(target=_run, args=(self._read,), name="read ahead", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Wait until the thread has ended, if it was started."""
        if self._thread:
            started = time.monotonic()
            self._thread.join()
            self.waited += time.monotonic() - started


def _run(read: Callable[[], object]) -> None:
    try:
        read()
    except Exception:
        log.debug("the project was not read ahead", exc_info=True)
