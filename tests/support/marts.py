"""The marts as the `.yml` beside each says: its name, its key, and the words that its columns may hold.

A test that needs all marts, or their keys, reads them here, so that a new mart is in no list of the tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def _described() -> dict[str, dict[str, Any]]:
    files = (Path(__file__).parents[2] / "sql" / "models" / "marts").glob("*.yml")
    models = [model for file in files for model in yaml.safe_load(file.read_text(encoding="utf-8"))["models"]]
    return {model["name"]: model for model in sorted(models, key=lambda model: model["name"])}


def _words(model: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    columns = {column["name"]: column.get("config", {}).get("meta", {}).get("words") for column in model["columns"]}
    return {name: tuple(words) for name, words in columns.items() if words}


KEYS: dict[str, tuple[str, ...]] = {name: tuple(of["config"]["meta"]["key"]) for name, of in _described().items()}
"""The columns that tell a mart's rows apart, by mart, in the order of names."""

MARTS = tuple(KEYS)

WORDS: dict[str, dict[str, tuple[str, ...]]] = {name: _words(of) for name, of in _described().items()}
"""The words that a column may hold, by mart and column."""
