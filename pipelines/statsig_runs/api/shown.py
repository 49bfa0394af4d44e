"""Texts from outside as they may be shown: what a server answers, and what the libraries below say of a failure.

Whoever answers decides how long such a text is and what is in it. This module knows texts only: no request, and not
what an answer means.
"""

from __future__ import annotations

from statsig_runs.redact import Redactor

_SHOWN = 300  # characters of a text from outside, once the secrets in it are replaced
_LOOKED_AT = 20_000  # characters of a text from outside; what is longer is cut there
_UNSURE = 10_000  # characters before that cut, which are not shown: half a secret would not be recognised


def fit_to_show(text: str, redactor: Redactor) -> str:
    """Make a text from outside fit to be shown: no secrets, one line of some 300 printable characters."""
    # UTF-16 that was read as Latin-1 has a U+0000 beside each letter: a key would not be found in it
    known = text.replace("\0", "")
    shown = redactor.scrub(known[:_LOOKED_AT])
    is_cut = len(known) > _LOOKED_AT
    line = "".join(c if c.isprintable() else " " for c in (shown[:-_UNSURE] if is_cut else shown))
    return f"{line[:_SHOWN]}…" if is_cut or len(line) > _SHOWN else line


def find_reason(error: BaseException) -> str:
    """The words of the innermost error: `Connection refused`, not the three exceptions around it."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
