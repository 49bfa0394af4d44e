"""Secrets out of texts: errors, log lines, everything a person or a file may see.

The Console API repeats the key it was sent in its 401 body, so no answer may be shown before it went through
here. This module knows texts only: no HTTP, no settings.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_CONSOLE_KEY = r"console-[\w.~+/=%-]+"


class Redactor:
    """Replaces known secrets, and whatever looks like a Console API key, by asterisks.

    A secret is found as it is and in the forms it takes on its way into a text: quoted for an address, escaped
    for JSON, or as Python's `repr` writes it; in any case.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join([_CONSOLE_KEY, *map(re.escape, longest_first)]), re.IGNORECASE)

    def __repr__(self) -> str:
        return "Redactor(***)"

    def scrub(self, text: str) -> str:
        """Return `text` without secrets; a Console API key becomes `console-***`."""
        return self._pattern.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    return f"console-{MASK}" if match[0].lower().startswith("console-") else MASK


def _forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    }


def scrub(text: str) -> str:
    """Return `text` with everything that looks like a Console API key replaced by `console-***`."""
    return _ANY_KEY.scrub(text)


def scrub_known(text: str) -> str:
    """Return `text` without Console API keys and without the secrets that `install_log_filter` was given last."""
    return _known.scrub(text)


_ANY_KEY = _known = Redactor()


def install_log_filter(redactor: Redactor) -> None:
    """Scrub every log record of this process, whichever logger and handler it goes through.

    A filter on a logger does not see the records of its children, and one on a handler misses handlers that
    are added later: so the records are scrubbed as they are made, their message and their traceback (which a
    record then carries as text only).
    """
    global _known  # noqa: PLW0603  errors leave this process where the settings are out of reach
    _known = redactor
    make_record = logging.getLogRecordFactory()

    def make_scrubbed_record(*args: object, **kwargs: object) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        try:
            record.msg = redactor.scrub(record.getMessage())
        except (TypeError, ValueError):  # arguments that do not fit the message: logging would print them all
            record.msg = redactor.scrub(str(record.msg))
        record.args = None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:  # it may be there already: an earlier filter knew fewer secrets
            record.exc_text = redactor.scrub(record.exc_text)
        record.exc_info = None
        if record.stack_info:
            record.stack_info = redactor.scrub(record.stack_info)
        return record

    logging.setLogRecordFactory(make_scrubbed_record)
