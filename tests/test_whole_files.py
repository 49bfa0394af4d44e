"""A file that is replaced: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from statsig_runs.whole_files import remove_unfinished, replacing, write_whole


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "page.html"
    write_whole(file, b"old")
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in file.parent.iterdir()] == ["page.html"]


def test_what_fails_half_way_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_whole(file, b"old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(file)
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def interrupted(file: Path) -> None:
    with replacing(file) as draft:
        draft.write_bytes(b"half")
        raise KeyboardInterrupt


def test_a_draft_that_cannot_be_put_in_place_is_removed(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError, match=r"page\.html"):
        write_whole(tmp_path / "page.html", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_drafts_of_killed_processes_are_removed_and_those_of_other_files_are_not(tmp_path: Path) -> None:
    for name in (".a [1].html.0a1b2c3d.unfinished", ".b.html.0a1b2c3d.unfinished", "a [1].html"):
        (tmp_path / name).write_text("")
    remove_unfinished(tmp_path / "a [1].html")
    assert {path.name for path in tmp_path.iterdir()} == {".b.html.0a1b2c3d.unfinished", "a [1].html"}
