"""The demo's page, served by the command in a process of its own."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.processes import Program

expect.set_options(timeout=30_000)  # Five seconds were too few on a busy machine.
PHOTO = Path(__file__).parents[2] / "gan/photos/train/alpaca-148.jpg"


class Demo(Program):
    """The command, until it has printed its address."""

    def __init__(self, temporary: Path, *arguments: str) -> None:
        self.temporary = temporary
        super().__init__("demo", *arguments, TMPDIR=str(temporary))
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "")
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", x) for x in lines)), None)
        assert found, self.end().stderr
        self.address = found[0]

    @property
    def private(self) -> Path:
        (directory,) = self.temporary.glob("tmp*")
        return directory


def numbers(page: Page, row: int = 0) -> list[float]:
    cells = page.locator("table.numbers tbody tr").nth(row).get_by_role("cell")
    return [float(text) for text in cells.all_inner_texts()]
