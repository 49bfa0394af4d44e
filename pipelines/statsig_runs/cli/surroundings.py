"""What a command may find around it: streams that are closed, left or ASCII only, a user without a home.

Knows no command; to be called before any of them, and before anything else looks at these things.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any


class _Stream(io.FileIO):
    """A stream whose reader may leave, as `head` does. What is written after that is dropped.

    The command goes on to its end, since its other effects and its exit code still matter.
    """

    stops = False
    """Whether a reader that leaves ends the command: its output is all that it is there for."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nobody = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nobody, self.fileno())
            os.close(nobody)
            if self.stops:
                raise
            return memoryview(data).nbytes


def prepare() -> None:
    """Make do with whatever the process was started with."""
    _open_streams()
    try:
        Path.home()
    except RuntimeError:  # no HOME, and no entry for the user: some libraries ask while they are imported
        os.environ["HOME"] = os.devnull  # where nobody, not even root, can make a folder


def write_utf8() -> None:
    """For output that machines read: a value is worth more as it is than as the terminal's encoding would have it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def stop_unread() -> None:
    """From here on, whoever leaves before the end of our output ends it: `BrokenPipeError` is raised, once."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Stream):
        raw.stops = True


def _open_streams() -> None:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file to be opened would get its number, and what is printed
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            ours = io.TextIOWrapper(
                io.BufferedWriter(_Stream(stream.fileno(), "w", closefd=False)),
                encoding=stream.encoding,
                errors="backslashreplace",  # what its encoding lacks is told all the same
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, ours)
