"""A sync in the environment of other programs, beside another dlt project: every name that dlt knows is set there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statsig_runs.dlt_context import is_own
from tests.e2e.conftest import Undisturbed
from tests.support.names_of_dlt import fields, harmful_value, paths, variables_past_the_settings
from tests.support.workplace import Workplace, state


def config_of_another_project() -> str:
    """Every name in every section, and at the top."""
    tree: dict[str, Any] = {}
    for *sections, name in paths():
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
            if not isinstance(node, dict):
                break
        else:
            if not is_own((*sections, name)):
                node.setdefault(name, harmful_value(name))
    return "\n".join(_toml(tree, ()))


def _toml(tree: dict[str, Any], sections: tuple[str, ...]) -> list[str]:
    lines = [f"[{'.'.join(sections)}]"] if sections else []
    lines += [f'{name} = "{value}"' for name, value in tree.items() if isinstance(value, str)]
    for name, value in tree.items():
        if isinstance(value, dict):
            lines += _toml(value, (*sections, name))
    return lines


def test_a_sync_does_the_same_whatever_other_programs_have_set(
    copy_of_yesterday: Callable[..., Workplace], undisturbed: Undisturbed
) -> None:
    foreign = {"__".join(path).upper(): harmful_value(path[-1]) for path in paths() if not is_own(path)}
    foreign |= dict.fromkeys(variables_past_the_settings(), "nonsense")
    for where in ("DLT_PROJECT_DIR", "DLT_CONFIG_FOLDER"):
        del foreign[where]
    workplace = copy_of_yesterday("among others")
    workplace.environment = {**foreign, **workplace.environment}
    (workplace.work / ".dlt").mkdir()
    (workplace.work / ".dlt" / "config.toml").write_text(config_of_another_project())
    assert len(foreign) > 10 * len(fields())

    done = workplace.sync()

    assert done.code == 0, done.err
    assert state(workplace) == undisturbed.state
    assert workplace.query("select count(*) from statsig.fct_loads") == [(2,)]
    schemas = "select distinct table_schema from information_schema.tables order by 1"
    assert [name for (name,) in workplace.query(schemas, published=False)] == [
        "statsig",
        "statsig_raw",
        "statsig_raw_staging",
        "statsig_staging",
    ]
