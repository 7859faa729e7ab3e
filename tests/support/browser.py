"""The sweep whose report tests look at in a browser."""

from pathlib import Path
from typing import Literal

import torch
from playwright.sync_api import Locator, Page

from gan.config import TrainConfig
from gan.control import Control, ControlName
from gan.data.datasets import Dataset
from gan.training.trainer import Trainer
from reports.page import write_report
from reports.phase import TrialPhase
from reports.store import Launched, default_uri
from reports.tracking import RunUpdate
from tests.support.trackers import tracker_of

PHOTOGRAPHS = 6
BASELINE = TrainConfig(
    base_channels=4, batch_size=8, steps=4, eval_images=PHOTOGRAPHS, log_every=2, evaluate_every=2
)
SATURATIONS = (0.25, 0.75)


def steered_to(name: ControlName, target: float | Literal["any"]) -> TrainConfig:
    return BASELINE.model_copy(update={"controls": {name: Control(target=target)}})


ANY = steered_to("saturation", "any")
TARGET_RANGES = [i / 8 for i in range(9)]
"""Those at which it is measured."""
LINES = 1 + 3 * 2 + 2 + 9 * 2 + 9
"""Of the table: without control; steered, raw and exact; recoloured; of any target, both."""


def report_of(photos: Dataset, runs: Path, out: Path) -> Path:
    """A page of a baseline, saturations, a hue and recoloured trials; one has failed."""
    steered = [steered_to("saturation", target) for target in SATURATIONS]
    configs = [BASELINE, *steered, steered_to("hue", 0.6), ANY]
    configs += [BASELINE.recoloured_as(config) for config in (ANY, *steered)]
    tracker = tracker_of(default_uri(runs), "browsed", runs)
    tracker.note_launch(Launched("colorsweep launch browsed", len(configs)))
    for i, config in enumerate(configs):
        directory = runs / config.key()
        assert Trainer(config, photos, torch.device("cpu")).fit(directory)
        name = ", ".join(f"{n}={c.target}" for n, c in config.controls.items()) or "baseline"
        failed = "hue" in config.controls
        tracker.sync(
            RunUpdate(
                key=config.key(),
                name=("recoloured, " if config.recolour else "") + name,
                index=i,
                config=config,
                directory=directory,
                phase=TrialPhase.FAILED if failed else TrialPhase.FINISHED,
                reason="a loss <b>exploded</b>" if failed else "",
            )
        )
    return write_report(default_uri(runs), ["browsed"], out)


def source(page: Page, selector: str, index: int = 0) -> str:
    """The data URI of a picture."""
    return page.locator(selector).nth(index).get_attribute("src") or ""


def cell(page: Page, row: int, column: int) -> str:
    """The data URI of a trial's picture of a photograph."""
    return (
        page.locator(".images .photo")
        .nth(row)
        .locator("button img")
        .nth(column)
        .get_attribute("src")
        or ""
    )


def companion(page: Page, row: int, column: int, kind: str) -> Locator:
    """The picture of a kind below that of a photograph and trial."""
    line = page.locator(f".images .companion[data-kind={kind}]").nth(row)
    return line.locator("td").nth(column).locator("img")


def seen(page: Page, row: int, column: int) -> bytes:
    """What is seen of a trial's picture."""
    return page.locator(".images .photo").nth(row).locator("button").nth(column).screenshot()
