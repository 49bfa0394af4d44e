"""Logging for people and for machines, always on stderr, never with a secret in it."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

import click
import msgspec

from statsig_runs.harmless import harmless
from statsig_runs.redact import Redactor, install_log_filter

log = logging.getLogger(__name__)

_QUIET: Final = {
    "urllib3": logging.ERROR,  # warns of each odd header with a traceback; what matters of an answer is told by us
    "filelock": logging.WARNING,
    "pyrate_limiter": logging.WARNING,
}


class TextFormatter(logging.Formatter):
    """A line for each record, as people read it. What follows in a message is indented: it passes for no record."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`. What could move a cursor or turn the direction of a text is written as an escape."""
        return "\n    ".join(harmless(line.replace("\t", "    ")) for line in super().format(record).split("\n"))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (UTC), `level`, `logger`, `message`, and `traceback` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            entry["traceback"] = record.exc_text
        return msgspec.json.encode(entry).decode()


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at the moment: a live bar takes its place, and puts a line above itself."""

    @property
    def stream(self) -> TextIO:
        """The stderr of now."""
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """The base class keeps the stderr of its beginnings here."""


def configure_logging(level: str | None, log_format: str) -> None:
    """Send all logs to stderr, with everything that looks like a Console API key masked.

    Args:
        level: `debug`, `info`, `warning` or `error`; by default warnings on a terminal, where a bar shows the rest, and
            information elsewhere.
        log_format: `text` or `json`.
    """
    handler = StderrHandler()
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(TextFormatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel((level or ("warning" if sys.stderr.isatty() else "info")).upper())
    logging.captureWarnings(True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)
    install_log_filter(Redactor())


def tell_error(text: str) -> None:
    """Say on stderr what ends or hampers a command: plainly to people; to machines as one more object of the log."""
    if any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
        log.error("%s", text)
    else:
        click.echo(text, err=True)


def adopt_dlt_logs() -> None:
    """Let dlt's records pass through our handler; it brings one of its own.

    What goes wrong in dlt is raised, and told once in words that help; its tracebacks, one a table, are for those
    who look closely.
    """
    logger = logging.getLogger("dlt")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.INFO if logging.getLogger().level <= logging.DEBUG else logging.CRITICAL)
