"""The names of the schemas that one Statsig project has in a warehouse; no other module writes them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_BETWEEN: Final = re.compile(r"statsig_staging(_|$)|statsig_raw.*_staging$")
"""What the models write on the way to the marts, and dlt on the way to the raw tables, of any project."""


class Schemas(NamedTuple):
    """The schemas of one Statsig project; several projects in one warehouse differ by a suffix."""

    raw: str
    staging: str
    marts: str

    @classmethod
    def of_project(cls, project: str = "") -> Schemas:
        """The schemas of a project; the empty name is that of the only one."""
        suffix = f"_{project.lower()}" if project else ""
        return cls(f"statsig_raw{suffix}", f"statsig_staging{suffix}", f"statsig{suffix}")

    @property
    def suffix(self) -> str:
        """What tells this project's names from others', empty for the only one."""
        return self.marts.removeprefix("statsig")


def project_of(marts: str) -> str:
    """The project whose marts have this schema, in lower case; empty for the only one."""
    return marts.removeprefix("statsig").removeprefix("_")


def is_for_readers(schema: str) -> bool:
    """Whether a schema holds what people read: marts and raw tables, not what these are made with."""
    return not _BETWEEN.match(schema)
