"""Headless Chromium for the tests of pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.chromium import CHROMIUM, NARROW, WIDE, Tab


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Tab:
    return Tab(browser.new_page())


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    chosen: tuple[int, int] = request.param
    return chosen


@pytest.fixture
def page(tab: Tab, index: Path, size: tuple[int, int]) -> Iterator[Page]:
    """The page, opened; at the end it must have asked for nothing, and complained of nothing."""
    tab.page.set_default_timeout(10_000)
    tab.open(index.as_uri(), size)
    yield tab.page
    tab.settle()
    assert tab.said == []
    assert [url for url in tab.asked if not url.startswith("data:")] == [index.as_uri()]
