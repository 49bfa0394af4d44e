"""Keeps the result of some work in a file, so that later processes need not do the work again.

The file begins with a key, a hash of all that the result depends on, and with a hash of the content. A file with
another key counts as no file, and so does a damaged one. Knows nothing of what is kept.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from statsig_runs.whole_files import write_whole

log = logging.getLogger(__name__)


def read_kept(file: Path, key: str) -> bytes | None:
    """What was kept in this file under this key; None where there is nothing, another key, or a damaged file."""
    try:
        head, _, content = file.read_bytes().partition(b"\n")
    except OSError:
        return None
    return content if head == _head(key, content) else None


def keep(file: Path, key: str, content: bytes) -> None:
    """Keep the content under this key. If the file cannot be written, nothing is kept, and nothing is raised.

    Args:
        file: is replaced whole; its folder must exist.
        key: a hash of all that the content depends on.
        content: what is kept.
    """
    try:
        write_whole(file, _head(key, content) + b"\n" + content)
    except OSError as error:
        log.debug("%s is not kept: %s", file, error)


def _head(key: str, content: bytes) -> bytes:
    return f"{key} {hashlib.sha256(content).hexdigest()}".encode()
