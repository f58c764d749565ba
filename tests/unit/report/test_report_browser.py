"""The report in a real browser: folding, sorting, slider and enlarging by mouse and keyboard; fit, print, access."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import NEEDED, opened_browser, opened_page

pytestmark = NEEDED
OPEN = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
A4_LANDSCAPE_PX = 1031
"""Width of A4's long side less two margins of 12 mm, at 96 pixels an inch."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as found:
        yield found


@pytest.fixture(scope="module")
def folder(report: Callable[..., Any]) -> Path:
    """A report with all kinds of sections."""
    return (
        report(remaining={"wiener_two_shot": 0.8, "tsva": 0.5, "fusion": 0.4}, knowing=("fusion",)).results / "report"
    )


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    with opened_page(browser, folder / "index.html") as found:
        yield found


def test_the_first_screen_answers_without_scrolling(page: Any) -> None:
    for selector in (".verdict .headline", ".quality .light", ".chart svg", ".compare .frame"):
        for box in page.eval_on_selector_all(
            selector, "found => found.map((e) => e.getBoundingClientRect()).map((b) => [b.left, b.right, b.bottom])"
        ):
            assert box[0] >= 0 and box[1] <= 1280 and box[2] <= 800, (selector, box)


def test_sections_fold_by_keyboard_and_links_open_them(page: Any) -> None:
    part = page.locator("#dataset1-averages")
    assert part.get_attribute("open") is None
    part.locator("summary").focus()
    page.keyboard.press("Enter")
    assert part.get_attribute("open") == ""
    page.keyboard.press("Enter")
    assert part.get_attribute("open") is None
    page.locator(".toc a[href='#dataset1-averages']").click()
    assert part.get_attribute("open") == ""
    page.get_by_role("button", name="Open all sections").click()
    assert page.locator("details.part:not([open])").count() == 0


def test_the_contents_stay_in_view(page: Any) -> None:
    page.evaluate(OPEN)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
    assert page.locator(".toc").evaluate("(e) => e.getBoundingClientRect().top") >= 0


def test_tables_sort_by_number_and_keep_the_papers_rows_below_their_own(page: Any) -> None:
    page.evaluate(OPEN)
    table = page.locator("table.table3[data-dataset=dataset1]")
    cells = """(t) => [...t.tBodies[0].rows]
      .map((r) => [r.className, r.cells[0].textContent, parseFloat(r.cells[1].textContent)])"""
    before = table.evaluate(cells)
    head = table.locator("thead th").nth(1)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rows = table.evaluate(cells)
    own = [row[2] for row in rows if row[0] != "paper"]
    assert own == sorted(own) and sorted(map(str, rows)) == sorted(map(str, before))
    place = next(number for number, row in enumerate(rows) if row[0] == "paper")
    assert rows[place - 1][1] == "TSVA" and "TSVA" in rows[place][1]
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    again = [row[2] for row in table.evaluate(cells) if row[0] != "paper"]
    assert again == sorted(own, reverse=True)


def cut(page: Any) -> str:
    return str(page.locator(".frame").evaluate("(e) => e.style.getPropertyValue('--cut')"))


def test_the_slider_moves_by_mouse_and_keyboard(page: Any) -> None:
    box = page.locator(".frame").bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.up()
    assert cut(page) in ("25%", "24%", "26%")
    page.get_by_role("slider").focus()
    moved = float(cut(page).rstrip("%"))
    page.keyboard.press("ArrowRight")
    assert float(cut(page).rstrip("%")) == moved + 1
    page.keyboard.press("End")
    assert cut(page) == "100%"


def test_a_gallery_shows_one_patch_and_filters(page: Any) -> None:
    gallery = page.locator(".gallery").first
    shown = gallery.locator(".example:not(.off)")
    assert shown.count() == 1
    first = shown.get_attribute("aria-label")
    gallery.get_by_role("button", name="Next patch").click()
    assert shown.get_attribute("aria-label") != first or gallery.locator(".example").count() == 1
    chooser = gallery.locator("select[data-key=sample]")
    chooser.select_option(index=2)
    sample = chooser.input_value()
    assert shown.count() == 1 and shown.get_attribute("data-sample") == sample
    gallery.locator("select[data-key=why]").select_option("sample")
    assert shown.get_attribute("data-why") == "sample"


