"""Reads an archive of runs as one stream of payloads, whatever form it was saved in.

A run a line is the usual form, and the one of which no more than a line is held in memory. All others are cut into
values by `json_cutter`: an object over many lines, an array, answers of the API one after the other. This module knows
files and JSON, and what may be wrapped around a run; what a run is, the contract says.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, cast

import msgspec

from statsig_runs.contract import RejectedRun, reject
from statsig_runs.errors import ConfigurationError
from statsig_runs.job.json_cutter import BETWEEN, Cutter
from statsig_runs.json_text import elements, first_byte, members
from statsig_runs.moments import in_utc
from statsig_runs.status_messages.message import NAMES

Payload = tuple[bytes, datetime]
"""The JSON text of one run, and when it was fetched."""

WANTED: Final = (
    "Wanted is JSON in UTF-8, plain, as .gz or as .zst: runs, messages of the ingestion status, answers of "
    "the API or rows of run_payloads, one a line, as an array, or one after the other."
)
DAMAGES: Final = (EOFError, OSError, zlib.error)
"""What reading raises where an archive is damaged."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LARGEST: Final = 1 << 30  # bytes of one value; a run has some kilobytes
_KEPT: Final = 100_000  # bytes of a text that is no run
_HEAD: Final = 4096  # bytes that tell text from other files


class StatusPayload(NamedTuple):
    """The JSON text of one message of the ingestion status, and when it was fetched."""

    text: bytes
    fetched_at: datetime


class _Wrapped(msgspec.Struct):
    """The fields that tell what an object is: a run, a message, an answer of the API, or a row of a raw table."""

    runID: msgspec.Raw = msgspec.Raw()  # noqa: N815  as in the API
    data: msgspec.Raw = msgspec.Raw()
    payload: msgspec.Raw = msgspec.Raw()
    fetched_at: msgspec.Raw = msgspec.Raw()
    first_fetched_at: msgspec.Raw = msgspec.Raw()
    ds: msgspec.Raw = msgspec.Raw()
    ingestion_dataset: msgspec.Raw = msgspec.Raw()
    ingestion_source: msgspec.Raw = msgspec.Raw()
    source_name: msgspec.Raw = msgspec.Raw()
    error_message: msgspec.Raw = msgspec.Raw()


_decode_wrapped = msgspec.json.Decoder(_Wrapped).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


