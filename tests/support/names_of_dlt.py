"""Every name that dlt looks up in the environment and in `.dlt` files, read from its source, with a harmful value.

The source is parsed, not imported: half of dlt needs packages that are not installed here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

SECTIONS = (
    *("pipelines", "pipelines__statsig_runs", "statsig_runs", "runtime", "extract", "normalize", "load", "schema"),
    *("data_writer", "providers", "destination", "destination__duckdb", "sources", "sources__statsig_runs"),
)
OF_THE_SYSTEM = frozenset({"path"})
"""Fields of dlt's whose variable means something else to every process."""

HARMFUL = {
    "refresh": "drop_data",
    "dataset_name_layout": "prefix_%s",
    "progress": "100",
    "destination_type": "dummy",
    "staging_type": "filesystem",
    "naming": "direct",
    "log_level": "DEBUG",
    "loader_file_format": "csv",
    "workers": "0",
    "max_table_nesting": "0",
    "buffer_max_items": "0",
    "file_max_items": "1",
    "sentry_dsn": "https://key@127.0.0.1/1",
    "dlthub_telemetry_endpoint": "http://127.0.0.1:1",
}
"""What is known to be obeyed, with a value that is obeyed."""


@cache
def fields() -> dict[str, str]:
    """The fields of all of dlt's configurations, each with its type as the source writes it."""
    found: dict[str, str] = {}
    for tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(
                "configspec" in ast.unparse(each) for each in node.decorator_list
            ):
                for part in node.body:
                    if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                        found.setdefault(part.target.id, ast.unparse(part.annotation))
    return {name: kind for name, kind in found.items() if not name.startswith("_") and "ClassVar" not in kind}


@cache
def variables_past_the_settings() -> tuple[str, ...]:
    """The variables that dlt reads from the environment itself."""
    spec = find_spec("dlt.common.known_env")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return tuple(
        str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    )


def harmful_value(name: str) -> str:
    """A value that a load would not survive, or would not do the same with."""
    kind = fields()[name]
    if name in HARMFUL:
        return HARMFUL[name]
    if "bool" in kind:
        return "false" if name in {"restore_from_destination", "use_single_dataset"} else "true"
    return "1" if "int" in kind or "float" in kind else "nonsense"


def paths() -> Iterator[tuple[str, ...]]:
    """Every name alone and in every section that dlt looks into."""
    for name in fields():
        if name not in OF_THE_SYSTEM:
            yield (name,)
        for section in SECTIONS:
            yield (*section.split("__"), name)


def _sources() -> Iterator[ast.Module]:
    spec = find_spec("dlt")
    assert spec is not None
    assert spec.origin is not None
    for file in Path(spec.origin).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "configspec" in text:
            yield ast.parse(text)
