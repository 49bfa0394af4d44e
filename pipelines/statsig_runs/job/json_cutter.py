"""Cuts lines into JSON values, where a value goes over many lines or several values stand in one.

A value ends where its brackets close. What is left of one that never ends is given as well, for somebody to say so.
This module knows lines and brackets: no run, and no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

BETWEEN: Final = b" \t\r\n,\x1e"
"""What may stand between values: white space, the commas of an array taken apart, and RFC 7464's record separator."""

# a bracket, or a string; without its end, the string goes on to the end of the line
_MARK: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[\[{]|[\]}]', re.DOTALL)


class _Object(msgspec.Struct):
    """Any object: its fields are looked through, and none is kept."""


_decode_object = msgspec.json.Decoder(_Object).decode


class Cutter:
    """Takes lines, and gives the values that are complete.

    `size` is how many bytes have come of a value that has not ended yet.
    """

    def __init__(self) -> None:
        self.size = 0
        self._lines: list[tuple[bytes, int]] = []
        self._depth = 0

    def feed(self, line: bytes, number: int) -> Iterator[tuple[bytes, int]]:
        """Add a line. Gives the values that are complete now, each with the number of the line in which it begins."""
        if self._lines and line.startswith(b"{") and not self._lines[-1][0].endswith((b"[", b",", b":")):
            yield from self.end()  # the value before was never closed, and this is the next one
        start = 0
        is_json = True
        for mark in _MARK.finditer(line):
            if mark[0].startswith(b'"'):
                is_json = bool(mark[1])  # no string goes on in the next line
                continue
            self._depth += 1 if mark[0] in b"[{" else -1
            if self._depth <= 0:
                self._add(line[start : mark.end()], number)
                yield b"\n".join(text for text, _ in self._lines), self._lines[0][1]
                self._clear()
                start = mark.end()
        self._add(line[start:] if self._depth else line[start:].strip(BETWEEN), number)
        if not self._depth or not is_json:
            yield from self.end()

    def end(self) -> Iterator[tuple[bytes, int]]:
        """What is left is no whole value. Still, a line in it may be an object by itself."""
        lines = self._lines
        self._clear()
        broken = []
        for line, number in lines:
            text = line.strip(BETWEEN)
            if text.startswith(b"{") and _is_json(text):
                yield text, number
            else:
                broken.append(line)
        if broken:
            yield b"\n".join(broken), lines[0][1]

    def _add(self, text: bytes, number: int) -> None:
        if text:
            self._lines.append((text, number))
            self.size += len(text)

    def _clear(self) -> None:
        self.size, self._lines, self._depth = 0, [], 0


def _is_json(text: bytes) -> bool:
    try:
        _decode_object(text)
    except (ValueError, RecursionError):
        return False
    return True
