"""The results of checks as people read them: lines for a terminal, and a message for Slack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from statsig_runs.readers.display import align, visible
from statsig_runs.readers.sentence import Parts, as_text

if TYPE_CHECKING:
    from statsig_runs.readers.check import Result
    from statsig_runs.readers.told import News

_UNITS: Final = {
    "hours_since_load": "h",
    "hours_since_success": "h",
    "overdue_dates": "",
    "empty_dates": "",
    "volume_drops": "",
    "final_error_rate": "%",
    "late_runs": "",
    "findings": "",
}
_NAME_WIDTH: Final = 40
_SLACK_LINES: Final = 20


def summary(results: list[Result]) -> str:
    """One sentence: `2 of 9 checks are missed.` or `All checks are met.`."""
    missed = sum(not result.is_met for result in results)
    return (
        f"{missed} of {len(results)} checks {'is' if missed == 1 else 'are'} missed."
        if missed
        else "All checks are met."
    )


def lines(results: list[Result]) -> Iterator[tuple[str, str]]:
    """A line for each result and its style for rich, after one that sums them up."""
    yield summary(results), "bold green" if all(result.is_met for result in results) else "bold red"
    rows = align(
        [["met" if r.is_met else "MISSED", _named(r), _figure(r), _limit(r), r.detail] for r in results], right=[2]
    )
    for result, line in zip(results, rows, strict=True):
        yield line, "" if result.is_met else "red"


def slack_text(results: list[Result], news: News, sentence: Parts, project: str = "") -> str:
    """What is to be told, in Slack's mrkdwn. A source's name can neither format it, nor call anyone.

    Args:
        results: all of them, for the summary.
        news: those that are told one by one.
        sentence: of `sentence.build_answer`.
        project: the project's name, where it has one.
    """
    of_project = f" of {project}" if project else ""
    told = [f"*statsig-runs check{of_project}*: {summary(results)}"]
    told.append(as_text(sentence, lambda name: _code(visible(name, _NAME_WIDTH))))
    items = [f"• {_about(each)}: {_figure(each)}, {_limit(each)}; {_code(each.detail or '-')}" for each in news.missed]
    items += [f"• met again: {_about(each)}: {_figure(each)}, {_limit(each)}" for each in news.again]
    told += items[:_SLACK_LINES]
    if len(items) > _SLACK_LINES:
        told.append(f"… and {len(items) - _SLACK_LINES} more")
    if news.known:
        told.append(f"{news.known} more {'is' if news.known == 1 else 'are'} still missed, as told before.")
    return "\n".join(told)


def _about(result: Result) -> str:
    name = result.name.replace("_", " ")
    return name if result.source is None else f"{name} of {_code(visible(result.source, _NAME_WIDTH))}"


_INERT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'", "@": "@\u200b"})


def _code(text: str) -> str:
    """As inline code, in which Slack formats nothing. Other services heed `@channel` in code too: `@` is broken up."""
    return f"`{text.translate(_INERT)}`"


def _named(result: Result) -> str:
    name = result.name.replace("_", " ")
    return name if result.source is None else f"{name}: {visible(result.source, _NAME_WIDTH)}"


def _figure(result: Result) -> str:
    return "-" if result.figure is None else _with_unit(result.figure, _UNITS[result.name])


def _limit(result: Result) -> str:
    return f"at most {_with_unit(result.threshold, _UNITS[result.name])}"


def _with_unit(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.1f} {unit}" if unit else f"{value:g}"
