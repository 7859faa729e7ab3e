"""The report's page in a real browser: headless Chromium."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from gan.data.datasets import Dataset
from tests.support.browser import (
    LINES,
    PHOTOGRAPHS,
    TARGET_RANGES,
    cell,
    companion,
    report_of,
    seen,
    source,
    steered_to,
)
from tests.support.chromium import CHROMIUM, NARROW, WIDE, amiss

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="the page is tested in Chromium, and there is none (chromium in Debian)",
)


@pytest.fixture(scope="module")
def index(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_of(photos, tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("report"))


def test_the_page_opens_without_a_request_and_fits(page: Page, size: tuple[int, int]) -> None:
    assert page.title() == "browsed - colorsweep"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= size[0], "what is wide scrolls by itself"
    loaded = "[...document.images].every(i => i.complete && i.naturalWidth)"
    assert page.evaluate(loaded)


def test_the_first_screen_has_photographs_and_every_target(
    page: Page, size: tuple[int, int]
) -> None:
    seen = page.locator(".images tbody tr").evaluate_all(
        "rows => rows.filter(r => r.getBoundingClientRect().bottom < innerHeight).length"
    )
    # A photograph and its rival; at 390 px, where they are small, the fitted original too.
    assert seen >= (2 if size == WIDE else 3), "below a verdict and a failure"
    heads = page.locator("[data-column]").all_inner_texts()
    assert [head.split()[0] for head in heads] == ["no", "0.5", "0.25", "0.75", "0.6"]
    box = page.locator("[data-column]").last.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= size[0]


def test_one_tab_passes_the_pictures(page: Page) -> None:
    page.locator("nav a").last.focus()
    for kind in ("radio", "checkbox", "range", "button"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.type") == kind
    assert page.evaluate("document.activeElement.closest('.images') !== null")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.images') === null")


def test_the_table_sorts_by_a_column_both_ways(page: Page) -> None:
    page.get_by_text("All that was measured").click()
    head = page.locator("table.sortable").get_by_role("columnheader", name="Achieved", exact=True)
    place = head.evaluate("it => it.cellIndex + 1")

    def achieved() -> list[str]:
        return page.locator(f"table.sortable tbody tr td:nth-child({place})").all_inner_texts()

    for direction, reverse in (("ascending", False), ("descending", True)):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == direction
        *numbers, last = achieved()
        assert last == "–", "what has none comes last"
        values = [float(text) for text in numbers]
        assert values == sorted(values, reverse=reverse)
        assert len(values) == LINES - 1


def test_a_point_leads_to_its_trial(page: Page) -> None:
    link = page.locator(
        "svg a[href='#t-browsed-" + steered_to("saturation", 0.75).key() + "']"
    ).first
    assert link.locator("title").text_content() is not None
    assert str(link.locator("title").text_content()).startswith("saturation=0.75: ")
    link.dispatch_event("click")
    assert page.locator("tr:target th").inner_text().startswith("saturation=0.75")
    expect(page.locator("tr:target")).to_be_in_viewport()


def test_what_decides_is_on_the_screen_and_the_rest_behind_a_toggle(
    page: Page, size: tuple[int, int]
) -> None:
    deciding = page.get_by_role("region", name="Before and after exact control")
    columns = {"Wanted", "Achieved raw", "Error raw", "Verdict"}
    cells = deciding.locator("tbody").get_by_role("cell")
    assert cells.count() >= 12 * len(columns)
    titles = cells.evaluate_all("all => all.map(it => it.dataset.title)")
    assert {*titles} >= columns
    names = deciding.get_by_role("rowheader")
    assert names.first.inner_text().startswith("saturation=0.25")
    for each in (cells, names):
        boxes = each.evaluate_all(
            "all => all.map(it => [it.getBoundingClientRect(), it])"
            ".map(([box, it]) => [box.left, box.right, it.scrollWidth - it.clientWidth])"
        )
        for left, right, beyond in boxes:
            assert left >= 0
            assert right <= size[0]
            assert beyond <= 0, "it is not cut off"
    table = page.get_by_role("region", name="Table of all trials")
    assert table.is_hidden()
    page.get_by_text("All that was measured").click()
    assert table.is_visible()


def test_a_failed_trial_is_told_first(page: Page) -> None:
    told = page.locator("header .warn").inner_text()
    assert "1 not finished" in told
    assert "hue=0.6: failed at step 4 of 4: a loss <b>exploded</b>" in told


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], indirect=["size"])
def test_nothing_is_amiss_for_those_who_see_little_or_use_a_keyboard(
    page: Page, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    assert amiss(page) == []
    page.get_by_role("checkbox").uncheck()
    assert amiss(page) == []
    page.locator(".images button").nth(1).click()
    assert amiss(page, "dialog") == []


@pytest.mark.parametrize("size", [WIDE], indirect=True)
def test_paper_has_pictures_and_commands_and_nothing_to_press(page: Page) -> None:
    page.emulate_media(media="print")
    assert page.locator(".bar").is_hidden()
    assert page.locator("nav").is_hidden()
    assert page.locator(".images img").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_without_scripts_pictures_and_numbers_are_there(browser: Browser, index: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(index.as_uri())
    assert page.locator(".images .photo img").count() == PHOTOGRAPHS * (2 + 5)
    assert page.locator(".images .companion img").count() == PHOTOGRAPHS * 7, "hue has no rival"
    last = page.locator(".images .companion img").last
    assert last.is_visible()
    page.get_by_role("checkbox").uncheck()
    assert last.is_hidden()
    assert page.locator(".images .photo img").last.is_visible()
    assert page.get_by_role("slider").count() == 0, "nothing that would not work"
    assert page.locator("table.sortable tbody tr").count() == LINES
    context.close()


def test_the_slider_moves_through_every_target_by_the_keyboard(
    page: Page, size: tuple[int, int]
) -> None:
    slider = page.get_by_role("slider")
    slider.focus()
    shown, last = [], PHOTOGRAPHS - 1
    for target in TARGET_RANGES:
        page.keyboard.press("ArrowRight")
        said = page.locator(".bar output").inner_text()
        assert said.startswith(f"saturation: wanted {target:g}, achieved 0.")
        assert said.endswith(" after exact control (any target)")
        assert slider.get_attribute("aria-valuetext") == said
        assert page.locator(".large img").count() == PHOTOGRAPHS
        assert page.locator(".large img").first.is_visible() == (size == WIDE), "beside, not below"
        assert page.locator("[data-column='1'] b").inner_text() == f"{target:g}", "in place"
        name = f"Picture {PHOTOGRAPHS}, saturation {target:g} (any target)"
        assert page.locator(".images button img").nth(last * 5 + 1).get_attribute("alt") == name
        for row in (0, last):
            assert source(page, ".large img", row) == cell(page, row, 1)
        shown.append(seen(page, 4, 1))
    assert len(set(shown)) > 4, "the pictures change"
    for column, target in ((2, 0.25), (3, 0.75)):
        page.keyboard.press("ArrowRight")
        assert page.locator(".bar output").inner_text().startswith(f"saturation: wanted {target}, ")
        assert page.locator("[data-column='1'] b").inner_text() == f"{target}", "to compare with"
        assert source(page, ".large img", 3) == cell(page, 3, column)
    page.keyboard.press("Home")
    assert page.locator(".bar output").inner_text() == "without control"


def test_what_is_shown_is_switched_by_the_keyboard(page: Page) -> None:
    page.get_by_role("slider").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.get_by_role("radio").first.focus()
    raw = seen(page, 4, 1)
    free = cell(page, 0, 0)
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="after exact control").is_checked()
    image = page.locator(".images button img").nth(1)
    exact = "Picture 1, saturation 0.375 (any target), after exact control"
    assert image.get_attribute("alt") == exact
    assert cell(page, 0, 0) == free, "without control there is no target to meet"
    assert seen(page, 4, 1) != raw
    assert page.locator("[data-column='1'] .got").inner_text() == "got 0.375"


def test_rival_and_fitted_original_stand_below_each_picture_and_move_with_it(page: Page) -> None:
    slider, names = page.get_by_role("slider"), ("recoloured baseline", "fitted original")
    kinds = dict(zip(("recoloured", "fitted"), names, strict=True))
    seen: dict[str, set[bytes]] = {kind: set() for kind in kinds}
    slider.focus()
    for target in TARGET_RANGES[:4]:
        page.keyboard.press("ArrowRight")
        for kind, name in kinds.items():
            picture = companion(page, 4, 1, kind)
            alt = f"Picture 5, saturation {target:g} (any target), {name}"
            assert picture.get_attribute("alt") == alt
            seen[kind].add(picture.screenshot())
    assert {len(pictures) for pictures in seen.values()} == {4}
    # The trial of any target stands at the targets of the others, beside them.
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    one, other = (companion(page, 4, column, "fitted").screenshot() for column in (1, 2))
    assert one == other
    assert companion(page, 0, 4, "recoloured").count() == 0, "the hue has no rival"
    page.get_by_role("checkbox").uncheck()
    assert page.locator(".companion").first.is_hidden()


def test_a_cell_shows_its_picture_its_numbers_and_the_way_there(page: Page) -> None:
    page.locator(".images .photo").nth(4).locator("button").nth(3).click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == "Picture 5, saturation 0.75"
    captions = dialog.locator("figcaption").all_inner_texts()
    assert captions == [
        *("grayscale", "original", "original moved to the target", "colorized: saturation 0.75"),
        *("after exact control", "without control, recoloured", "step 2", "step 4"),
    ]
    assert source(page, "dialog img", 3) == cell(page, 4, 3)
    numbers = dialog.locator("tbody tr").inner_text().split()
    name, wanted, achieved, exact, reachable, original = numbers
    assert (name, wanted) == ("saturation", "0.750")
    assert float(exact) == pytest.approx(float(reachable), abs=0.005)
    assert all(0 <= float(value) <= 1 for value in (achieved, reachable, original))
    assert dialog.evaluate("it => it.scrollWidth <= it.clientWidth"), "no sideways scrolling"
    box = dialog.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.firstElementChild.alt") == (
        "Picture 5, saturation 0.75"
    )


def test_a_cell_of_any_target_shows_its_picture_at_every_one(page: Page) -> None:
    page.locator(".images .photo").nth(4).locator("button").nth(1).click()
    captions = page.locator("dialog .targets figcaption").all_inner_texts()
    assert captions == [f"{target:g}" for target in TARGET_RANGES]
    for key, target in (("ArrowRight", 0.625), ("ArrowLeft", 0.5)):
        page.keyboard.press(key)
        heading = page.locator("dialog h2").inner_text()
        assert heading == f"Picture 5, saturation {target:g} (any target)"


def test_the_dialog_leads_to_the_trial_in_the_table(page: Page) -> None:
    page.locator(".images .photo").nth(1).locator("button").nth(3).click()
    page.get_by_role("link", name="All numbers of this trial").click()
    assert page.locator("dialog").is_hidden()
    row = page.locator("tr:target")
    assert row.locator("th").inner_text().startswith("saturation=0.75")
    expect(row).to_be_in_viewport()


def test_the_pictures_and_the_dialog_go_by_arrow_keys(page: Page) -> None:
    page.locator(".images button").first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.firstElementChild.alt") == (
        "Picture 1, without control"
    )
    page.keyboard.press("Enter")
    heading = page.locator("dialog h2")
    assert heading.inner_text() == "Picture 1, without control"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert heading.inner_text() == "Picture 2, saturation 0 (any target)"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert heading.inner_text() == "Picture 1, saturation 0 (any target)", "there is none above"
    page.get_by_role("button", name="Close").click()
    assert page.locator("dialog").is_hidden()
