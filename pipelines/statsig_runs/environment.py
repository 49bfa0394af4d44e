"""The environment of this process, changed for a while: libraries take settings and credentials from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def environment(variables: Mapping[str, str], *, without: str = "") -> Iterator[None]:
    """Set variables, and restore what was there before.

    Args:
        variables: what to set, by name.
        without: a prefix: no other variable whose name begins so is there meanwhile.
    """
    hidden = [name for name in os.environ if without and name.startswith(without)]
    before = {name: os.environ.get(name) for name in (*hidden, *variables)}
    for name in hidden:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
