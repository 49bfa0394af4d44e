"""Secrets out of texts: errors, log lines, payloads, everything a person or a file may see.

The Console API repeats the key it was sent in its 401 body, so nothing it answers may be shown or stored before it
went through here. Texts are searched as they are, and as they read once their escapes are undone (`unfold`). This
module knows texts and log records only: no HTTP, no settings.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from statsig_runs.unfold import BEGINS_ESCAPES, ESCAPE, carry, unfold, ways

MASK = "***"
_KEY_MASK = f"console-{MASK}"
_KEY_PREFIX = "console-"
_CONSOLE_KEY = re.compile(rf"{_KEY_PREFIX}[\w.~+/=%-]+", re.IGNORECASE)

_NO_CHANCE = 8  # characters: the base64 of a secret as long as that stands in no text by chance
_NO_WORD = 12  # characters: what follows `console-` is no word, if it is as long as that
# characters: a shorter key is a word such as `test`, which local servers take for one. It is no secret, and it may
# stand in every payload, `latestStatus` for example: replacing it would spoil the data
_SHORTEST_SECRET = 8

_JSON_STRING = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)


class Redactor:
    r"""Replaces known secrets, and whatever looks like a Console API key, by asterisks.

    A secret is found in any case, and behind escapes of JSON and Python (`\u002d`), of addresses (`%2D`) and of HTML
    (`&#45;`): mixed, escaped again, or of some characters only. A long one is found in base64 and in hex as well, and
    a Console API key without its `console-`.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        wanted = {part for secret in secrets if secret for part in (secret, _without_prefix(secret))}
        plain = {reading for secret in wanted for reading in _readings(secret)}
        coded = [form for secret in wanted if len(secret) >= _NO_CHANCE for form in _encodings(secret)]
        longest_first = [re.escape(form) for form in sorted(plain, key=len, reverse=True)]
        patterns = [*(pattern for _, pattern in coded), *longest_first]
        self._known = [re.compile("|".join(patterns), re.IGNORECASE)] if patterns else []
        needles = {form.lower() for form in (*plain, *(form for form, _ in coded))}
        self._needles = [each for each in needles if not any(other in each for other in needles - {each})]
        self._bytes = [needle.encode(errors="surrogatepass") for needle in self._needles]

    def __repr__(self) -> str:
        return "Redactor(***)"

    def scrub(self, text: str) -> str:
        """Return `text` without secrets; a Console API key becomes `console-***`."""
        if not _is_found([_KEY_PREFIX, *self._needles], text):
            return text
        return _mask(text, [_CONSOLE_KEY, *self._known])

    def scrub_payload(self, body: bytes) -> bytes:
        """Return a JSON text in which `console-***` stands for the known secrets; all else is as it was.

        Only what is known is looked for: a source may be named `console-events`. What was JSON stays JSON, because
        each of its strings is scrubbed by itself.
        """
        lowered = body.lower()
        has_escapes = any(sign in body for sign in BEGINS_ESCAPES)
        if not has_escapes and not any(needle in lowered for needle in self._bytes):
            return body
        text = body.decode(errors="surrogateescape")
        if not _is_found(self._needles, text):
            return body
        text = _JSON_STRING.sub(lambda string: f'"{_mask(string[1], self._known, _KEY_MASK)}"', text)
        text = _mask(text, self._known, _KEY_MASK)  # no JSON after all, or a key of digits as a number
        return text.encode(errors="surrogateescape")


def _without_prefix(secret: str) -> str:
    part = secret.removeprefix(_KEY_PREFIX)
    return part if len(part) >= _NO_WORD else secret


def _readings(secret: str) -> set[str]:
    """The secret as it reads once a text around it is unfolded; it may look like escapes itself."""
    utf8 = secret.encode().decode("latin-1")  # an address spells bytes
    utf16 = re.sub(r"[^\0-\uffff]", lambda match: _as_surrogates(match[0]), secret)  # JSON spells halves
    forms = {secret, utf8, utf16}
    forms |= {form.replace(" ", "+") for form in forms}
    return {layer for form in forms for layer in unfold(form, ESCAPE)}


def _as_surrogates(character: str) -> str:
    code = character.encode("utf-16-be")
    return "".join(chr(int.from_bytes(code[at : at + 2], "big")) for at in (0, 2))


def _encodings(secret: str) -> Iterator[tuple[str, str]]:
    """The secret in hex and in base64: what stands in every text that holds it, and a pattern of all that tells of it.

    Base64 writes three bytes as four characters: how a text is written depends on how many bytes stand before it. The
    characters at its ends hold bits of its neighbours, and are no part of what can be searched for.
    """
    whole = secret.encode()
    yield whole.hex(), whole.hex()
    sign = "[A-Za-z0-9+/_-]?"
    for before, shared in enumerate((0, 2, 3)):
        code = base64.b64encode(bytes(before) + whole).decode().rstrip("=")[shared:]
        if (before + len(whole)) % 3:
            code = code[:-1]
        for form in {code, code.replace("+", "-").replace("/", "_")}:
            yield form, f"{sign if before else ''}{re.escape(form)}{sign}={{0,2}}"


def _is_found(needles: Iterable[str], text: str) -> bool:
    layers = (layer.lower() for escapes in ways(text) for layer in unfold(text, escapes))
    return any(needle in layer for layer in layers for needle in needles)


def _mask(text: str, patterns: list[re.Pattern[str]], mask: str | None = None) -> str:
    """Replace what the patterns find in any layer, by `mask` or by what fits."""
    parts: list[str] = []
    done = 0
    for start, end, fitting in sorted(found for escapes in ways(text) for found in _find(text, patterns, escapes)):
        if start >= done:
            parts += text[done:start], mask or fitting
        done = max(done, end)
    return "".join([*parts, text[done:]])


def _find(text: str, patterns: list[re.Pattern[str]], escapes: re.Pattern[str]) -> Iterator[tuple[int, int, str]]:
    """Where the patterns are found in any layer: start and end in the text itself, and a mask."""
    starts = list(range(len(text) + 1))  # of each character of the layer, and the end of the last
    outer = ""
    for layer in unfold(text, escapes):
        starts = carry(starts, outer, escapes)
        for pattern in patterns:
            for match in pattern.finditer(layer):
                fitting = _KEY_MASK if match[0].lower().startswith(_KEY_PREFIX) else MASK
                yield starts[match.start()], starts[match.end()], fitting
        outer = layer


def payload_redactor(secret: str) -> Redactor:
    """What takes the key out of payloads, if it is one."""
    return Redactor([secret] if len(secret) >= _SHORTEST_SECRET else [])


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
        record.msg = redactor.scrub(_read_message(record))
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


def _read_message(record: logging.LogRecord) -> str:
    """The message with its arguments, or without them where they cannot be put in: logging would print them all."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  an argument raises what it likes, and no log line may end a sync
        message = record.msg
    with suppress(Exception):
        return str(message)
    return f"a {type(message).__name__} that cannot be shown"
