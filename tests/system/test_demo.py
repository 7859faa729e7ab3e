"""The demo's page in headless Chromium, served by the command in a process of its own."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
import pyvips
import requests
from PIL import Image
from playwright.sync_api import Page, expect

from gan.inference.outcomes import outcomes
from orchestrator.inference.image_files import read_picture
from tests.support.chromium import CHROMIUM, NARROW, WIDE, Tab, amiss
from tests.support.demo import PHOTO, Demo, numbers

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (chromium in Debian)"),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("temporary"))
    yield demo
    demo.process.send_signal(signal.SIGINT)
    done = demo.end()
    assert (done.returncode, done.stderr) == (0, "ended; the uploads are removed\n")
    assert list(demo.temporary.glob("tmp*")) == []


@pytest.fixture
def index(demo: Demo, tab: Tab, size: tuple[int, int]) -> Iterator[Page]:
    """The page; at the end it must have asked this server alone, and met no error."""
    tab.page.set_default_timeout(60_000)
    tab.open(demo.address, size)
    tab.page.locator("input[type=file]").wait_for(state="attached")
    yield tab.page
    tab.settle()
    assert [text for kind, text in tab.said if kind == "error"] == []
    hosts = {urlsplit(url).netloc for url in tab.asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(demo.address).netloc}


def upload(page: Page, file: Path) -> None:
    page.locator("input[type=file]").set_input_files(file)


def after(page: Page) -> str:
    return page.get_by_role("img", name="After: ").get_attribute("src") or ""


def test_a_move_changes_picture_and_numbers_and_the_download_has_them(
    index: Page, demo: Demo, size: tuple[int, int], tmp_path: Path
) -> None:
    upload(index, PHOTO)
    slider = index.get_by_role("slider", name="saturation")
    expect(index.locator("table.numbers")).to_be_visible()
    assert numbers(index) == pytest.approx([0.3] * 3, abs=0.002)
    first = after(index)
    slider.focus()
    for _ in range(9):
        index.keyboard.press("ArrowRight")
    expect(index.locator("table.numbers tbody td").first).to_have_text("0.390")
    assert numbers(index) == pytest.approx([0.39] * 3, abs=0.002)
    assert after(index) != first
    expect(slider).to_be_in_viewport()
    expect(index.get_by_role("img", name="After: ")).to_be_in_viewport(ratio=1)
    assert index.evaluate("document.documentElement.scrollWidth") <= size[0]
    with index.expect_download() as download:
        index.get_by_role("button", name="Download in full size").click()
    assert download.value.suggested_filename == "alpaca-148-colorized.jpg"
    file = tmp_path / "got.jpg"
    download.value.save_as(file)
    samples, original = read_picture(file).samples, read_picture(PHOTO).samples
    assert samples.shape == original.shape
    achieved = outcomes(samples, {"saturation": 0.39})["saturation"].achieved
    assert achieved == pytest.approx(0.39, abs=0.01), "JPEG moves it"
    expect(index.get_by_text("alpaca-148-colorized.jpg is written in full size")).to_be_visible()
    index.get_by_role("slider", name="saturation").press("ArrowRight")
    expect(index.get_by_text("is written in full size")).to_have_count(0)
    connections = psutil.Process(demo.process.pid).net_connections("inet")
    assert {c.laddr.ip for c in connections} | {c.raddr.ip for c in connections if c.raddr} == {
        "127.0.0.1"
    }
    assert demo.private.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("size", [WIDE], indirect=True)
def test_sixteen_bits_and_transparency_are_kept(index: Page, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    samples = random.integers(0, 2**16, (90, 1100, 4), np.uint16)
    samples[:, :500, 3] = 0
    pyvips.Image.new_from_array(samples).copy(interpretation="rgb16").write_to_file(
        str(tmp_path / "deep.png")
    )
    upload(index, tmp_path / "deep.png")
    told = "deep.png: 1100x90, 16 bits; coloured anew, from its lightness alone"
    expect(index.get_by_text(told)).to_be_visible()
    with index.expect_download() as download:
        index.get_by_role("button", name="Download in full size").click()
    download.value.save_as(tmp_path / "got.png")
    got = read_picture(tmp_path / "got.png").samples
    assert got.shape == samples.shape
    assert got.dtype == np.uint16
    assert (got[..., 3] == samples[..., 3]).all()


@pytest.mark.parametrize("size", [NARROW], indirect=True)
def test_what_colorize_refuses_is_refused_in_its_words(index: Page, tmp_path: Path) -> None:
    cases = {"notes.jpg": "cannot be read as an image", "old.gif": "GIF is read, but not written"}
    (tmp_path / "notes.jpg").write_text("no picture")
    Image.new("RGB", (8, 8)).save(tmp_path / "old.gif")
    Image.new("1", (100_001, 1)).save(tmp_path / "long.png")
    cases["long.png"] = "100001x1 pixels; valid"
    for name, words in cases.items():
        upload(index, tmp_path / name)
        alert = index.get_by_role("alert").filter(has_text=words)
        expect(alert).to_be_visible()
        assert alert.inner_text().startswith(f"{name}: "), "not the path on the server"
        expect(index.get_by_role("button", name="Download in full size")).to_be_disabled()
        index.get_by_role("button", name="Clear").or_(
            index.get_by_label(re.compile("clear|remove", re.I))
        ).first.click()
    upload(index, PHOTO)
    expect(index.get_by_role("img", name="After: ")).to_be_visible()


@pytest.mark.parametrize("size", [NARROW], indirect=True)
def test_other_statistics_are_moved_too(index: Page) -> None:
    upload(index, PHOTO)
    expect(index.locator("table.numbers")).to_be_visible()
    assert index.get_by_role("slider", name="hue").count() == 0
    index.get_by_role("button", name="Other statistics").click()
    index.get_by_role("checkbox", name="warmth").check()
    expect(index.locator("table.numbers tbody tr")).to_have_count(2)
    slider = index.get_by_role("slider", name="warmth")
    expect(slider).to_be_visible()
    began = float(slider.input_value())
    assert numbers(index) == pytest.approx([0.3] * 3, abs=0.02), "it begins at what there was"
    slider.press("ArrowRight")
    expect(index.locator("table.numbers tbody tr").nth(1)).to_contain_text(f"{began + 0.01:.3f}")
    _, achieved, reachable = numbers(index, 1)
    assert achieved == pytest.approx(reachable, abs=0.01)


@pytest.mark.parametrize("size", [WIDE], indirect=True)
def test_boxes_that_are_ticked_quickly_decide_sliders_and_numbers(index: Page) -> None:
    upload(index, PHOTO)
    expect(index.locator("table.numbers")).to_be_visible()
    index.get_by_role("button", name="Other statistics").click()
    boxes, sliders = index.get_by_role("checkbox"), index.get_by_role("slider")
    rows = index.locator("table.numbers tbody tr")
    for ticked in (9, 0):
        boxes.first.focus()
        for _ in range(9):
            index.keyboard.press("Space")
            index.keyboard.press("Tab")
        expect(rows).to_have_count(1 + ticked)
        expect(sliders).to_have_count(1 + ticked)
        index.wait_for_timeout(1000)
        expect(rows).to_have_count(1 + ticked)
        assert index.get_by_role("checkbox", checked=True).count() == ticked


@pytest.mark.parametrize("size", [WIDE], indirect=True)
def test_the_pictures_stay_in_sight_of_the_last_slider(index: Page) -> None:
    upload(index, PHOTO)
    index.get_by_role("button", name="Other statistics").click()
    expect(index.get_by_role("checkbox")).to_have_count(9)  # ``all`` does not wait
    for box in index.get_by_role("checkbox").all():
        box.check()
    last = index.get_by_role("slider", name="colourfulness")
    last.scroll_into_view_if_needed()
    index.mouse.wheel(0, 4000)
    picture = index.get_by_role("img", name="After: ").bounding_box()
    assert picture is not None
    assert 0 <= picture["y"] < 200


@pytest.mark.parametrize("size", [WIDE], indirect=True)
def test_a_number_typed_beyond_the_range_or_removed_is_the_nearest_allowed(index: Page) -> None:
    upload(index, PHOTO)
    wanted = index.locator("table.numbers tbody td").first
    expect(wanted).to_have_text("0.300")
    box = index.get_by_role("spinbutton", name="saturation")
    for typed, shown in {"7": "1", "-3": "0", "0.42": "0.42", "": "0"}.items():
        box.fill(typed)
        box.press("Tab")
        expect(wanted).to_have_text(f"{float(shown):.3f}")
        expect(box).to_have_value(shown)
    box.fill("7")
    box.press("Enter")
    expect(box).to_have_value("1")
    box.fill("0.6")
    expect(wanted).to_have_text("0.600")
    before = after(index)
    box.fill("")
    index.wait_for_timeout(1500)
    assert after(index) == before, "nothing moves until a number is typed"
    assert index.get_by_test_id("toast-body").count() == 0


def test_nothing_is_amiss_for_those_who_see_little_or_use_a_keyboard(index: Page) -> None:
    upload(index, PHOTO)
    expect(index.get_by_role("img", name="After: ")).to_be_visible()
    expect(index.get_by_role("button", name="Download in full size")).to_be_enabled()
    assert amiss(index) == []
    index.locator("body").press("Tab")
    reached = []
    for _ in range(12):
        reached.append(index.evaluate("document.activeElement.type ?? ''"))
        index.keyboard.press("Tab")
    assert "range" in reached
    index.get_by_role("slider", name="saturation").focus()
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert index.evaluate(style) == "solid", "focus is seen"
    assert index.get_by_text("Built with").count() == 0


@pytest.mark.parametrize("size", [WIDE], indirect=True)
def test_fast_moves_do_not_queue_up(index: Page) -> None:
    upload(index, PHOTO)
    expect(index.locator("table.numbers")).to_be_visible()
    index.get_by_role("slider", name="saturation").focus()
    began = time.monotonic()
    for _ in range(60):
        index.keyboard.press("ArrowRight")
    expect(index.locator("table.numbers tbody td").first).to_have_text("0.900")
    moved = time.monotonic() - began
    assert moved < 60 * 0.25, "many were passed over"


@pytest.mark.parametrize("size", [WIDE], indirect=True)
def test_a_photograph_that_is_removed_while_another_result_is_made_leaves_none(
    index: Page, tmp_path: Path
) -> None:
    Image.open(PHOTO).resize((1600, 1200)).save(tmp_path / "large.png")
    upload(index, tmp_path / "large.png")
    expect(index.get_by_role("img", name="After: ")).to_be_visible()
    index.get_by_role("button", name="Other statistics").click()
    for name in ("warmth", "hue"):
        index.get_by_role("checkbox", name=name).check()
    index.get_by_role("slider", name="saturation").press("ArrowRight")
    index.get_by_label(re.compile("clear|remove", re.I)).first.click()
    pictures = index.locator("figure")
    expect(pictures).to_have_count(0)
    index.wait_for_timeout(3000)
    assert pictures.count() == 0
    assert index.locator("table.numbers").count() == 0


def test_a_page_of_another_origin_can_send_nothing(demo: Demo) -> None:
    sent = {"files": ("x.png", b"x", "image/png")}
    for origin, status in (("http://example.org", 403), ("null", 403), (demo.address, 200)):
        answer = requests.post(
            f"{demo.address}/gradio_api/upload",
            files=sent,
            headers={"Origin": origin},
            timeout=60,
        )
        assert answer.status_code == status
