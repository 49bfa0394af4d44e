"""Keeps the project as dbt has read it, its *manifest*, in a file: reading the project is half of a small build.

A file counts only for exactly what it was made of: the same versions, the same files of the project in the same place,
the same profile and variables. Knows dbt's format for it, which is data and runs no code when it is read; knows neither
what the project builds nor how dbt is called.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from statsig_runs.kept import keep, read_kept

_READ_BY_DBT: Final = Path("target", "partial_parse.msgpack")
"""Where dbt leaves the manifest after it has read a project, below its state folder."""

_KEPT: Final = "manifest"

log = logging.getLogger(__name__)


def key_of(project: Path, profile: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """A hash of all that a manifest depends on.

    Args:
        project: the folder of the dbt project.
        profile: the dbt output, without its secrets. A DuckDB file counts by its name, which is part of the names of
            relations; the folder it lies in is not.
        variables: the vars of `dbt_project.yml` that are set.
    """
    named = {**profile, "path": Path(profile.get("path", "")).stem}
    made_of = [_versions(), hashes_of(project), named, variables]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()


def read_manifest(state: Path, key: str) -> Any | None:
    """The manifest that was kept in this folder for this key; None if there is none, or not a whole one."""
    content = read_kept(state / _KEPT, key)
    if content is None:
        return None
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    manifest = Manifest.from_msgpack(content, decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]  # the one part that dbt leaves out of its file
    return manifest


def keep_manifest(state: Path, key: str) -> None:
    """Keep what dbt has just read, under this key. Without room for it, the next process reads the project again."""
    try:
        content = (state / _READ_BY_DBT).read_bytes()
        (state / _READ_BY_DBT).unlink()
    except OSError as error:
        log.debug("dbt's manifest is not kept: %s", error)
        return
    keep(state / _KEPT, key, content)


@cache
def _versions() -> list[str]:
    """Of Python, and of dbt, its adapters and its libraries."""
    installed = {f"{each.name} {each.version}" for each in distributions() if each.name.lower().startswith("dbt")}
    return [sys.version, *sorted(installed)]


@cache
def hashes_of(project: Path) -> dict[str, str]:
    """Of every file of a project, by its full name, since a manifest says where a seed lies."""
    files = sorted(file for file in project.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
