"""No secret passes the redactor, in whatever form a text holds it."""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statsig_runs.redact import Redactor, install_log_filter, scrub

HOOK = "https://hooks.example/T0/B0/s3cret 'x'\"é"
KEY = "console-aB3/xY9+zQ7_k"


def test_a_console_key_is_masked_without_being_known() -> None:
    assert scrub("an invalid key was sent. Key: console-xxxXXXxxxXXXxxx") == "an invalid key was sent. Key: console-***"


def test_a_console_key_is_masked_in_upper_case() -> None:
    assert scrub("KEY=CONSOLE-ABC123 end") == "KEY=console-*** end"


def test_text_around_a_key_is_kept() -> None:
    assert scrub('{"key": "console-aB3_-x", "n": 1}') == '{"key": "console-***", "n": 1}'


@pytest.mark.parametrize(
    "form",
    [
        HOOK,
        "https%3A%2F%2Fhooks.example%2FT0%2FB0%2Fs3cret%20%27x%27%22%C3%A9",
        "https%3A%2F%2Fhooks.example%2FT0%2FB0%2Fs3cret+%27x%27%22%C3%A9",
        "https://hooks.example/T0/B0/s3cret 'x'\\\"\\u00e9",
        "https://hooks.example/T0/B0/s3cret \\'x\\'\"é",
    ],
    ids=["as it is", "quoted", "quoted for a form", "in JSON", "in a repr"],
)
def test_a_known_secret_is_masked_in_every_form(form: str) -> None:
    assert Redactor([HOOK]).scrub(f"posting to {form}: 404") == "posting to ***: 404"


@pytest.mark.parametrize(
    "form",
    [
        r"console\u002daB3/xY9+zQ7_k",
        r"console\u002DaB3\u002fxY9\u002BzQ7\u005Fk",
        r"console-aB3\/xY9+zQ7_k",
        r"\u0063\u006f\u006e\u0073\u006f\u006c\u0065\u002d\u0061\u0042\u0033/xY9+zQ7_k",
        r"console\\u002daB3/xY9+zQ7_k",
        r"console\\\\\\\\u002daB3/xY9+zQ7_k",
        r"console\x2daB3/xY9+zQ7_k",
        r"console\055aB3/xY9+zQ7_k",
        r"console\u{2d}aB3/xY9+zQ7_k",
        r"console\U0000002daB3/xY9+zQ7_k",
        "console-aB3%2fxY9%2BzQ7_k",
        "console%252daB3%252FxY9+zQ7_k",
        "console%u002daB3/xY9+zQ7_k",
        "console&#45;aB3/xY9+zQ7_k",
        "console&#0045aB3/xY9+zQ7_k",
        "console&#x2D;aB3&sol;xY9&plus;zQ7&lowbar;k",
        "console&amp;#45;aB3/xY9+zQ7_k",
        r"console\u0026#45;aB3/xY9+zQ7_k",
        r"console%5Cu002daB3/xY9+zQ7_k",
        "aB3/xY9+zQ7_k",
        "aB3%2FxY9%2BzQ7_k",
        "636f6e736f6c652d6142332f7859392b7a51375f6b",
        "636F6E736F6C652D6142332F7859392B7A51375F6B",
        "Y29uc29sZS1hQjMveFk5K3pRN19r",
    ],
)
def test_a_key_is_masked_in_every_encoding(form: str) -> None:
    masked = Redactor([KEY]).scrub(f'refused: "{form}", (status 401)')
    assert masked in {'refused: "***", (status 401)', 'refused: "console-***", (status 401)'}


@pytest.mark.parametrize("url_safe", [False, True])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "key ÿÿ: "])
@pytest.mark.parametrize("after", ["", "z", "zz", ":secret"])
def test_a_key_is_masked_in_base64_whatever_stands_before_it(before: str, after: str, *, url_safe: bool) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    tricky = "console-~~~???>>>zQ7k"  # `+` and `/` in every alignment
    masked = Redactor([tricky]).scrub(encode((before + tricky + after).encode()).decode())
    assert masked.count("***") == 1
    assert len(masked.replace("***", "")) <= len(encode(before.encode())) + len(encode(after.encode()))


