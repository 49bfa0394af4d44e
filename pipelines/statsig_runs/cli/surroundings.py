"""What a command may find around it: streams that are closed or speak ASCII only, a user without a home.

Knows no command; to be called before any of them, and before anything else looks at these things.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path


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


def _open_streams() -> None:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file to be opened would get its number, and what is printed
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what its encoding lacks is told all the same
