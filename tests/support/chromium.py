"""Debian's Chromium, screens to look at pages on, and a tab that notes what they say."""

import shutil
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDE, NARROW = (1280, 800), (390, 844)


class Tab:
    """A tab for one test after another: to open another takes a second of a core."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[tuple[str, str]] = []
        """What the page says on the console, with the type of message, and its errors."""
        self.asked: list[str] = []
        """The addresses that it asks for."""
        page.on("console", lambda message: self.said.append((message.type, message.text)))
        page.on("pageerror", lambda error: self.said.append(("error", str(error))))
        page.on("request", lambda request: self.asked.append(request.url))

    def settle(self) -> None:
        """Hear what the page has said last: Playwright tells it during a call alone."""
        self.page.evaluate("0")

    def open(self, address: str, size: tuple[int, int]) -> None:
        """Forget the page of the test before, and open one."""
        self.page.goto("about:blank")
        self.said.clear()
        self.asked.clear()
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(media="screen", color_scheme="light")
        self.page.goto(address)


def amiss(page: Page, part: str | None = None) -> list[tuple[str, list[str]]]:
    """What axe finds wrong with a page, or with a part of it, and the elements that it is in."""
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    # It would describe every element that is in order too, which takes three times as long.
    options: dict[str, Any] = {"runOnly": rules, "resultTypes": ["violations"]}
    violations = Axe().run(page, part, options=options).response["violations"]
    return [(v["id"], [node["html"] for node in v["nodes"]]) for v in violations]