def spell(character: str, way: int) -> str:
    code = ord(character)
    ways = [
        f"\\u{code:04x}",
        f"\\u{code:04X}",
        f"%{code:02x}",
        f"&#{code};",
        f"&#x{code:X};",
        f"\\x{code:02x}",
        character,
    ]
    return ways[way % (6 if character in "\\%&" else 7)]  # what begins an escape does not stay as it is


@given(
    st.text("aZ019_-./+=%~&$\\\"'#;", min_size=8, max_size=16),
    st.lists(st.lists(st.integers(0, 6), min_size=16, max_size=16), min_size=1, max_size=3),
)
def test_no_mixture_of_escapes_hides_a_secret(secret: str, layers: list[list[int]]) -> None:
    text = secret
    for ways in layers:
        text = "".join(spell(character, way) for character, way in zip(text, ways * len(text), strict=False))
    assert Redactor([secret]).scrub(f"<{text}>") == "<***>"


def test_text_full_of_escapes_that_hide_no_secret_is_kept() -> None:
    text = r"100% of C:\users\nobody, %zz &unknown; &#99999999; \ud83d\ude00 %C3%A9 \u00e9 &amp; \\\\ %"
    assert Redactor([KEY]).scrub(text) == text


def payload_of(*strings: str) -> bytes:
    return b'{"a": [' + ", ".join(f'"{string}"' for string in strings).encode() + b', 1.0, 1e400, null], "a": -0}'


@pytest.mark.parametrize(
    ("string", "kept"),
    [
        (KEY, "console-***"),
        (r"the key console\u002daB3/xY9+zQ7_k\n\ud83d\ude00", r"the key console-***\n\ud83d\ude00"),
        (r"\\console\u002DaB3\/xY9+zQ7_k\\", r"\\console-***\\"),
        (r"\"console\\\u002daB3/xY9+zQ7_k\"", r"\"console-***\""),
        (r"\ud800console-aB3/xY9+zQ7_k\udfff", r"\ud800console-***\udfff"),
        ("https://x.example/?k=console%252DaB3/xY9+zQ7_k&amp;n=1", "https://x.example/?k=console-***&amp;n=1"),
        ("Basic Y29uc29sZS1hQjMveFk5K3pRN19r.", "Basic console-***."),
        ("console-events", "console-events"),
    ],
)
def test_a_payload_loses_the_key_and_nothing_else(string: str, kept: str) -> None:
    assert Redactor([KEY]).scrub_payload(payload_of("é", string, "%")) == payload_of("é", kept, "%")


@given(st.data())
def test_a_payload_stays_json_with_the_same_meaning_but_for_the_key(data: st.DataObject) -> None:
    secret = "K" + data.draw(st.text('aZ9-/+%&"', min_size=8, max_size=12))
    around = st.text(max_size=5) | st.sampled_from(["\\", "%5c", '"', '\\"', "%", "&quot;", "\ud800"])
    before, after = data.draw(around).replace("K", ""), data.draw(around)
    ways: list[Callable[[str], str]] = [str, quote, lambda text: json.dumps(text)[1:-1]]
    encode = data.draw(st.sampled_from(ways))
    ensure_ascii = data.draw(st.booleans())
    text = json.dumps({"x": [before, before + encode(secret) + after], secret: 1}, ensure_ascii=ensure_ascii)
    scrubbed = json.loads(Redactor([secret]).scrub_payload(text.encode(errors="surrogatepass")))
    assert scrubbed == {"x": [before, f"{before}console-***{after}"], "console-***": 1}


