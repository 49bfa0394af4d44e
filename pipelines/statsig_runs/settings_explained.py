"""Where each setting's value came from, what it means, and which names look like settings and are none.

What a setting means stands in the comments of the package's own `config.toml`, and nowhere else but for the few that
have no default. Secrets leave here as the word that they are set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from statsig_runs.packaged import packaged
from statsig_runs.readers.display import near, visible
from statsig_runs.setting_places import Places, at, variable_of
from statsig_runs.settings import SECRETS, SECTION, SETTINGS, Settings, full_name

_ALIAS: Final = "STATSIG_API_KEY"
_PREFIX: Final = variable_of(f"{SECTION}.")
_WITHOUT_DEFAULT: Final = {
    "api_key": "the Console API key; Statsig's console makes one under Project Settings, API Keys",
    "slack_incoming_hook": "where `statsig-runs check --notify` posts",
    "checks.sources": "thresholds of single sources, a table for each",
}
_LINE: Final = re.compile(r"^(?:\[(?P<section>[\w.]+)\]|(?P<name>\w+) = [^#]*# (?P<meaning>.+))")


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


def tell_settings(settings: Settings, places: Places) -> list[Told]:
    """Every setting, in the order of the package's `config.toml`, those without a default first."""
    meanings = _meanings()
    order = {name: number for number, name in enumerate(meanings)}
    return [
        Told(name, _value(settings, name), _origin(name, places), meanings[name])
        for name in sorted(SETTINGS, key=order.__getitem__)
    ]


def find_unread(places: Places) -> Iterator[str]:
    """Names in the project's own sections that no command reads, each with what may have been meant."""
    variables = {variable_of(name) for name in SETTINGS}
    for variable in sorted(os.environ):
        if variable.upper().startswith(_PREFIX) and variable not in variables:
            yield f"The environment variable {visible(variable, 80)} is not read. {near(variable, variables)}"
    for file, content in places.files:
        for path in _leaves(_section(content)):
            if ".".join(path) not in SETTINGS:
                yield _not_read(file, path)
        for name in SECRETS if file.name == "config.toml" else ():
            if at(content, full_name(name)) is not None:
                yield f"{name} in {file} is not read: a secret belongs into {file.with_name('secrets.toml')}."


def _not_read(file: Path, path: tuple[str, ...]) -> str:
    *sections, name = path
    section = ".".join(sections)
    names = [each.rpartition(".")[2] for each in SETTINGS if each.rpartition(".")[0] == section]
    return f"{visible(name, 60)} under [{visible(section, 80)}] in {file} is not read. {near(name, names)}"


def _section(content: Mapping[str, Any]) -> dict[str, Any]:
    """The project's own section alone, still in its place."""
    found = at(content, SECTION)
    return {"sources": {"statsig_runs": found}} if isinstance(found, dict) else {}


def _leaves(content: Mapping[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    """The paths of single settings. `checks.sources` is one; so is a table that stands where a value should be."""
    for name, value in content.items():
        path = (*above, name)
        is_section = any(each.startswith(f"{'.'.join(path)}.") for each in SETTINGS)
        if is_section and isinstance(value, dict):
            yield from _leaves(value, *path)
        else:
            yield path


def _origin(name: str, places: Places) -> str:
    found, _ = places.find(name, is_secret=_short(name) in SECRETS)
    if found is None and _short(name) == "api_key" and os.environ.get(_ALIAS):
        return f"environment {_ALIAS}"
    return found or "not set"


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
