"""The files that ship with the package: the dbt project and the default configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent
_IN_CHECKOUT: Final = {"config.toml": ".dlt/config.toml"}


def packaged(name: str) -> Path:
    """A file or folder that ships with the package: inside it when installed, at the checkout's top otherwise."""
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parents[1] / _IN_CHECKOUT.get(name, name)
