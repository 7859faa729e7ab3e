"""A report of two sweeps that have trials in common."""

import re
from pathlib import Path

import pytest
import torch

from gan.config import TrainConfig
from gan.control import Control
from gan.data.datasets import Dataset
from gan.training.trainer import Trainer
from reports.page import write_report
from reports.phase import TrialPhase
from reports.rows import metric
from reports.store import default_uri, opened, read_sweep
from reports.tracking import RunUpdate
from tests.support.trackers import tracker_of

BASELINE = TrainConfig(
    base_channels=4, batch_size=8, steps=4, eval_images=12, log_every=2, evaluate_every=2
)


def weighted(weight: float) -> TrainConfig:
    controls = {"saturation": Control(target=0.75, weight=weight)}
    return BASELINE.model_copy(update={"controls": controls})


def seeded(config: TrainConfig) -> TrainConfig:
    return config.model_copy(update={"seed": 5})


SWEEPS = {
    "one": [BASELINE, weighted(1), weighted(10)],
    "two": [BASELINE, weighted(1), weighted(99)],
    "three": [seeded(BASELINE), seeded(weighted(1)), seeded(weighted(99))],
}


def heads_of(text: str) -> list[str]:
    """What stands above each trial's pictures."""
    heads = re.findall(r'<th scope="col" data-column.*?</th>', text, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", head).replace("★", "").split()) for head in heads]


@pytest.mark.slow
def test_what_both_have_stands_once_beside_what_differs(
    quick_evaluations: None, photos: Dataset, tmp_path: Path
) -> None:
    for sweep, configs in SWEEPS.items():
        tracker = tracker_of(default_uri(tmp_path), sweep, tmp_path)
        for i, config in enumerate(configs):
            directory = tmp_path / config.key()
            trainer = Trainer(config, photos, torch.device("cpu"))
            assert trainer.fit(directory)
            update = RunUpdate(
                key=config.key(),
                name=str(i),
                index=i,
                config=config,
                directory=directory,
                phase=TrialPhase.FINISHED,
            )
            tracker.sync(update)
    with opened(default_uri(tmp_path)) as client:
        baseline, *_ = read_sweep(client, "one")
    without = metric(baseline, "saturation")
    assert without is not None
    text = write_report(default_uri(tmp_path), ["one", "two"], tmp_path / "out").read_text("utf-8")
    words = heads_of(text)
    assert words[0] == f"no target got {without:.3f} one + two"
    notes = [re.sub(r"^0.75 got 0\.\d+ ", "", word) for word in words[1:]]
    assert notes == ["one + two, λ 1", "one, λ 10", "two, λ 99"]

    # Of other seeds: an equal recipe, but pictures of its own that are not shown.
    page = write_report(default_uri(tmp_path), ["one", "three"], tmp_path / "out")
    words = heads_of(page.read_text("utf-8"))
    notes = [re.sub(r"^0.75 got 0\.\d+ ", "", word) for word in words[1:]]
    assert notes == ["one, λ 1", "one, λ 10", "three, λ 99, seed 5"]
