"""Where each setting's value came from, what it means, and which names look like settings and are none.

What a setting means stands in the comments of the package's own `config.toml`, and nowhere else but for the few that
have no default. Secrets leave here as the word that they are set.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from statsig_runs.packaged import packaged
from statsig_runs.readers.display import near, visible
from statsig_runs.settings import SECRETS, SECTION, SETTINGS, Settings, full_name, packaged_defaults

_ALIAS: Final = "STATSIG_API_KEY"
_PREFIX: Final = f"{SECTION}.".replace(".", "__").upper()
_WITHOUT_DEFAULT: Final = {
    "api_key": "the Console API key; Statsig's console makes one under Project Settings, API Keys",
    "slack_incoming_hook": "where `statsig-runs check --notify` posts",
    "checks.sources": "thresholds of single sources, a table for each",
}
_LINE: Final = re.compile(r"^(?:\[(?P<section>[\w.]+)\]|(?P<name>\w+) = [^#]*# (?P<meaning>.+))")

_File = tuple[Path, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """One setting: `name` in full, `value` as it counts, None where there is none, and a secret as `***`.

    `origin` is `default`, `environment VARIABLE`, the path of a file, or `not set`.
    """

    name: str
    value: Any
    origin: str
    meaning: str

    @property
    def is_own(self) -> bool:
        """Whether somebody has set it."""
        return self.origin not in {"default", "not set"}


def tell_settings(settings: Settings) -> list[Told]:
    """Every setting, in the order of the package's `config.toml`, those without a default first."""
    files, meanings = list(_files()), _meanings()
    order = {name: number for number, name in enumerate(meanings)}
    return [
        Told(name, _value(settings, name), _origin(name, files), meanings[name])
        for name in sorted(SETTINGS, key=order.__getitem__)
    ]


def find_unread() -> Iterator[str]:
    """Names in the project's own sections that no command reads, each with what may have been meant."""
    variables = {_variable(name) for name in SETTINGS}
    for variable in sorted(os.environ):
        if variable.upper().startswith(_PREFIX) and variable not in variables:
            yield f"The environment variable {visible(variable, 80)} is not read. {near(variable, variables)}"
    for file, content in _files():
        for path in _leaves(_section(content)):
            if ".".join(path) not in SETTINGS:
                yield _not_read(file, path)
        for name in SECRETS if file.name == "config.toml" else ():
            if _look_up(content, full_name(name)) is not None:
                yield f"{name} in {file} is not read: a secret belongs into {file.with_name('secrets.toml')}."


def _not_read(file: Path, path: tuple[str, ...]) -> str:
    *sections, name = path
    section = ".".join(sections)
    names = [each.rpartition(".")[2] for each in SETTINGS if each.rpartition(".")[0] == section]
    return f"{visible(name, 60)} under [{visible(section, 80)}] in {file} is not read. {near(name, names)}"


def _files() -> Iterator[_File]:
    """The files of settings that are there, the strongest first."""
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    for provider in Container()[PluggableRunContext].providers.providers:
        for file in map(Path, provider.locations):
            if file.is_file():
                yield file, tomllib.loads(file.read_text(encoding="utf-8"))


def _section(content: Mapping[str, Any]) -> dict[str, Any]:
    """The project's own section alone, still in its place."""
    found = _look_up(content, SECTION)
    return {"sources": {"statsig_runs": found}} if isinstance(found, dict) else {}


def _leaves(content: Mapping[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    """The paths of single settings; what is a table for each source is one, and so is a table that should be none."""
    for name, value in content.items():
        path = (*above, name)
        is_section = any(each.startswith(f"{'.'.join(path)}.") for each in SETTINGS)
        if is_section and isinstance(value, dict):
            yield from _leaves(value, *path)
        else:
            yield path


def _look_up(content: Any, path: str) -> Any:
    for name in path.split("."):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _origin(name: str, files: list[_File]) -> str:
    short = _short(name)
    if _variable(name) in os.environ:
        return f"environment {_variable(name)}"
    for file, content in files:
        if _look_up(content, name) is not None and (short not in SECRETS or file.name == "secrets.toml"):
            return str(file)
    if short == "api_key" and os.environ.get(_ALIAS):
        return f"environment {_ALIAS}"
    return "not set" if _look_up(packaged_defaults(), name) is None else "default"


def _value(settings: Settings, name: str) -> Any:
    short = _short(name)
    value: Any = settings
    for part in short.split("."):
        value = getattr(value, part)
    if short in SECRETS:
        return "***" if value else None
    if short == "checks.sources":
        kinds = {source: {key: getattr(own, key) for key in own.__slots__} for source, own in value.items()}
        return {source: {k: v for k, v in own.items() if v is not None} for source, own in kinds.items()} or None
    return list(value) if isinstance(value, tuple) else value


def _meanings() -> dict[str, str]:
    found = {full_name(name): meaning for name, meaning in _WITHOUT_DEFAULT.items()}
    section = ""
    for line in packaged("config.toml").read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line)
        if match and match["section"]:
            section = match["section"]
        elif match:
            found[f"{section}.{match['name']}"] = match["meaning"].strip()
    return found


def _short(name: str) -> str:
    return name.removeprefix(f"{SECTION}.").removeprefix("runtime.")


def _variable(name: str) -> str:
    return name.replace(".", "__").upper()
