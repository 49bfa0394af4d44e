"""Takes a JSON text apart that need not be valid: the members of an object, the elements of an array, each as text.

It looks at nothing but where strings end and where brackets close. So a part that cannot be decoded (half a surrogate
pair, `NaN`, brackets nested a thousand deep) does not hide the parts beside it. It knows no meaning.
"""

from __future__ import annotations

import json
import re
from typing import Final

# possessive, so that a text of many megabytes costs no memory; a string without an end goes on to the text's end
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+'
_MARK: Final = re.compile(rb"(?P<string>" + _STRING + rb')(?P<end>"?)|(?P<open>[\[{])|[\]}]', re.DOTALL)
_KEY: Final = re.compile(_STRING + rb'"', re.DOTALL)
_SCALAR: Final = re.compile(rb"[^\s,\[\]{}\":]++")
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def members(text: bytes) -> dict[str, bytes]:
    """The members of the object that a text begins with; of a name that stands twice the last.

    Raises:
        ValueError: the text is no object, or breaks off within it.
    """
    found: dict[str, bytes] = {}
    position = _enter(text, b"{")
    while not text.startswith(b"}", position):
        key = _KEY.match(text, position)
        if not key:
            raise ValueError(f"no name of a member at byte {position}")
        position = _skip_space(text, key.end())
        if not text.startswith(b":", position):
            raise ValueError(f"no colon at byte {position}")
        start = _skip_space(text, position + 1)
        end = _find_end(text, start)
        found[_read_key(key[0])] = text[start:end]
        position = _next(text, end, b"}")
    return found


def elements(text: bytes) -> list[bytes]:
    """The elements of the array that a text begins with.

    Raises:
        ValueError: the text is no array, or breaks off within it.
    """
    found: list[bytes] = []
    position = _enter(text, b"[")
    while not text.startswith(b"]", position):
        end = _find_end(text, position)
        found.append(text[position:end])
        position = _next(text, end, b"]")
    return found


def first_byte(text: bytes) -> bytes:
    """The first byte that is neither white space nor a byte order mark; empty for a text of nothing else."""
    start = _skip_space(text, len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0)
    return text[start : start + 1]


def _enter(text: bytes, bracket: bytes) -> int:
    start = _skip_space(text, len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0)
    if not text.startswith(bracket, start):
        raise ValueError(f"no {bracket.decode()} at byte {start}")
    return _skip_space(text, start + 1)


def _next(text: bytes, end: int, bracket: bytes) -> int:
    """Where the next part begins, or the closing bracket stands."""
    position = _skip_space(text, end)
    if text.startswith(b",", position):
        return _skip_space(text, position + 1)
    if not text.startswith(bracket, position):
        raise ValueError(f"neither a comma nor {bracket.decode()} at byte {position}")
    return position


def _find_end(text: bytes, start: int) -> int:
    """Where the value that begins at `start` ends."""
    scalar = _SCALAR.match(text, start)
    if scalar:
        return scalar.end()
    depth = 0
    if text[start : start + 1] in {b'"', b"[", b"{"}:
        for mark in _MARK.finditer(text, start):
            if mark["string"] is None:
                depth += 1 if mark["open"] else -1
            elif not mark["end"]:
                break
            if not depth:
                return mark.end()
    raise ValueError(f"no value at byte {start}, or one without an end")


def _skip_space(text: bytes, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _read_key(token: bytes) -> str:
    try:
        return str(json.loads(token, strict=False))
    except ValueError:  # no UTF-8, or no escape: no name that anyone asks for
        return token.decode("latin-1")
