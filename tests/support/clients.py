"""A client for tests, quick and with rate limits that no test reaches; and what no error may hold."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from statsig_runs.api import ConsoleApi, Patience
from statsig_runs.errors import StatsigRunsError

KEY = "console-tHeKeY0123456789"
BODY = json.dumps({"message": "Ingestion Run Read Successfully", "data": {"runID": "r", "n": 1.0}}).encode()

Open = Callable[..., ConsoleApi]


@contextmanager
def opening(folder: Path) -> Iterator[Open]:
    """Gives a function that opens clients with hardly a pause between attempts; closes them in the end."""
    with ExitStack() as opened:

        def open_api(url: str, **options: Any) -> ConsoleApi:
            quick = Patience(first_backoff=0.001, longest_backoff=0.002)
            options = {"rate_limits": "10000/1", "limiter_dir": folder, "patience": quick, **options}
            return opened.enter_context(ConsoleApi(KEY, base_url=url, **options))

        yield open_api


def assert_holds_no_key(error: StatsigRunsError) -> None:
    """Neither the error, nor its pickle, nor any exception behind it shows or holds the key."""
    assert KEY not in "".join(traceback.format_exception(error))
    assert KEY.encode() not in pickle.dumps((type(error), error.args, vars(error)))
    behind = error.__cause__ or error.__context__
    assert behind is None, f"{behind!r} may hold the request and its headers"
