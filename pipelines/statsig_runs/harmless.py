"""Text from outside without what a terminal or a reader of a log would obey. Pure; knows no terminal and no log."""

from __future__ import annotations

import unicodedata
from typing import Final

_OBEYED: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def harmless(text: str) -> str:
    r"""Text that cannot move a cursor, change a colour or turn the direction of what follows.

    Control characters and such become `\x1b` or `\u202e`, line breaks too.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _OBEYED else c for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
