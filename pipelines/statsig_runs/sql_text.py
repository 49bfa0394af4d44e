"""Texts as values inside a SQL statement, for statements that take no parameters."""

from __future__ import annotations


def literal(text: str) -> str:
    """A text in quotes, as standard SQL and DuckDB read it."""
    return "'" + text.replace("'", "''") + "'"
