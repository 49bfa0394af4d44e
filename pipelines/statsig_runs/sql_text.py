"""Texts as values inside a SQL statement, for statements that take no parameters."""

from __future__ import annotations

from collections.abc import Iterable


def literal(text: str) -> str:
    """A text in quotes, as standard SQL and DuckDB read it."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Texts as SQL's `in` lists them, in their order; `null` where there are none."""
    return ", ".join(map(literal, sorted(texts))) or "null"
