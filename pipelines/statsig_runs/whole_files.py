"""Files that are replaced whole: whoever reads one sees the old content or the new one, never a part of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from secrets import token_hex


@contextmanager
def replacing(file: Path, *, read_only: bool = False) -> Iterator[Path]:
    """A path beside `file` to write to; what is there at the end takes the place of `file`.

    The folder is created. If anything fails, the old file stays as it was, and nothing is left beside it.

    Args:
        file: the file to replace.
        read_only: nobody may write into the new file, not its owner either; it can be replaced again all the same.

    Raises:
        OSError: the draft cannot be put in place.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{token_hex(4)}.unfinished")
    try:
        yield draft
        with draft.open("rb+") as written:
            os.fsync(written.fileno())  # or a power cut could leave the new name with nothing in it
        if read_only:
            draft.chmod(draft.stat().st_mode & 0o444)
        draft.replace(file)
    finally:
        _remove(file.parent, escape(draft.name))


def write_whole(file: Path, content: bytes) -> None:
    """Replace the content of a file; errors as of `replacing`."""
    with replacing(file) as draft:
        draft.write_bytes(content)


def remove_unfinished(file: Path) -> None:
    """Remove the drafts of `file` that killed processes left. Only where nobody else can be writing one."""
    _remove(file.parent, f".{escape(file.name)}.*.unfinished")


def _remove(folder: Path, drafts: str) -> None:
    for draft in folder.glob(f"{drafts}*"):  # and what a library wrote beside one, such as a database's log
        draft.unlink(missing_ok=True)
