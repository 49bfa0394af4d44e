"""What people save of the API is read in whatever form it is; what is no run is told once, and stops no other."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statsig_runs.contract import RejectedRun
from statsig_runs.errors import ConfigurationError
from statsig_runs.job import archive
from statsig_runs.job.archive import open_archive, read_archive

BOM = b"\xef\xbb\xbf"
THEN = datetime(2025, 1, 1, tzinfo=UTC)
A, B, C = ({"runID": name, "n": 1.0, "text": 'a "b" {[\\'} for name in "abc")
PAGE = {"message": "Ingestion Runs Listed Successfully.", "data": [A, B], "pagination": {"nextPage": None}}
READ = {"message": "Ingestion Run Read Successfully", "data": C}


def stream(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))


def read(content: bytes) -> list[Any]:
    """The payloads as values; of what is rejected, the reason."""
    runs = read_archive(stream(content), THEN)
    return [run.reason if isinstance(run, RejectedRun) else json.loads(run[0]) for run in runs]


def compact(*values: object) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


def pretty(*values: object) -> bytes:
    return b"\n".join(json.dumps(value, indent=1).encode() for value in values)


FORMS = {
    "a run a line": compact(A, B, C),
    "with CRLF, a byte order mark and empty lines": BOM + compact(A, B, C).replace(b"\n", b"\r\n\r\n") + b"\r\n",
    "files with byte order marks, joined": b"".join(BOM + compact(run) + b"\n" for run in (A, B, C)),
    "with record separators (RFC 7464)": b"".join(b"\x1e" + compact(run) + b"\n" for run in (A, B, C)),
    "with commas between the lines": compact(A, B, C).replace(b"\n", b",\n"),
    "an array": compact([A, B, C]),
    "an array over many lines": pretty([A, B, C]),
    "an array with a run a line": b"[\n" + compact(A, B, C).replace(b"\n", b",\n") + b"\n]\n",
    "an array with commas first": b"[" + compact(A, B, C).replace(b"\n", b"\n,") + b"]",
    "runs over many lines": pretty(A, B, C),
    "runs over many lines, with old line ends": pretty(A, B, C).replace(b"\n", b"\r"),
    "a page and a read, a line each": compact(PAGE, READ),
    "a page and a read over many lines": pretty(PAGE, READ),
    "a page and a read, joined without a line end": pretty(PAGE) + pretty(READ),
    "a page and a read in one line": compact(PAGE) + compact(READ),
    "an array of pages": pretty([PAGE, READ]),
    "rows, the payload as a value": compact(*({"run_id": "x", "payload": run} for run in (A, B, C))),
    "rows, the payload as a text": compact(*({"run_id": "x", "payload": json.dumps(run)} for run in (A, B, C))),
    "an array of rows": pretty([{"run_id": "x", "payload": json.dumps(run)} for run in (A, B, C)]),
    "all of them": compact(A) + pretty([B]) + b",\n\n" + pretty(READ),
}


@pytest.mark.parametrize("form", FORMS)
def test_runs_are_read_in_every_form(form: str) -> None:
    assert read(FORMS[form]) == [A, B, C]


@pytest.mark.parametrize("name", ["data", "payload", "fetched_at", "message"])
@pytest.mark.parametrize("value", [None, 7, "text", {"runID": "inner"}, [{"runID": "inner"}]])
def test_a_run_with_a_field_of_the_name_of_a_wrapper_is_a_run(name: str, value: object) -> None:
    run = {"runID": "a", name: value}
    assert read(compact(run)) == read(pretty([run])) == [run]


def test_the_text_of_a_run_is_the_archives_own() -> None:
    text = b'{"runID": "a", "n": 1.0, "e": 1e400, "n": 2}'
    [alone, in_row] = read_archive(stream(text + b'\n{"payload": ' + text + b"}"), THEN)
    assert alone == in_row == (text, THEN)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2025-05-05T10:00:00Z", datetime(2025, 5, 5, 10, tzinfo=UTC)),
        ("2025-05-05 12:00:00+02", datetime(2025, 5, 5, 10, tzinfo=UTC)),
        ("2025-05-05 10:00:00.5", datetime(2025, 5, 5, 10, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_a_row_says_when_it_was_fetched(written: str, moment: datetime) -> None:
    content = compact({"fetched_at": written, "payload": A}, {"fetched_at": written, **READ})
    runs = list(read_archive(stream(content), THEN))
    assert [run[1] for run in runs if isinstance(run, tuple)] == [moment, moment]


@pytest.mark.parametrize("written", [None, 1746439200000, 1.5, "", "yesterday", "0001-01-01T00:00:00+05:00", {}, True])
def test_a_row_with_an_unusable_time_is_told_as_that(written: object) -> None:
    row = {"fetched_at": written, "payload": A}
    assert read(compact(B, row)) == [
        B,
        "`fetched_at` must be a text such as 2025-05-05T10:00:00Z, or not be there - in line 2 of the archive",
    ]


NO_JSON = "no JSON, neither by itself nor with the lines around it - in line {} of the archive"
NO_RUN = (
    "neither a run with its `runID`, nor a message, an answer of the API or a row of run_payloads"
    " - in line {} of the archive"
)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"no JSON\n" + compact(A), [NO_JSON.format(1), A]),
        (compact(A) + b"\n}\n" + compact(B), [A, NO_JSON.format(2), B]),
        (compact(A) + b'\n{"runID": "cut off\n' + compact(B), [A, NO_JSON.format(2), B]),
        (compact(A) + b'\n{"runID": "cut",\n' + compact(B, C), [A, B, NO_JSON.format(2), C]),
        (compact(A) + b'\n{"runID": "cut", "sources": [\n' + compact(B, C), [A, B, NO_JSON.format(2), C]),
        (compact(A) + b'\n{"runID": "cut", "sources": [', [A, NO_JSON.format(2)]),
        (pretty(PAGE)[:-40], [NO_JSON.format(1)]),
        (b'{"data": [\n' + compact(A) + b",\n" + compact(B) + b',\n{"runID": "cu', [A, B, NO_JSON.format(1)]),
        (b"[" + compact(A) + b" " + compact(B) + b"]", [NO_JSON.format(1)]),
        (compact(A, None, 7), [A, NO_JSON.format(2), NO_JSON.format(3)]),
        (compact(A, {}, {"status": 404, "message": "not found"}), [A, NO_RUN.format(2), NO_RUN.format(3)]),
        (compact(A, {"data": None}, {"payload": 7}), [A, NO_RUN.format(2), NO_RUN.format(3)]),
        (b"[" * 100_000, [NO_JSON.format(1)]),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, [NO_RUN.format(1)]),
    ],
)
def test_what_is_no_run_is_told_with_its_line_and_hides_no_run(content: bytes, found: list[object]) -> None:
    assert read(content) == found


def test_a_run_that_cannot_be_decoded_is_handed_to_the_contract_and_hides_no_other() -> None:
    odd = b'{"runID": "odd", "x": "\\ud800"}'
    good = compact(A)
    a_line_each, page = odd + b"\n" + good, b'{"data": [' + odd + b", " + good + b"]}"
    for content in (a_line_each, page, b"[\n" + odd + b",\n" + good + b"]"):
        runs = list(read_archive(stream(content), THEN))
        assert runs == [(odd, THEN), (good, THEN)]


@given(st.lists(st.sampled_from([A, B, PAGE, READ]), max_size=6), st.data())
def test_runs_are_found_however_lines_are_broken(values: list[dict[str, Any]], data: st.DataObject) -> None:
    content = b""
    for value in values:
        text = json.dumps(value, indent=data.draw(st.sampled_from([None, 1])))
        if data.draw(st.booleans()):
            text = text.replace(": ", ":\r\n\r\n  ").replace(", ", "\n,\n")
        content += text.encode() + data.draw(st.sampled_from([b"", b"\n", b" ", b",\n", b"\r\n\r\n"]))
    wanted = [run for value in values for run in {id(PAGE): [A, B], id(READ): [C]}.get(id(value), [value])]
    assert read(content) == wanted


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*b'{}[]",:\\ \n', *b"a1"]) | st.integers(0, 255), max_size=60).map(bytes))
def test_no_bytes_raise_anything(content: bytes) -> None:
    read(b"x" * 4 + b"\n" + content.replace(b"\0", b""))


def test_no_more_than_a_line_is_held_of_runs_that_are_a_line_each() -> None:
    lines = 0

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            nonlocal lines
            lines += 1
            line = b'{"runID": "r%d", "x": "%s"}\n' % (lines, b"y" * 4000)
            buffer[: len(line)] = line
            return len(line)

    runs = read_archive(io.BufferedReader(Endless()), THEN)
    for number in range(1, 1000):
        run = next(runs)
        assert not isinstance(run, RejectedRun)
        assert run[0].startswith(b'{"runID": "r%d"' % number)
        assert lines <= number + 3


def test_a_value_too_long_to_be_held_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_LARGEST", 1000)
    assert len(read(compact(*[A] * 100))) == 100
    for content in (compact([A] * 100), pretty([A] * 100), b"[" + compact(*[A] * 100).replace(b"\n", b",\n") + b"]"):
        with pytest.raises(ConfigurationError, match=r"Write one run a line, for example with `jq -c '\.\[\]'`\."):
            read(content)


def pack_zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed


def pack_twice(content: bytes) -> bytes:
    return gzip.compress(content[:30]) + gzip.compress(content[30:])


@pytest.mark.parametrize("pack", [bytes, gzip.compress, pack_zstd, pack_twice])
def test_an_archive_is_unpacked_whatever_its_name_is(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / "archive.json"
    path.write_bytes(pack(b"\xef\xbb\xbf" + pretty(PAGE, READ)))
    with open_archive(path) as opened:
        assert len(list(read_archive(opened, THEN))) == 3


def test_an_archive_that_cannot_be_opened_is_told_and_no_other_file(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "nowhere", "does not exist"), (tmp_path, "cannot be read: Is a directory")):
        with pytest.raises(ConfigurationError, match=told), open_archive(path):
            pass
    (tmp_path / "archive").write_bytes(b"{}")
    with pytest.raises(FileNotFoundError, match="another"), open_archive(tmp_path / "archive"):
        raise FileNotFoundError("another")


@pytest.mark.parametrize(
    "content",
    [json.dumps(A).encode("utf-16"), json.dumps(A).encode("utf-16-le"), b"PAR1\0\0", b"PK\3\4\n\0", b"BZh91AY&SY\0"],
)
def test_what_is_no_text_is_refused_in_one_line_that_says_what_is_wanted(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"^The archive is no text in UTF-8\. Wanted is JSON in UTF-8"):
        read(content)
