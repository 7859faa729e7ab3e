"""A sweep of trials in every phase, and what its report is made of."""

import base64
import io
import json
import os
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image

from gan.config import TrainConfig
from gan.control import Control
from gan.data.datasets import load
from gan.data.picture_file import Pixels
from gan.training.trainer import Trainer
from reports.page import write_report
from reports.phase import TrialPhase
from reports.store import Launched, default_uri
from reports.tracking import RunUpdate
from tests.support.trackers import tracker_of

BASELINE = TrainConfig(
    base_channels=4, batch_size=8, steps=6, eval_images=12, log_every=2, evaluate_every=3
)
COLUMNS = {"trial", "control", "target", "weight", "achieved", "error", "reachable"} | {
    *("mae", "steps", "epochs", "seconds", "images_per_second"),
    *("way", "kid", "kid_low", "kid_high", "js_divergence", "fitted_ciede2000", "hue_spread"),
}


@dataclass(frozen=True)
class Told:
    """A trial as the tracking store is told of it."""

    name: str
    config: TrainConfig
    phase: TrialPhase
    steps: int
    """Of its directory's newest checkpoint."""
    reason: str = ""


def controlled(eval_targets: tuple[float, ...] = (), **targets: float | str) -> TrainConfig:
    controls = {name: {"target": target} for name, target in targets.items()}
    measured = [{name: target} for target in eval_targets for name in targets]
    settings = BASELINE.model_dump() | {"controls": controls, "eval_targets": measured}
    return TrainConfig.model_validate(settings)


ANY_TARGETS = (0.1, 0.5, 0.75, 0.9)
ANY = controlled(ANY_TARGETS, saturation="any")
RECOLOURED = BASELINE.recoloured_as(controlled(saturation=0.5))
WEAK = BASELINE.model_copy(update={"controls": {"saturation": Control(target=0.5, weight=1)}})
REASON = "loss/<script>l1</script> became nan | $_*`[x]"
TRIALS = [
    Told("baseline", BASELINE, TrialPhase.FINISHED, 6),
    Told("saturation=0.5", controlled(saturation=0.5), TrialPhase.FINISHED, 6),
    Told("saturation=0.5, saturation.weight=1", WEAK, TrialPhase.FINISHED, 6),
    Told("recoloured, saturation=0.5", RECOLOURED, TrialPhase.FINISHED, 6),
    Told("saturation=any", ANY, TrialPhase.FINISHED, 6),
    Told("recoloured, saturation=any", BASELINE.recoloured_as(ANY), TrialPhase.FINISHED, 6),
    Told("hue=0", controlled(hue=0), TrialPhase.FAILED, 3, REASON),
    Told("saturation=0.75, hue=0.6", controlled(saturation=0.75, hue=0.6), TrialPhase.STOPPED, 3),
    Told("red=1", controlled(red=1), TrialPhase.STARTING, 0),
    Told("hue=any", controlled(hue="any"), TrialPhase.STARTING, 0),
]
MEASURED = [trial for trial in TRIALS if trial.steps]
SIDE_BY_SIDE = [
    MEASURED[0],
    *(trial for trial in MEASURED if trial.name == "saturation=any"),
    *(trial for trial in MEASURED[1:] if not trial.config.recolour and trial.config != ANY),
]
"""Those whose pictures stand side by side, in order."""


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


def cut(png: bytes) -> dict[tuple[str, str], list[Pixels]]:
    """The pictures of a sample grid by kind and targets: 32 pixels are shown as 96, 4 between."""
    image = Image.open(io.BytesIO(png))
    grid = np.asarray(image.convert("RGB"))
    rows = json.loads(image.info["colorsweep"])
    return {
        (row["kind"], row["label"]): [
            grid[100 * i : 100 * i + 96 : 3, x : x + 96 : 3] for x in range(0, grid.shape[1], 100)
        ]
        for i, row in enumerate(rows)
    }


@cache
def mixed_runs(base: Path) -> Path:
    """A store with a sweep, and the directories of its trials; made once for all workers of xdist.

    Args:
        base: the session's directory, that of a worker.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    runs, made = base / "mixed runs", base / "mixed runs made"
    with FileLock(base / "mixed runs.lock"):
        if not made.exists():
            _make_runs(runs)
            made.touch()
    return runs


def _make_runs(runs: Path) -> None:
    photos = load(BASELINE)
    tracker = tracker_of(default_uri(runs), "mixed", runs)
    tracker.note_launch(Launched("colorsweep launch mixed.yaml", len(TRIALS) + 2))
    tracker_of(default_uri(runs), "empty", runs)
    for index, trial in enumerate(TRIALS):
        directory = runs / "sweeps" / trial.config.key()
        if trial.steps:
            config = trial.config.model_copy(update={"steps": trial.steps})
            assert Trainer(config, photos, torch.device("cpu")).fit(directory)
        tracker.sync(
            RunUpdate(
                key=trial.config.key(),
                name=trial.name,
                index=index,
                config=trial.config,
                directory=directory,
                phase=trial.phase,
                reason=trial.reason,
            )
        )
    begun = tracker_of(default_uri(runs), "begun", runs)
    begun.sync(
        RunUpdate(
            key="0123456789",
            name="baseline",
            index=0,
            config=BASELINE,
            directory=runs / "nothing",
            phase=TrialPhase.RUNNING,
        )
    )


@cache
def mixed_report(base: Path) -> Path:
    """The directory of the sweep's report."""
    out = base / "mixed report" / "deep"
    page = write_report(default_uri(mixed_runs(base)), ["mixed"], out)
    assert page == out / "index.html"
    return out


def evaluated(runs: Path, trial: Told) -> dict[str, float]:
    """The last evaluation of a trial, from its own directory."""
    file = runs / "sweeps" / trial.config.key() / "checkpoints" / f"step-{trial.steps:08}"
    history = json.loads((file / "trial.json").read_text())["history"]
    point: dict[str, float] = [p["metrics"] for p in history if "eval/mae" in p["metrics"]][-1]
    return point


def sample(runs: Path, trial: Told) -> bytes:
    directory = runs / "sweeps" / trial.config.key()
    return (directory / "samples" / f"step-{trial.steps:08}.png").read_bytes()
