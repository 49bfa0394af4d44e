"""The page in a real browser: headless Chromium from the distribution, offline, at a phone's and a desk's width."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.published_runs import report
from tests.support.report_runs import (
    HEALTHY,
    LONG_NAME,
    RETRIED_IN_VAIN,
    WRECKER,
    build_published,
    copy_marts,
    day_of,
    write_page,
)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is not installed")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
LATER = "2026-11-25T12:00:00Z"
"""The reader's clock: two days after the newest fetch, so that the page says how old it is whenever the tests run."""
WIDTHS = pytest.mark.parametrize("width", [390, 1280])
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: install Debian's package chromium, or name another in $CHROMIUM")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def pages(troubled: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The page of a troubled week, of one source without a failure, and of no run at all."""
    folder = tmp_path_factory.mktemp("pages")
    calm = copy_marts(troubled, folder / "calm.duckdb", keep_source="Support events")
    empty = copy_marts(troubled, folder / "empty.duckdb", keep_source=None)
    return SimpleNamespace(
        troubled=write_page(troubled, folder / "troubled.html"),
        calm=write_page(calm, folder / "calm.html"),
        empty=write_page(empty, folder / "empty.html"),
    )


@pytest.fixture
def visit(browser):
    """Open a file in a tab of its own; what it complains of or asks for is noted as `complaints` and `requests`."""
    contexts = []

    def open_tab(file: Path, *, width: int = 1280, scheme: str = "light", **settings: object):
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme, timezone_id="Asia/Tokyo", **settings)
        contexts.append(context)
        context.clock.set_fixed_time(LATER)
        tab = context.new_page()
        tab.complaints, tab.requests = [], []
        tab.on("console", lambda message: tab.complaints.append(message.text))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: (tab.complaints.append(dialog.message), dialog.dismiss()))
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.goto(file.as_uri())
        return tab

    yield open_tab
    for context in contexts:
        context.close()


def use_everything(tab) -> None:
    """Open every fold, point at one of each thing that has a tooltip, and press every button."""
    tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    for thing in (".grid td.s", ".plot", ".bars rect.e", "header time"):
        tab.locator(thing).first.hover()
    tab.locator("#local").click()


@SCHEMES
@WIDTHS
def test_the_page_complains_of_nothing_and_asks_for_nothing(visit, pages, width, scheme):
    tab = visit(pages.troubled, width=width, scheme=scheme)
    use_everything(tab)
    assert tab.complaints == []
    assert tab.requests == [pages.troubled.as_uri()]


