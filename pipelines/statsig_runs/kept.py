"""Keeps what a process found out in a file, for later ones: whole, and for exactly what it was made of.

Whatever else lies in such a file's place is as good as no file. Knows nothing of what is kept.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from statsig_runs.whole_files import write_whole

log = logging.getLogger(__name__)


def read_kept(file: Path, key: str) -> bytes | None:
    """What was kept there under this key; None if there is nothing, or not a whole file."""
    try:
        head, _, content = file.read_bytes().partition(b"\n")
    except OSError:
        return None
    return content if head == _head(key, content) else None


def keep(file: Path, key: str, content: bytes) -> None:
    """Keep this under this key. Without room for it, later processes do without.

    Args:
        file: is replaced whole; its folder is there.
        key: a hash of all that the content depends on.
        content: what is kept.
    """
    try:
        write_whole(file, _head(key, content) + b"\n" + content)
    except OSError as error:
        log.debug("%s is not kept: %s", file, error)


def _head(key: str, content: bytes) -> bytes:
    return f"{key} {hashlib.sha256(content).hexdigest()}".encode()
