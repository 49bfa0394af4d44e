"""A local Console API with the same contract, limits and faults, for the demo, the tests and anyone's BI tool.

    GET /console/v1/ingestion/runs/{id}       one run: 200, 401, 404
    GET /console/v1/ingestion/runs?page=N     a page of runs, newest first
    GET /console/v1/ingestion/status?startDate=…&endDate=…    what happened to these days, newest first

It serves what its `RunStore` holds and knows nothing of the client, the loader or the tables.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Final, Literal
from urllib.parse import parse_qs, unquote

import msgspec

from statsig_runs.simulator.faults import Faults, RateWindows, Reply, Script, reply_error
from statsig_runs.simulator.sample_messages import Message, select, tell_messages
from statsig_runs.simulator.sample_runs import Run
from statsig_runs.simulator.server import Request, Server
from statsig_runs.simulator.store import RunStore

RUNS_PATH: Final = "/console/v1/ingestion/runs"
STATUS_PATH: Final = "/console/v1/ingestion/status"
StatusShape = Literal["array", "envelope", "off"]
"""How the ingestion status is answered: a bare array, as the published example; with message, data and pagination, as
the schema says; or not at all (404)."""
_LOG_LENGTH: Final = 100_000
_MOST_TO_A_PAGE: Final = 100
_REFUSED: Final = "This endpoint only accepts an active CONSOLE key, but an invalid key was sent. Key: "
_STATUS_FILTERS: Final = {"source": "ingestion_source", "dataset": "ingestion_dataset", "status": "status"}


class Simulator:
    """The server as a context manager: serves inside the `with`, and is gone after it.

    Args:
        runs: what it holds at first.
        host: where to listen; loopback.
        port: 0 for a free one.
        api_key: the only key accepted; None for any that starts with `console-` and goes on.
        rate_limits: requests/seconds of each window, as in `100/10,900/900`; empty for none.
        retry_after: how a 429 of the windows names the wait, if at all.
        latency: seconds before each answer.
        page_size: runs to a page of the list.
        honours_limit: whether the list takes `limit=` (1 to 100) for its page size.
        ascending: list the oldest first.
        status_shape: how the ingestion status is answered.
        faults: what goes wrong by chance.
        script: what is answered on purpose; asked before `faults`.

    Attributes:
        runs: what it holds, by id; can be changed at any time, like the other arguments but host, port and rate limits.
        log: the last 100,000 requests, in the order of their answers.
        statuses: how many answers of each status, ever; 0 stands for a reset connection.

    The key comes first, then the windows, then script and faults: what these spoil counts as a request.
    """

    def __init__(
        self,
        runs: Iterable[Run] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        rate_limits: str = "",
        retry_after: Literal["seconds", "date"] | None = "seconds",
        latency: float = 0.0,
        page_size: int = 10,
        honours_limit: bool = False,
        ascending: bool = False,
        status_shape: StatusShape = "array",
        faults: Faults | None = None,
        script: Script | None = None,
    ) -> None:
        self.runs = RunStore(runs)
        self.api_key = api_key
        self.windows = RateWindows(rate_limits)
        self.retry_after = retry_after
        self.latency = latency
        self.page_size = page_size
        self.honours_limit = honours_limit
        self.ascending = ascending
        self.status_shape = status_shape
        self.faults = faults
        self.script = script
        self.log: deque[Request] = deque(maxlen=_LOG_LENGTH)
        self.statuses: Counter[int] = Counter()
        self._asked: Counter[str] = Counter()
        self._messages: dict[str, tuple[bytes, list[Message]]] = {}  # of each run, as it was when they were asked for
        self._lock = threading.Lock()
        self._server = Server((host, port), self._respond, self._record)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://{self._server.server_name}:{self._server.server_port}"

    def __enter__(self) -> Simulator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join()

    def _record(self, request: Request) -> None:
        with self._lock:
            self.statuses[request.status] += 1
            self.log.append(request)

    def _respond(self, path: str, key: str) -> Reply:
        reply = self._refuse(key) or self._reply(path)
        if self.latency:
            self._server.stopping.wait(self.latency)
        return reply

    def _refuse(self, key: str) -> Reply | None:
        known = key == self.api_key if self.api_key else key.removeprefix("console-") not in {key, ""}
        if not known:
            return reply_error(401, _REFUSED + key)
        wait = self.windows.admit()
        if not wait:
            return None
        if self.retry_after is None:
            return reply_error(429, "Too many requests")
        # a date has whole seconds: one more, or it may name a moment too early
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=wait + 1), usegmt=True)
        return reply_error(429, "Too many requests", Retry_After=date if self.retry_after == "date" else str(wait))

    def _reply(self, path: str) -> Reply:
        with self._lock:
            self._asked[path] += 1
            nth = self._asked[path]
        forced = self.script(path, nth) if self.script else None
        if forced is None and self.faults:
            forced = self.faults(path, nth)
        if forced is not None and forced.status is not None:
            return forced
        true = self._reply_truly(path)
        if forced is None:
            return true
        return replace(forced, status=true.status, body=true.body, headers={**true.headers, **forced.headers})

    def _reply_truly(self, target: str) -> Reply:
        path, _, query = target.partition("?")
        if path == RUNS_PATH:
            return self._reply_page(parse_qs(query))
        if path == STATUS_PATH and self.status_shape != "off":
            return self._reply_status(parse_qs(query))
        encoded = path.removeprefix(RUNS_PATH + "/")
        if encoded in {"", path} or "/" in encoded:
            return reply_error(404, f"Cannot GET {path}")
        run_id = unquote(encoded)
        body = self.runs.body(run_id)
        if body is None:
            return reply_error(404, f"runID {run_id} not found")
        return _reply_data("Ingestion Run Read Successfully", body)

    def _reply_page(self, query: dict[str, list[str]]) -> Reply:
        try:
            number = int(query.get("page", ["1"])[-1])
            limit = int(query.get("limit", ["0"])[-1])
        except ValueError:
            number = limit = 0
        if number < 1:
            return reply_error(400, "page must be a positive integer")
        limited = self.honours_limit and 1 <= limit <= _MOST_TO_A_PAGE
        size, suffix = (limit, f"&limit={limit}") if limited else (self.page_size, "")
        bodies, has_next = self.runs.page(number, size, ascending=self.ascending)
        pagination = {
            "itemsPerPage": size,
            "pageNumber": number,
            "nextPage": f"{RUNS_PATH}?page={number + 1}{suffix}" if has_next else None,
            "previousPage": f"{RUNS_PATH}?page={number - 1}{suffix}" if number > 1 else None,
        }
        return _reply_data(
            "Ingestion Runs Read Successfully",
            b"[" + b",".join(bodies) + b"]",
            b',"pagination":' + json.dumps(pagination).encode(),
        )

    def _reply_status(self, query: dict[str, list[str]]) -> Reply:
        try:
            first, last = (date.fromisoformat(query[name][-1]) for name in ("startDate", "endDate"))
        except (KeyError, ValueError):
            return reply_error(400, "startDate and endDate must be dates")
        wanted = {field: query[name][-1] for name, field in _STATUS_FILTERS.items() if name in query}
        body = msgspec.json.encode(select(self._tell_status(), first, last, wanted))
        if self.status_shape == "array":
            return Reply(200, body, {"Content-Type": "application/json"})
        pagination = b',"pagination":{"itemsPerPage":%d,"pageNumber":1,"nextPage":null,"previousPage":null}'
        return _reply_data("Ingestion Status Read Successfully", body, pagination % _MOST_TO_A_PAGE)

    def _tell_status(self) -> Iterator[Message]:
        for run_id in self.runs:
            body = self.runs.body(run_id)
            if body is None:
                continue
            if self._messages.get(run_id, (b"",))[0] is not body:
                self._messages[run_id] = body, tell_messages(msgspec.json.decode(body))
            yield from self._messages[run_id][1]


def _reply_data(message: str, data: bytes, rest: bytes = b"") -> Reply:
    # runs are kept as JSON: to decode them only to encode them again would cost more than all the rest
    body = b'{"message":' + json.dumps(message).encode() + b',"data":' + data + rest + b"}"
    return Reply(200, body, {"Content-Type": "application/json"})