@SCHEMES
@WIDTHS
@pytest.mark.parametrize("state", ["troubled", "calm", "empty"])
def test_no_page_scrolls_sideways(visit, pages, state, width, scheme):
    tab = visit(getattr(pages, state), width=width, scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.complaints == []


@pytest.mark.parametrize("width", [320, 721, 900])
def test_no_width_between_a_small_phone_and_a_desk_scrolls_sideways(visit, pages, width):
    tab = visit(pages.troubled, width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    # "download" stands in one line
    assert (
        tab.locator(".flight td bdi", has_text="download").first.evaluate("(name) => name.getClientRects().length") == 1
    )


@WIDTHS
def test_how_often_a_run_was_retried_is_seen_without_scrolling(visit, pages, width):
    tab = visit(pages.troubled, width=width)
    cells = tab.locator(".ranking td.num").evaluate_all("(all) => all.map((cell) => cell.getBoundingClientRect())")
    # 20 runs: how long, retries, errors
    assert len(cells) == 60
    assert max(cell["right"] for cell in cells) < width


@WIDTHS
def test_every_chart_is_drawn(visit, pages, width):
    tab = visit(pages.troubled, width=width)
    drawn = tab.evaluate(
        """[...document.querySelectorAll('.chart')].map((chart) => {
            const marks = [...chart.querySelectorAll('svg path')].filter((path) =>
                /--(ok|mended|warn|bad|busy|ink)/.test(path.getAttribute('fill') + path.getAttribute('stroke')));
            const boxes = marks.map((mark) => mark.getBoundingClientRect());
            const plot = chart.querySelector('svg').getBoundingClientRect();
            return {
                title: chart.querySelector('h3').firstChild.textContent.trim(),
                isWide: plot.width > 250 && plot.height > 90,
                hasMarks: boxes.some((box) => box.width > 1 && box.height > 1),
                isInside: boxes.every((box) => box.left >= plot.left - 1 && box.right <= plot.right + 1),
                labels: chart.querySelectorAll('svg text').length > 3,
            };
        })"""
    )
    titles = [
        "Runs by outcome",
        "Error rate",
        "Retries and recoveries",
        "Whole run",
        "Queue",
        "Download",
        "Metrics",
        "Pulse",
    ]
    assert [chart.pop("title") for chart in drawn] == [*titles, "<i>odd</i>"]
    assert drawn == [{"isWide": True, "hasMarks": True, "isInside": True, "labels": True}] * 9


def test_the_charts_of_a_row_stand_on_one_line_and_one_alone_is_no_wider(visit, pages):
    tab = visit(pages.troubled)
    boxes = tab.locator("#errors .plot svg").evaluate_all("(all) => all.map((svg) => svg.getBoundingClientRect())")
    assert len({round(box["bottom"]) for box in boxes}) == 1
    tab.evaluate("document.querySelectorAll('#durations .chart').forEach((chart, n) => n && chart.remove())")
    assert tab.locator("#durations .chart").bounding_box()["width"] < 400


def test_a_timeline_is_drawn_with_every_attempt_in_its_row(visit, pages):
    tab = visit(pages.troubled)
    run = tab.locator(".run", has_text="Events EU 2026-11-22 scheduled")
    run.evaluate("(fold) => { fold.closest('.month').open = true; fold.open = true; }")
    boxes = run.locator("tr.top rect").evaluate_all(
        "(bars) => bars.map((bar) => bar.getBoundingClientRect()).map((box) => [box.left, box.right, box.height])"
    )
    assert len(boxes) == 3
    assert all(left < right and height > 10 for left, right, height in boxes)
    assert boxes[0][1] < boxes[1][0] < boxes[1][1] < boxes[2][0]


def test_a_cell_of_the_grid_tells_its_landing_lag_on_hover(visit, pages):
    tab = visit(pages.troubled)
    row = tab.locator(".grid").first.locator("tr", has_text="Events EU")
    row.locator("td").nth(10).hover()
    assert tab.locator("#tip").inner_text() == "Events EU\n2026-11-17\nlanded 30 min before the day ended, 1 run"
    row.locator("td").nth(11).hover()
    assert (
        tab.locator("#tip").inner_text()
        == "Events EU\n2026-11-18\nfailed\nnot landed, 1 run\noverdue since 2026-11-19 09:30 UTC"
    )
    tab.keyboard.press("Escape")
    assert tab.locator("#tip").is_hidden()


def test_the_grid_is_one_stop_of_the_keyboard_and_arrows_walk_it(visit, pages):
    tab = visit(pages.troubled)
    grid = tab.locator(".grid").first
    assert grid.locator("[tabindex='0']").count() == 1
    grid.locator("[tabindex='0']").focus()
    first = tab.locator("#tip").inner_text()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowLeft")
    second = tab.locator("#tip").inner_text()
    assert first.split("\n")[:2] == ["../../etc/passwd?a=1&b=%2F#{{ x }}", "2026-11-22"]
    assert second.split("\n")[1] == "2026-11-21"
    assert second.startswith("</script><img src=x")
    assert grid.locator("[tabindex='0']").count() == 1


def test_a_chart_tells_its_numbers_to_the_pointer_and_to_the_keyboard(visit, pages):
    tab = visit(pages.troubled)
    plot = tab.locator(".plot").first
    plot.focus()
    tab.keyboard.press("ArrowRight")
    newest = tab.locator("#tip").inner_text().split("\n")
    assert newest[0] == "Mon 23 Nov"
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("#tip").inner_text().startswith("Sun 22 Nov\n")
    box = plot.bounding_box()
    tab.mouse.move(box["x"] + box["width"] - 4, box["y"] + 40)
    assert tab.locator("#tip").inner_text().split("\n") == newest


def test_a_hostile_name_is_inert_and_readable_in_table_grid_and_tooltip(visit, pages):
    tab = visit(pages.troubled)
    use_everything(tab)
    shown = WRECKER.replace("\x07", "\ufffd")
    assert tab.evaluate("window.harmed") is None
    assert tab.locator("img, iframe, object, main b i").count() == 0
    assert tab.locator("script").count() == 1
    names = tab.locator(".sources tbody th").all_inner_texts()
    assert shown in names
    assert LONG_NAME in tab.locator(".sources tbody th").all_text_contents()
    tab.locator(".grid").first.locator("tr", has_text="window.harmed").locator("td").last.hover()
    assert tab.locator("#tip").inner_text().startswith(shown[:59])
    assert tab.locator("#tip *").evaluate_all("(parts) => parts.map((part) => part.tagName)") == [
        "B",
        "BDI",
        "DIV",
        "DIV",
    ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a source whose warehouse says what means harm, and 100,000 characters of it."""
    folder = tmp_path_factory.mktemp("told")
    runs = [day_of("Orders", f"2026-11-{day:02d}", *HEALTHY) for day in range(1, 23)]
    runs.append(day_of("Orders", "2026-11-23", *RETRIED_IN_VAIN))
    harm = f"<script>window.harmed='yes'</script>{WRECKER}; <!channel>\x1b[31m"
    days = ["2026-10-31", *(f"2026-11-{day:02d}" for day in range(1, 21))]
    messages = [report("Orders", day, "IMPORT_SUCCESSFUL", rowCount=1000) for day in days]
    messages.append(report("Orders", "2026-11-21", "IMPORT_SUCCESSFUL", rowCount=400))
    messages.append(report("Orders", "2026-11-22", "QUERY_ERROR", 6, error_message=harm + "x" * 100_000))
    published = build_published(folder / "statsig_runs.duckdb", runs, messages=messages)
    return write_page(published, folder / "report.html")


@WIDTHS
def test_a_hostile_message_is_inert_and_cut_in_table_tooltip_and_run(visit, told, width):
    tab = visit(told, width=width)
    tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    beginning = "QUERY_ERROR: <script>window.harmed='yes'</script></script><img src=x onerror="
    for place in (".sources .reason bdi", ".run .messages bdi:last-child"):
        shown = tab.locator(place).first.inner_text()
        assert shown.startswith(beginning)
        assert shown.endswith("…")
        assert len(shown) <= 300
        assert r"\u202egnp.exe\u202c" in shown
    tab.locator(".grid td.f").hover()
    lines = tab.locator("#tip").inner_text().split("\n")
    assert lines[-1].startswith(beginning)
    assert tab.locator("#tip *").evaluate_all(
        "(all) => all.every((part) => ['B', 'BDI', 'DIV'].includes(part.tagName))"
    )
    assert tab.evaluate("window.harmed") is None
    assert tab.locator("img, iframe, object").count() == 0
    assert tab.locator("script").count() == 1
    assert tab.complaints == []
    assert tab.requests == [told.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert told.stat().st_size < 250_000


def test_a_drop_in_volume_is_drawn_in_another_colour_than_the_other_dates(visit, told):
    tab = visit(told)
    heights = """(bars, colour) => bars.filter((bar) => bar.getAttribute('fill').includes(colour))
        .map((bar) => Math.round(bar.getBoundingClientRect().height)).filter((height) => height > 1)"""
    bars = tab.locator("#rows .chart svg path[fill]")
    usual, [drop] = bars.evaluate_all(heights, "--busy"), bars.evaluate_all(heights, "--bad")
    assert len(usual) == 21
    assert 0.38 < drop / max(usual) < 0.42


def test_a_right_to_left_name_turns_nothing_but_itself(visit, pages):
    tab = visit(pages.troubled)
    row = tab.locator(".sources tr", has_text="gnirts desrever")
    name, state = row.locator("bdi").bounding_box(), row.locator(".state b").bounding_box()
    assert name["x"] + name["width"] < state["x"]
    assert row.locator(".state b").inner_text() == "Healthy"


def test_a_time_is_told_in_the_readers_zone_on_hover_and_on_request(visit, pages):
    tab = visit(pages.troubled, locale="en-GB")
    tab.locator(".asof time").hover()
    # UTC + 9
    assert tab.locator("#tip").inner_text() == "23 Nov 2026, 18:40\nAsia/Tokyo\n2026-11-23 09:40 UTC"
    tab.locator("#local").click()
    assert tab.locator(".asof time").inner_text() == "23 Nov 2026, 18:40"
    tab.locator("#local").click()
    assert tab.locator(".asof time").inner_text() == "2026-11-23 09:40"


def test_a_link_to_a_run_opens_it_where_it_lies_folded(visit, pages):
    tab = visit(pages.troubled)
    link = tab.locator("#slow a").last
    target = tab.locator(link.get_attribute("href"))
    assert target.get_attribute("open") is None
    link.click()
    target.locator("table").wait_for(state="visible")


# the text of every element that has some of its own against what lies behind it, by WCAG's formula
CONTRAST = """() => {
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const colour = parse(getComputedStyle(node).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
    };
    const poor = [];
    for (const node of document.querySelectorAll('body *:not(script)')) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        if (!own || !node.checkVisibility()) continue;
        const paint = node.namespaceURI.endsWith('svg') ? 'fill' : 'color';
        const [a, b] = [light(parse(getComputedStyle(node)[paint])), light(behind(node))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(node.outerHTML.slice(0, 120));
    }
    return poor;
}"""


@SCHEMES
def test_every_text_stands_out_from_its_ground(visit, pages, scheme):
    assert visit(pages.troubled, scheme=scheme).evaluate(CONTRAST) == []


def test_the_dark_page_is_dark(visit, pages):
    ground = "getComputedStyle(document.body).backgroundColor"
    assert visit(pages.calm, scheme="light").evaluate(ground) == "rgb(246, 247, 249)"
    assert visit(pages.calm, scheme="dark").evaluate(ground) == "rgb(14, 18, 23)"


def test_without_script_the_page_still_answers(visit, pages):
    tab = visit(pages.troubled, java_script_enabled=False)
    assert tab.locator("h1").inner_text().startswith("17 of 21 sources are in and complete")
    assert tab.locator(".grid").first.get_by_label("landed 30 min before the day ended, 1 run").count() > 0
    run = tab.locator(".run").first
    run.locator("summary").click()
    assert run.locator("table").is_visible()


def test_printed_it_is_light_and_without_what_paper_cannot_do(visit, pages):
    tab = visit(pages.troubled, scheme="dark")
    tab.emulate_media(media="print", color_scheme="light")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.locator("nav").is_hidden()
    assert tab.locator("#local").is_hidden()
    assert tab.locator(".sources").is_visible()


def test_paper_has_the_tables_of_a_desk_and_no_text_larger_than_its_body(visit, pages):
    # A4 between margins of a centimetre is narrower than the widest phone that the page knows
    tab = visit(pages.troubled, width=718)
    tab.emulate_media(media="print", color_scheme="light")
    assert tab.locator(".sources thead").is_visible()
    sizes = "(all) => all.map((text) => parseFloat(getComputedStyle(text).fontSize))"
    assert max(tab.locator("td small, .keys, .origin").evaluate_all(sizes)) < tab.locator("body").evaluate(
        "(body) => parseFloat(getComputedStyle(body).fontSize)"
    )