def zooms(page: Any) -> list[str]:
    return list(page.eval_on_selector_all("#viewer .pane img", "found => found.map((e) => e.style.transform)"))


def test_all_methods_are_enlarged_together(page: Any) -> None:
    gallery = page.locator(".gallery").first
    gallery.get_by_role("button", name="Enlarge").focus()
    page.keyboard.press("Enter")
    panes = gallery.locator(".example:not(.off) figure").count()
    whole = zooms(page)
    assert len(whole) == panes >= 5
    page.locator("#viewer .panes").focus()
    page.keyboard.press("+")
    zoomed = zooms(page)
    assert all("scale(1.5)" in one for one in zoomed)
    places = [[float(number) for number in re.findall(r"-?[\d.]+(?=px)", one)] for one in zoomed]
    assert max(abs(a - b) for place in places for a, b in zip(place, places[0], strict=True)) < 0.1  # all move alike
    page.keyboard.press("ArrowRight")
    assert zooms(page) != zoomed
    box = page.locator("#viewer .pane > div").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -100)
    assert all("scale(1.875)" in one for one in zooms(page))
    title = page.locator("#viewer h2").text_content()
    page.keyboard.press("PageDown")
    assert page.locator("#viewer h2").text_content() != title
    page.get_by_role("button", name="Switch between").click()
    assert page.locator("#viewer .pane img[alt^='Error map']").count() == panes - 1
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").evaluate("(e) => e.open")


def test_two_fingers_zoom(browser: Any, folder: Path) -> None:
    with opened_page(browser, folder / "index.html", width=768, has_touch=True) as page:
        page.locator(".gallery").first.get_by_role("button", name="Enlarge").tap()
        page.locator("#viewer .pane > div").first.evaluate(
            """(pane) => {
              const box = pane.getBoundingClientRect(), y = box.top + box.height / 2, x = box.left + box.width / 2;
              pane.setPointerCapture = () => {};
              const send = (kind, id, at) => pane.dispatchEvent(
                new PointerEvent(kind, { pointerId: id, clientX: at, clientY: y, bubbles: true }));
              send("pointerdown", 1, x - 20); send("pointerdown", 2, x + 20); send("pointermove", 2, x + 60);
            }"""
        )
        assert all("scale(2)" in one for one in zooms(page))


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("name", ["index", "inputs"])
def test_no_page_is_wider_than_the_window(browser: Any, folder: Path, name: str, width: int) -> None:
    with opened_page(browser, folder / f"{name}.html", width=width) as page:
        page.evaluate(OPEN)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = page.evaluate(
            """() => [...document.querySelectorAll('p, li, td, th, figcaption, summary, button, label')]
            .filter((e) => e.checkVisibility() && e.textContent.trim() && parseFloat(getComputedStyle(e).fontSize) < 10)
            .map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert small == []


@pytest.mark.parametrize("name", ["index", "inputs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser: Any, folder: Path, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    with opened_page(browser, folder / f"{name}.html", color_scheme=scheme) as page:
        page.evaluate(OPEN)
        found = axe.Axe().run(page).response["violations"]
        serious = [
            f"{fault['id']}: {fault['help']}: {fault['nodes'][0]['html'][:200]}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_print_cuts_no_table(browser: Any, folder: Path) -> None:
    with opened_page(browser, folder / "index.html", width=A4_LANDSCAPE_PX) as page:
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        wide = page.evaluate(
            """(edge) => [...document.querySelectorAll('table')]
            .filter((e) => e.getBoundingClientRect().right > edge).map((e) => e.className)""",
            A4_LANDSCAPE_PX + 1,
        )
        assert wide == []
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_without_javascript_everything_is_there_but_the_slider(browser: Any, folder: Path) -> None:
    with opened_page(browser, folder / "index.html", java_script_enabled=False) as page:
        assert page.locator(".example").count() == page.locator(".example:visible").count() > 2
        assert page.locator(".frame img:visible").count() == 2
        assert page.get_by_role("slider").count() == 0
        page.locator("#dataset1-averages summary").click()
        assert page.locator("table.averages").first.is_visible()
