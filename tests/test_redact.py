"""No secret passes the redactor, in whatever form a text holds it."""

import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from statsig_runs.redact import Redactor, install_log_filter, scrub

HOOK = "https://hooks.example/T0/B0/s3cret 'x'\"é"


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
