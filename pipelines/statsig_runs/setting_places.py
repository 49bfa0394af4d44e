"""Where settings are written: the environment, `.dlt` files of the folder and of the user, the package's `config.toml`.

The places and their order are dlt's. A command that only reads the published copy needs nothing else of dlt, and to
import it takes longer than the answer; so the places are read here, and a test holds both to the same values. Knows
no setting by name.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any, Final

from statsig_runs.errors import ConfigurationError
from statsig_runs.packaged import packaged

MOUNTED: Final = "/run/secrets"
"""Where containers are given secrets as files."""
_SECRET_FILES: Final = ("secrets.toml",)
_FILES: Final = ("secrets.toml", "config.toml")
"""By name, the stronger first."""


@cache
def packaged_defaults() -> dict[str, Any]:
    """The content of the package's own `config.toml`."""
    return tomllib.loads(packaged("config.toml").read_text(encoding="utf-8"))


def variable_of(path: str) -> str:
    """The variable of the environment that a setting may stand in."""
    return path.replace(".", "__").upper()


@dataclass(frozen=True, slots=True)
class Places:
    """What was found in the files: the path of each and its content, the strongest first."""

    files: tuple[tuple[Path, Mapping[str, Any]], ...]

    def look_up(self, path: str, is_secret: bool) -> Any:
        """The value of a setting by its whole name; None where none is written."""
        return self.find(path, is_secret=is_secret)[1]

    def find(self, path: str, *, is_secret: bool) -> tuple[str | None, Any]:
        """What the value that counts stands in, `environment VARIABLE`, a file or `default`, and the value.

        A table that stands in the folder's file and in the user's is both, name by name. A secret counts in
        `secrets.toml` and not in `config.toml`. Where none is written, both are None.
        """
        if is_secret and (mounted := _mounted(path)):
            return mounted
        variable = variable_of(path)
        if variable in os.environ:
            return f"environment {variable}", os.environ[variable]
        for kind in _SECRET_FILES if is_secret else _FILES:
            written = [(file, at(content, path)) for file, content in self.files if file.name == kind]
            if found := [(file, value) for file, value in written if value is not None]:
                return str(found[0][0]), reduce(_merged, (value for _, value in found))
        value = at(packaged_defaults(), path)
        return None if value is None else "default", value


def read_places() -> Places:
    """Read the files that are there.

    Raises:
        ConfigurationError: one cannot be read, or is no TOML.
    """
    return Places(tuple(_read_files()))


def at(content: Any, path: str) -> Any:
    """What stands in nested tables under a dotted name; None where nothing does."""
    for name in path.split("."):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _read_files() -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in (folder / name for name in _FILES for folder in _folders()):
        if not os.path.isfile(file):  # noqa: PTH113  in a folder that may not be looked into, Path.is_file() raises
            continue
        try:
            yield file, tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # tomllib tells the place and no value
            told = error.strerror if isinstance(error, OSError) else error
            raise ConfigurationError(f"The settings cannot be read: {file.absolute()}: {told}") from None


def _folders() -> list[Path]:
    """The working folder's own, then the user's; as dlt's `RunContext` and its `global_dir` have them."""
    name = os.environ.get("DLT_CONFIG_FOLDER", ".dlt")
    own = Path(os.environ.get("DLT_PROJECT_DIR", "."), name)
    home = os.path.expanduser("~")  # noqa: PTH111  Path.home() raises where there is none
    if os.geteuid() == 0:
        return [own, Path("/var/dlt")]
    if not os.access(home, os.W_OK):
        return [own]  # dlt would take one that everybody may write to
    shared = os.environ.get("XDG_DATA_HOME")
    users = Path(home, name)
    return [own, Path(shared, "dlt") if shared is not None and not os.path.isdir(users) else users]  # noqa: PTH112


def _mounted(path: str) -> tuple[str, str] | None:
    """A secret that a container is given, with its file; Kubernetes puts that into a folder of the same name."""
    name = variable_of(path).lower().replace("_", "-")
    for file in (Path(MOUNTED, name, name), Path(MOUNTED, name)):
        with suppress(OSError):  # there is none, or it is somebody else's
            return str(file), file.read_text(encoding="utf-8").strip()
    return None


def _merged(strong: Any, weak: Any) -> Any:
    if isinstance(strong, Mapping) and isinstance(weak, Mapping):
        return {**weak, **{name: _merged(value, weak.get(name)) for name, value in strong.items()}}
    return strong