@pytest.mark.parametrize("after", ["00", "u0041", "4", "", "copy;"])
@pytest.mark.parametrize("end", ["%", "&", "%u", "&#"])
def test_a_secret_that_ends_as_an_escape_begins_is_found_whatever_stands_after_it(end: str, after: str) -> None:
    secret = f'K999999"{end}'
    text = json.dumps({"x": secret + after, "y": json.dumps(secret + after)})
    scrubbed = json.loads(Redactor([secret]).scrub_payload(text.encode()))
    assert scrubbed == {"x": f"console-***{after}", "y": f'"console-***{after}"'}


def test_what_is_no_json_is_scrubbed_as_well() -> None:
    assert Redactor([KEY]).scrub_payload(b'\xff{"cut: console-aB3/xY9+zQ7_k') == b'\xff{"cut: console-***'


def test_without_a_secret_a_payload_is_left_alone() -> None:
    assert Redactor().scrub_payload(b'"console-aB3"') == b'"console-aB3"'


def test_a_secret_that_holds_another_is_masked_whole() -> None:
    assert Redactor(["abc", "abcdef"]).scrub("abcdef abc") == "*** ***"


def test_an_empty_secret_masks_nothing() -> None:
    assert Redactor([""]).scrub("text") == "text"


def test_the_redactor_does_not_show_its_secrets() -> None:
    assert "s3cret" not in repr(Redactor([HOOK]))


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What a plain handler writes for a logger deep in a tree, the secret `s3cret` being known."""
    factory = logging.getLogRecordFactory()
    logger = logging.getLogger("library")
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    install_log_filter(Redactor(["s3cret"]))
    yield stream
    logging.setLogRecordFactory(factory)
    logger.removeHandler(handler)


def test_a_log_message_and_its_arguments_are_masked(logged: StringIO) -> None:
    logging.getLogger("library.deep").warning("sent %s to %s", "s3cret", {"key": "console-abc"})
    assert logged.getvalue() == "sent *** to {'key': 'console-***'}\n"


def test_a_logged_traceback_is_masked(logged: StringIO) -> None:
    try:
        int("s3cret")
    except ValueError:
        logging.getLogger("library.deep").exception("failed")
    assert logged.getvalue().startswith("failed\nTraceback (most recent call last):")
    assert logged.getvalue().endswith("ValueError: invalid literal for int() with base 10: '***'\n")
    assert "s3cret" not in logged.getvalue()


def test_a_secret_that_became_known_later_is_masked_in_a_traceback(logged: StringIO) -> None:
    install_log_filter(Redactor(["n3wer"]))
    try:
        int("n3wer")
    except ValueError:
        logging.getLogger("library.deep").exception("failed")
    assert logged.getvalue().endswith("ValueError: invalid literal for int() with base 10: '***'\n")


def test_arguments_that_do_not_fit_their_message_are_not_printed(logged: StringIO) -> None:
    logging.getLogger("library.deep").warning("only text", "s3cret")  # noqa: PLE1205
    assert logged.getvalue() == "only text\n"


class Textless:
    """Has no text of its own, and says so with the secret in its words."""

    def __str__(self) -> str:
        raise RuntimeError("s3cret")


@pytest.mark.parametrize(
    ("message", "arguments", "told"),
    [
        ("s3cret: %(a)s", ({"b": "s3cret"},), "***: %(a)s\n"),
        ("console-abc: %s of %s", (Textless(), "s3cret"), "console-***: %s of %s\n"),
        (Textless(), (), "a Textless that cannot be shown\n"),
        (Textless(), ("s3cret",), "a Textless that cannot be shown\n"),
    ],
    ids=["a name that is not there", "an argument without a text", "no text", "no text, but an argument"],
)
def test_what_cannot_be_put_into_words_is_logged_without_an_error_and_without_the_key(
    message: object, arguments: tuple[object, ...], told: str, logged: StringIO
) -> None:
    logging.getLogger("library.deep").warning(message, *arguments)
    assert logged.getvalue() == told
