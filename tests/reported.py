"""A sweep of trials in every state, and what its report is made of."""

import base64
import io
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from gan.config import TrainConfig
from gan.control import Control
from gan.images import Pixels
from reports.runs import State, Status

BASELINE = TrainConfig(
    base_channels=4, batch_size=8, steps=6, eval_images=12, log_every=2, evaluate_every=3
)
COLUMNS = {"trial", "control", "target", "weight", "achieved", "error", "reachable"} | {
    *("mae", "steps", "epochs", "seconds", "images_per_second")
}


@dataclass(frozen=True)
class Told:
    """A trial as the tracking store is told of it."""

    name: str
    config: TrainConfig
    status: Status
    steps: int
    """Of its directory's newest checkpoint."""
    state: State = "finished"
    """What the report is to say of it."""
    reason: str = ""


def controlled(**targets: float) -> TrainConfig:
    controls = {name: {"target": target} for name, target in targets.items()}
    return TrainConfig.model_validate(BASELINE.model_dump() | {"controls": controls})


RECOLOURED = BASELINE.recoloured_to(controlled(saturation=0.5).controls)
WEAK = BASELINE.model_copy(update={"controls": {"saturation": Control(target=0.5, weight=1)}})
REASON = "loss/<script>l1</script> became nan"
TRIALS = [
    Told("baseline", BASELINE, "FINISHED", 6),
    Told("saturation=0.5", controlled(saturation=0.5), "FINISHED", 6),
    Told("saturation=0.5, weight=1", WEAK, "FINISHED", 6),
    Told("recoloured, saturation=0.5", RECOLOURED, "FINISHED", 6),
    Told("hue=0 | $_*`[x]", controlled(hue=0), "FAILED", 3, "failed", REASON),
    Told("saturation=0.75, hue=0.6", controlled(saturation=0.75, hue=0.6), "KILLED", 3, "stopped"),
    Told("red=1", controlled(red=1), "RUNNING", 0, "not begun"),
]
MEASURED = [trial for trial in TRIALS if trial.steps]
HUNG = [trial for trial in MEASURED if not trial.config.recolour]
"""Those whose pictures stand side by side."""


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def pictures(self) -> list[Pixels]:
        return [decoded(attributes["src"]) for tag, attributes in self.tags if tag == "img"]


def decoded(uri: str) -> Pixels:
    start = "data:image/webp;base64,"
    assert uri.startswith(start)
    content = base64.b64decode(uri.removeprefix(start), validate=True)
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def cut(png: bytes) -> list[list[Pixels]]:
    """The pictures of a sample grid, by row: 32 pixels are shown as 96, with 4 between."""
    grid = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    return [
        [grid[y : y + 96 : 3, x : x + 96 : 3] for x in range(0, grid.shape[1], 100)]
        for y in (0, 100, 200)
    ]
