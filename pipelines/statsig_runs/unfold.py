"""Texts as they read once their escapes are undone, layer by layer: of JSON, Python, addresses and HTML, mixed.

One pass undoes one layer, and what it gives may hold escapes again. This module knows escapes and encodings: no secret,
and nothing of what a text is read for.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

BEGINS_ESCAPES = (b"\\", b"%", b"&")
"""A text in UTF-8 without any of these has no escapes."""

_LAYERS = 8  # of escapes within escapes

_HEX = "[0-9a-fA-F]"
_AFTER_BACKSLASH = rf"""
      (?<= \\ ) (?:
          U ({_HEX}{{8}})                   # Python
        | [uU] ({_HEX}{{4}})                # JSON and most languages
        | u \{{ ({_HEX}{{1,6}}) \}}           # JavaScript
        | [xX] ({_HEX}{{2}})
        | ([0-7]{{3}})
        | ([^a-zA-Z0-9])
      )
"""
ESCAPE = re.compile(
    rf"""
    [\\%&] (?:                              # first, because `re` looks for a set of characters quickly
      {_AFTER_BACKSLASH}
    | (?<= % ) (?:
          ({_HEX}{{2}})                     # an address
        | [uU] ({_HEX}{{4}})                # JavaScript's `escape`
      )
    | (?<= & ) (?:                         # HTML
          \#[xX] 0* ({_HEX}{{1,6}}) ;?
        | \# 0* ([0-9]{{1,7}}) ;?
        | ([a-zA-Z][a-zA-Z0-9]* ;)
      )
    )
    """,
    re.VERBOSE,
)
_BACKSLASH = re.compile(rf"\\ {_AFTER_BACKSLASH}", re.VERBOSE)
_OCTAL, _BARE, _DECIMAL, _NAMED = 5, 6, 10, 11  # groups; the others are hexadecimal


def ways(text: str) -> Iterator[re.Pattern[str]]:
    """The escapes to undo: all, and those of JSON alone, since a word that ends in `%` begins an escape in `%00`."""
    yield ESCAPE
    if "\\" in text:
        yield _BACKSLASH


def unfold(text: str, escapes: re.Pattern[str]) -> Iterator[str]:
    """The text, and what it reads as, layer by layer."""
    for _ in range(_LAYERS):
        yield text
        inner = escapes.sub(_decode, text)
        if inner == text:
            return
        text = inner
    yield text


def _decode(escape: re.Match[str]) -> str:
    """The one character that an escape stands for, or the escape itself where there is no such character."""
    kind = escape.lastindex or 0
    sign = escape[kind]
    if kind == _BARE:
        return sign
    if kind == _NAMED:
        character = html.unescape(f"&{sign}")
        return character if len(character) == 1 else escape[0]
    code = int(sign, {_DECIMAL: 10, _OCTAL: 8}.get(kind, 16))
    return chr(code) if code <= 0x10FFFF else escape[0]  # noqa: PLR2004  the end of Unicode


def carry(starts: list[int], outer: str, escapes: re.Pattern[str]) -> list[int]:
    """Of each character of the next layer: where it starts in the text itself."""
    carried: list[int] = []
    done = 0
    for escape in escapes.finditer(outer):
        if len(_decode(escape)) == 1:
            carried += starts[done : escape.start() + 1]
            done = escape.end()
    return carried + starts[done:]
