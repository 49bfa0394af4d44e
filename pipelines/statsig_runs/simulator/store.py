"""The runs a simulated Console API holds, by id and in list order, as the JSON they are sent as; knows no HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

import msgspec


class RunStore(MutableMapping[str, dict[str, Any]]):
    """Runs by id, iterated newest first (by `createdAt`, then id); any thread may change it at any time.

    A run is kept as JSON text: what `store[run_id]` returns is a copy, and a change to it must be put back.
    """

    def __init__(self, runs: Iterable[dict[str, Any]] = ()) -> None:
        self._bodies: dict[str, bytes] = {}
        self._created: dict[str, str] = {}
        self._order: list[str] | None = None
        self._lock = threading.RLock()
        for run in runs:
            self.add(run)

    def add(self, run: dict[str, Any]) -> None:
        """Put a run under its own `runID`, in place of an older version."""
        self[run["runID"]] = run

    def body(self, run_id: str) -> bytes | None:
        """The run's JSON text, None where there is no such run."""
        return self._bodies.get(run_id)

    def page(self, number: int, size: int, *, ascending: bool) -> tuple[list[bytes], bool]:
        """The JSON texts of page `number` (from 1), `size` to a page, and whether another page follows."""
        with self._lock:
            ids = self._ordered()
            start, end = (number - 1) * size, number * size
            chosen = ids[::-1][start:end] if ascending else ids[start:end]
            return [self._bodies[run_id] for run_id in chosen], end < len(ids)

    def _ordered(self) -> list[str]:
        if self._order is None:
            self._order = sorted(self._bodies, key=lambda run_id: (self._created[run_id], run_id), reverse=True)
        return self._order

    def __setitem__(self, run_id: str, run: dict[str, Any]) -> None:
        body = msgspec.json.encode(run)
        created = str(run.get("createdAt"))
        with self._lock:
            if self._created.get(run_id) != created:
                self._order = None
            self._bodies[run_id], self._created[run_id] = body, created

    def __getitem__(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = msgspec.json.decode(self._bodies[run_id])
        return run

    def __delitem__(self, run_id: str) -> None:
        with self._lock:
            del self._bodies[run_id], self._created[run_id]
            self._order = None

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._ordered()))

    def __len__(self) -> int:
        return len(self._bodies)
