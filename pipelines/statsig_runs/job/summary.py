"""What one load did: counted while it runs, printed at its end, recorded in `sync_loads`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from statsig_runs.contract import AcceptedRun, MissingRun, Outcome, RejectedRun
from statsig_runs.fetch import Unread
from statsig_runs.logs import tell_error
from statsig_runs.redact import scrub, scrub_known
from statsig_runs.status_messages import Message, StatusMessage

if TYPE_CHECKING:
    from statsig_runs.errors import StatsigRunsError
    from statsig_runs.warehouse import Warehouse

KINDS: Final = ("new", "changed", "unchanged", "rejected", "missing", "failed")
"""What can become of a run; each is counted under its name."""


@dataclass(slots=True)
class Summary:
    """What one sync did. Counts are runs, each counted once; seconds are wall clock, None for a step not done.

    `messages` are those of the ingestion status that were not known before, `rejected_messages` such as could not be
    read; what else could not be read of it counts as failed.
    """

    started_at: datetime
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    missing: int = 0
    failed: int = 0
    messages: int = 0
    rejected_messages: int = 0
    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    fetch_seconds: float = 0.0
    load_seconds: float = 0.0
    model_seconds: float | None = None
    publish_seconds: float | None = None
    seconds: float = 0.0
    error: StatsigRunsError | None = None
    _counted: set[tuple[type, str]] = field(default_factory=set, repr=False)

    @property
    def exit_code(self) -> int:
        """The error's; 4 when runs or messages were rejected, missing or could not be read; 0."""
        if self.error:
            return self.error.exit_code
        return 4 if self.rejected or self.missing or self.failed or self.rejected_messages else 0

    @property
    def loaded(self) -> int:
        """Runs that were accepted."""
        return self.new + self.changed + self.unchanged

    def count(self, outcome: Outcome | Unread, known_hash: str | None = None) -> None:
        """Count one outcome, unless the same run came to the same kind of end before (pages shift)."""
        name = outcome.what if isinstance(outcome, Unread) else outcome.run_id
        if (type(outcome), name) in self._counted:
            return
        if name:
            self._counted.add((type(outcome), name))
        match outcome:
            case AcceptedRun():
                kind = "new" if known_hash is None else "unchanged" if known_hash == outcome.content_hash else "changed"
            case RejectedRun():
                kind = "rejected"
            case MissingRun():
                kind = "missing"
            case Unread():
                kind = "failed"
        setattr(self, kind, getattr(self, kind) + 1)

    def count_message(self, message: Message) -> None:
        """Count one message of the ingestion status that was not known before."""
        if isinstance(message, StatusMessage):
            self.messages += 1
        else:
            self.rejected_messages += 1

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values, without what is of no use to a machine."""
        names = [each.name for each in fields(self) if not each.name.startswith("_")]
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        values["started_at"] = self.started_at.isoformat(timespec="milliseconds")
        values["error"] = scrub_known(str(self.error)) if self.error else None
        values["exit_code"] = self.exit_code
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}

    def to_load(self) -> dict[str, Any]:
        """The row of `sync_loads`."""
        return {
            "load_id": self.started_at.strftime("%Y%m%dT%H%M%S.%fZ"),
            "started_at": self.started_at,
            "finished_at": datetime.now(UTC),
            **{f"{name}_count": getattr(self, name) for name in KINDS},
            "request_count": self.requests,
            "retry_count": self.retries,
            "rate_limited_count": self.rate_limited,
            "fetch_seconds": self.fetch_seconds,
            "load_seconds": self.load_seconds,
            "model_seconds": self.model_seconds,
            "publish_seconds": self.publish_seconds,
        }

    @contextmanager
    def timed(self, name: str, before: float = 0.0) -> Iterator[None]:
        """Add the time of what is inside, and that before it, to one of the `*_seconds`, unless it fails."""
        started = time.monotonic()
        yield
        setattr(self, name, (getattr(self, name) or 0.0) + before + time.monotonic() - started)


def print_summary(summary: Summary, warehouse: Warehouse, *, as_json: bool) -> None:
    """Print what was done, and on stderr what went wrong and what was kept."""
    if as_json:
        content = summary.to_json() | {"database": warehouse.destination.place, "published": warehouse.readers_place}
        click.echo(scrub(msgspec.json.encode(content).decode()))
    else:
        runs = ", ".join(
            f"{getattr(summary, name):,} {name}" for name in KINDS if getattr(summary, name) or name != "failed"
        )
        asked = (
            f"{summary.requests:,} requests ({summary.retries:,} retries, {summary.rate_limited:,} times told to wait)"
        )
        click.echo(f"Runs: {runs}.")
        if summary.messages or summary.rejected_messages:
            rejected = f", {summary.rejected_messages:,} rejected" if summary.rejected_messages else ""
            click.echo(f"Messages of the ingestion status: {summary.messages:,} new{rejected}.")
        click.echo(f"{asked}, {summary.seconds:.1f} s.")
        if summary.publish_seconds is not None:
            click.echo(f"Published: {warehouse.readers_place}")
    if summary.error:
        kept = f"{summary.loaded:,} runs were loaded by this sync" if summary.loaded else "Nothing new was loaded"
        readers = (
            "they are published" if summary.publish_seconds is not None else "readers keep what was published last"
        )
        tell_error(f"Error: {scrub_known(str(summary.error))}\n{kept}; {readers}.")
