"""dlt's working folder between two syncs: what a kill or a power cut left in it, and which runs were being loaded.

dlt moves a load from folder to folder, and does not expect to find it in two of them. Beside the folder stand the ids
of the runs that are being loaded. Where a load cannot be finished, some tables may hold the new state of these runs
and others the old one, so they have to be fetched again. Knows no table, and nothing of what is in a load.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from glob import escape
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import Final

from statsig_runs.errors import ConfigurationError
from statsig_runs.whole_files import remove_unfinished, write_whole

log = logging.getLogger(__name__)

_ODD: Final = frozenset("'%")
_ASIDE: Final = "removed"


class WorkFolder:
    """The working folder of one pipeline; no other process may use it at the same time.

    All methods raise OSError where the disk cannot be written.

    Args:
        folder: where working folders and the notes about them are; it need not exist.
        name: of the pipeline.

    Attributes:
        path: the working folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = _plain(folder) / name
        self._batch, self._loading, self._lost = (
            folder / f"{name}.{each}.json" for each in ("batch", "loading", "lost")
        )

    def tidy(self) -> None:
        """Remove what dlt was about to remove from a load that can be finished, or would stumble over."""
        for file in (self._batch, self._loading, self._lost):
            remove_unfinished(file)
        waiting = self.path / "normalize" / "extracted"
        for moved_on in self.path.glob("load/normalized/*/"):
            _remove(waiting / moved_on.name)
        for unfinished in (*self.path.glob("normalize/*/"), *self.path.glob("load/new/*/")):
            if unfinished != waiting:
                _remove(unfinished)

    def clear(self) -> None:
        """Remove the folder: what is in it is in the destination as well, or lost."""
        if self._loading.exists():
            write_whole(self._lost, json.dumps([*self.lost(), *_read_ids(self._loading)]).encode())
        self.finish()
        with suppress(FileNotFoundError):  # at once: a part of it, which a kill would leave, is a damaged load
            self.path.rename(self.path.with_name(f"{self.path.name}.{token_hex(4)}.{_ASIDE}"))
        for aside in self.path.parent.glob(f"{escape(self.path.name)}.*.{_ASIDE}"):
            try:
                _remove(aside)
            except OSError:
                log.warning("%s holds nothing that is needed, and could not be removed", aside)

    def begin(self, run_ids: Iterable[str]) -> None:
        """These runs are to be loaded."""
        write_whole(self._batch, json.dumps(list(run_ids)).encode())

    def merge(self) -> None:
        """From here on, some tables may hold the new state of these runs, and others the old one."""
        if self._batch.exists():
            self._batch.replace(self._loading)

    def finish(self) -> None:
        """All that was to be loaded is, or none of it."""
        self._batch.unlink(missing_ok=True)
        self._loading.unlink(missing_ok=True)

    def lost(self) -> list[str]:
        """Ids of the runs that have to be fetched again."""
        return _read_ids(self._lost)

    def forget_lost(self) -> None:
        """The destination knows these runs as left over."""
        self._lost.unlink(missing_ok=True)


def _plain(folder: Path) -> Path:
    """The folder itself, or one that stands for it: dlt writes the paths of its files into SQL and into formats."""
    if _ODD.isdisjoint(str(folder)):
        return folder
    note = folder / "elsewhere"
    with suppress(OSError, ValueError):
        elsewhere = Path(note.read_text(encoding="utf-8"))
        if elsewhere.stat().st_uid == os.geteuid():  # not what somebody else put there after a clean-up
            return elsewhere
    elsewhere = Path(mkdtemp(prefix="statsig-runs-"))
    if not _ODD.isdisjoint(str(elsewhere)):
        elsewhere.rmdir()
        raise ConfigurationError(
            f"The loader cannot work in {folder}, nor in {elsewhere.parent}: it takes ' and % in a path for something "
            "else. Choose another --database, or set TMPDIR to a folder without these."
        )
    write_whole(note, str(elsewhere).encode())
    return elsewhere


def _read_ids(file: Path) -> list[str]:
    with suppress(OSError, ValueError):
        found = json.loads(file.read_bytes())
        return [str(run_id) for run_id in found] if isinstance(found, list) else []
    return []


def _remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, write-protected or not, if it is there."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    with suppress(OSError):  # what is not ours to change may still be ours to remove
        path.chmod(0o700)
        for parent, folders, _ in os.walk(path):
            for folder in folders:
                Path(parent, folder).chmod(0o700)
    shutil.rmtree(path)
