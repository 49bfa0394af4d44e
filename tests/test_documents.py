"""What the documents point at is there: links, files, commands of make."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "sql/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)
PLACES = (ROOT, ROOT / "pipelines" / "statsig_runs", ROOT / "docs")
"""Where a path that a document names may begin."""


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def anchors(document: Path) -> set[str]:
    """Those that a page of Markdown gives its headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_document_can_be_found_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {
        (index.parent / link).resolve()
        for link in re.findall(r"\]\(([^)\s#]+)", index.read_text(encoding="utf-8"))
        if "://" not in link
    }
    assert set(DOCUMENTS) - linked == {index}


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/])[\w.-]*(?:/[\w.-]+)*(?:/|\.(?:py|md|sql|yml|toml|csv|txt)\b)", text))
    paths = {path for path in named if "NAME" not in path and path.strip("./")}
    assert len(paths) > 15
    assert {path for path in paths if not any((place / path).exists() for place in PLACES)} == set()


def test_every_make_target_that_is_named_exists_and_every_one_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    explained = set(re.findall(r"^([a-z-]+):.*  ## ", makefile, re.MULTILINE))
    assert explained == set(phony.split())
    for document in DOCUMENTS:
        for targets in re.findall(
            r"^    make ([a-z -]+)|`make ([a-z -]+)`", document.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert set("".join(targets).split()) <= explained, document
