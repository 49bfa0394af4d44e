"""Parts of JSON texts, valid or not."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statsig_runs.json_text import elements, first_byte, members

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
usual = settings(max_examples=50, deadline=None, derandomize=True, database=None)
SPACES = st.sampled_from([None, 1, "\t"])


@usual
@given(values=st.lists(ANYTHING), indent=SPACES, ascii_only=st.booleans())
def test_the_elements_of_a_valid_array_are_its_elements(values: list[Any], indent: Any, *, ascii_only: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    assert json.dumps([json.loads(part) for part in elements(text)]) == json.dumps(values)


@usual
@given(values=st.dictionaries(st.text(st.characters(codec="utf-8")), ANYTHING), indent=SPACES)
def test_the_members_of_a_valid_object_are_its_members(values: dict[str, Any], indent: Any) -> None:
    text = json.dumps(values, indent=indent).encode()
    found = {name: json.loads(part) for name, part in members(text).items()}
    assert json.dumps(found) == json.dumps(values)


@pytest.mark.parametrize(
    "part",
    [
        b'{"a": "x\\ud800y"}',
        b"NaN",
        b"-Infinity",
        b"undefined",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a": "line\nbreak, \x00 and ] \xff\xfe"}',
        b'{"a": "\\\\", "b": "\\"], {", "c": "\\',
        b'"' + b"\\n" * 1_000_000 + b'"',
        b"{'a': 1}",
        b"{]",
    ],
)
def test_a_part_that_cannot_be_decoded_hides_no_part_beside_it(part: bytes) -> None:
    if part.endswith(b"\\"):
        part += b'\\"}'
    assert elements(b'[{"runID": "before"} , ' + part + b', {"runID": "after"}]')[::2] == [
        b'{"runID": "before"}',
        b'{"runID": "after"}',
    ]
    assert members(b'{"x": ' + part + b', "data": [1]}')["data"] == b"[1]"


def test_what_follows_the_object_or_stands_before_it_as_a_mark_of_bytes_is_left_alone() -> None:
    assert members(b'\xef\xbb\xbf {"a": 1, "a": 2,} and more') == {"a": b"2"}
    assert elements(b"\r\n[1,]]") == [b"1"]


def test_a_name_may_be_escaped_and_one_that_is_no_text_is_nobodys() -> None:
    assert members(b'{"d\\u0061ta": 1}') == {"data": b"1"}
    assert list(members(b'{"\xff": 1}').values()) == [b"1"]


@pytest.mark.parametrize(
    "text",
    [b"", b"  ", b"{", b'{"a', b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":}', b'{"a" 1}', b"{1:2}", b"[]",
     b"null", b'{"a": "b}', b'{"a": [}', b'{"a": ]}', b'{"a": [1}', b'{"a": 1 2}'],
)  # fmt: skip
def test_a_text_that_is_no_object_or_breaks_off_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="at byte"):
        members(text)


@pytest.mark.parametrize("text", [b"", b"[", b"[1", b"[1,", b"[1 2]", b"{}", b'["a]', b"[[]", b"[,1]", b"[{]"])
def test_a_text_that_is_no_array_or_breaks_off_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="at byte"):
        elements(text)


@pytest.mark.parametrize(("text", "first"), [(b"", b""), (b" \n{", b"{"), (b"\xef\xbb\xbf\t<html>", b"<")])
def test_the_first_byte_is_the_first_that_is_seen(text: bytes, first: bytes) -> None:
    assert first_byte(text) == first
