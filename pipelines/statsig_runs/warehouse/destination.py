"""One place where raw tables and marts can be, as plain data: it is handed its loader and its way of modelling.

Knows neither the engines nor dlt; `destinations` makes these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statsig_runs.schemas import Schemas
    from statsig_runs.warehouse.loader import Loader


@dataclass(frozen=True, slots=True)
class Destination:
    """One place for raw tables and marts.

    Args:
        name: what `--destination` calls it.
        place: where that is, for people; no secret.
        loader: makes what loads into a project's raw schema; the path is the folder of its working files.
        profile: gives the dbt output; None stands for the DuckDB file, whose output the models know.
        modelling: while it is open, dbt can model there.
        locked: holds the lock that the place itself has for a project, where it has one.
        is_renewable: whether marts can be brought up to a later fetch over dlt's connection: in one transaction, under
            the names that they have for dbt.
        tidy: keeps a lake small: gets its loader, and how long older states are kept; None where nothing piles up.
        file: the job's own DuckDB file; None where the data is in a warehouse of its own.
        secrets: what no log and no error may show.
    """

    name: str
    place: str
    loader: Callable[[Schemas, Path], Loader] = field(repr=False)
    profile: Callable[[Schemas], Mapping[str, Any] | None] = field(default=lambda _: None, repr=False)
    modelling: Callable[[Schemas], AbstractContextManager[None]] = field(default=lambda _: nullcontext(), repr=False)
    locked: Callable[[Schemas], AbstractContextManager[None]] = field(default=lambda _: nullcontext(), repr=False)
    is_renewable: bool = False
    tidy: Callable[[Loader, timedelta], None] | None = field(default=None, repr=False)
    file: Path | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def key(self) -> str:
        """A short name for this place alone, fit for a folder: a test database and the real one share no state."""
        return f"{self.name}-{hashlib.sha256(self.place.encode()).hexdigest()[:8]}"