@contextmanager
def open_archive(archive: Path) -> Iterator[io.BufferedReader]:
    """Open a file, or stdin for `-`, unpacked.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    try:
        file = cast("io.BufferedReader", sys.stdin.buffer) if str(archive) == "-" else archive.open("rb")
    except FileNotFoundError:
        raise ConfigurationError(f"The archive {archive} does not exist.") from None
    except OSError as error:
        raise ConfigurationError(f"The archive {archive} cannot be read: {error.strerror}.") from None
    with file:
        yield _unpack(file)


def _unpack(file: io.BufferedReader) -> io.BufferedReader:
    magic = file.peek(len(_ZSTD))
    if magic.startswith(_GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=file))
    if magic.startswith(_ZSTD):
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))
    return file


def read_archive(stream: io.BufferedReader, fetched_at: datetime) -> Iterator[Payload | StatusPayload | RejectedRun]:
    """The runs of an archive. Whatever is no run is rejected; the reason names its line.

    Args:
        stream: as from `open_archive`.
        fetched_at: when runs that do not say so were fetched, UTC.

    Raises:
        ConfigurationError: it is no text, or one value is too long to be held in memory.
        One of `DAMAGES`: the archive is damaged from here on.
    """
    head = stream.peek(_HEAD)[:_HEAD]
    if b"\0" in head[:4] or (b"\0" in head and first_byte(head) not in {b"{", b"["}):
        raise ConfigurationError(f"The archive is no text in UTF-8. {WANTED}")
    cutter = Cutter()
    for number, line in enumerate(iter(partial(stream.readline, _LARGEST), b""), 1):
        if cutter.size + len(line) >= _LARGEST:
            raise ConfigurationError(
                f"In line {number:,} of the archive, one value is longer than {_LARGEST >> 20:,} MiB. "
                "Write one run a line, for example with `jq -c '.[]'`."
            )
        text = line.removeprefix(_BYTE_ORDER_MARK).strip()
        if not cutter.size:
            try:
                yield from _unwrap(text.strip(BETWEEN), fetched_at, number)
                continue
            except (ValueError, RecursionError):  # not a whole value, more than one, or none
                pass
        for piece, begun in cutter.feed(text, number):
            yield from _read_piece(piece, fetched_at, begun)
    for piece, begun in cutter.end():
        yield from _read_piece(piece, fetched_at, begun)


def _read_piece(text: bytes, fetched_at: datetime, line: int) -> Iterator[Payload | StatusPayload | RejectedRun]:
    try:
        yield from _unwrap(text.strip(), fetched_at, line, is_json=False)
    except (ValueError, RecursionError):
        yield _reject(text, fetched_at, line, "no JSON, neither by itself nor with the lines around it")


def _unwrap(
    text: bytes, fetched_at: datetime, line: int, *, is_json: bool = True
) -> list[Payload | StatusPayload | RejectedRun]:
    """The runs in one value; without `is_json`, also in one of which some parts cannot be decoded.

    Raises:
        ValueError, RecursionError: it cannot be taken apart.
    """
    if not text:
        return []
    if text.startswith(b"["):
        parts = map(bytes, _decode_list(text)) if is_json else elements(text)
        return [run for part in parts for run in _unwrap(part, fetched_at, line, is_json=is_json)]
    fields = _take_apart(text) if is_json else members(text)
    if "runID" in fields:  # whatever else it holds
        return [(text, fetched_at)]
    said = fields.get("fetched_at", fields.get("first_fetched_at"))
    moment = _read_moment(said) if said else fetched_at
    if moment is None:
        problem = "`fetched_at` must be a text such as 2025-05-05T10:00:00Z, or not be there"
        return [_reject(text, fetched_at, line, problem)]
    runs = _find_runs(fields.get("payload", b""), fields.get("data", b""))
    if runs is None and not NAMES.isdisjoint(fields):
        runs = [text]
    if runs is None:
        problem = "neither a run with its `runID`, nor a message, an answer of the API or a row of run_payloads"
        return [_reject(text, fetched_at, line, problem)]
    return [StatusPayload(run, moment) if _is_message(run) else (run, moment) for run in runs]


def _is_message(text: bytes) -> bool:
    """Whether an element of an answer is a message of the ingestion status, and no run."""
    if b'"runID"' in text:
        return False
    try:
        names = members(text).keys()
    except ValueError:
        return False
    return not NAMES.isdisjoint(names)


def _find_runs(payload: bytes, data: bytes) -> list[bytes] | None:
    """The runs in a row's `payload`, or in the `data` of an answer; None where there is neither."""
    if payload.startswith(b"{"):
        return [payload]
    if payload.startswith(b'"'):  # JSON in a text, as most databases write it
        return [_decode_text(payload).encode()]
    if data.startswith(b"{"):
        return [data]
    return elements(data) if data.startswith(b"[") else None


def _take_apart(text: bytes) -> dict[str, bytes]:
    wrapped = _decode_wrapped(text)
    return {name: bytes(part) for name in wrapped.__struct_fields__ if (part := getattr(wrapped, name))}


def _read_moment(text: bytes) -> datetime | None:
    """A text that is ISO 8601 in one of the forms that DuckDB and JSON writers give it; None for anything else."""
    try:
        return in_utc(datetime.fromisoformat(_decode_text(text)))
    except (ValueError, OverflowError):
        return None


def _reject(text: bytes, fetched_at: datetime, line: int, problem: str) -> RejectedRun:
    return reject(text[:_KEPT], fetched_at, f"{problem} - in line {line} of the archive")
