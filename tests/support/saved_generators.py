"""What tests of generators at work share."""

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gan import checkpoint
from gan.config import TrainConfig
from gan.control import TARGET_RANGES, ControlName
from gan.data.identity import PHOTOS
from gan.inference.colorizer import Colorizer
from gan.model.networks import UNetGenerator, build
from reports.phase import TrialPhase
from reports.store import default_uri
from reports.tracking import RunUpdate
from tests.support import factories
from tests.support.trackers import tracker_of

PHOTOGRAPH = PHOTOS / "test" / "castle-060.jpg"


config = partial(factories.config, steps=6, base_channels=4, head_gain=1.0)


def steered(recolour: bool = False, **targets: float) -> TrainConfig:
    weight = 0 if recolour else 200
    controls = {name: {"target": target, "weight": weight} for name, target in targets.items()}
    return config(controls=controls, recolour=recolour)


def vivid(config: TrainConfig) -> UNetGenerator:
    """An untrained generator, of vivid colours once each layer has seen some pictures."""
    return _vivid(config.model_dump_json())


@cache
def _vivid(text: str) -> UNetGenerator:
    config = TrainConfig.model_validate_json(text)
    generator, _ = build(config)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)  # of dropout
        for _ in range(20):
            sides = 2 * config.image_size, config.image_size
            l = torch.rand(4, 1, *sides, generator=random) * 2 - 1  # noqa: E741
            generator.train()(l, {name: _drawn(name, random) for name in generator.conditions})
    return generator.eval()


def _drawn(name: ControlName, random: torch.Generator) -> Tensor:
    low, high = TARGET_RANGES[name]
    return low + torch.rand(4, generator=random) * (high - low)


def colorizer(**fields: Any) -> Colorizer:
    return Colorizer(vivid(config(**fields)))


def save(config: TrainConfig, directory: Path) -> Path:
    """Write a generator as it is exported."""
    for name, content in _files(config).items():
        checkpoint.write_file(directory / name, content)
    return directory


def _files(config: TrainConfig) -> dict[str, bytes]:
    return {
        checkpoint.GENERATOR: checkpoint.pack(vivid(config).state_dict()),
        checkpoint.CONFIG: config.model_dump_json().encode(),
    }


def track(
    runs: Path,
    sweep: str,
    name: str,
    config: TrainConfig,
    phase: TrialPhase = TrialPhase.FINISHED,
    metrics: dict[str, float] | None = None,
    index: int | None = None,
    digest: str = "",
) -> str:
    """Write a trial, by default the next, with its generator to the store; return its run's id."""
    trial = {"step": 6, "total_steps": 6, "epoch": 1.0, "seconds": 1.0, "device": "cpu"}
    trial |= {"versions": {}, "dataset_digest": digest, "images": 8}
    trial["history"] = [{"step": 6, "time": 1, "metrics": metrics or {"eval/mae": 0.1}}]
    files = {
        **_files(config),
        checkpoint.TRAINING: b"",
        checkpoint.TRIAL: json.dumps(trial).encode(),
    }
    directory = runs / "sweeps" / sweep / config.key()
    checkpoint.write(directory, 6, files)
    tracker = tracker_of(default_uri(runs), sweep, runs)
    tracker.sync(
        RunUpdate(
            key=config.key(),
            name=name,
            index=len(tracker.runs()) if index is None else index,
            config=config,
            directory=directory,
            phase=phase,
        )
    )
    run = tracker.run_of(config.key())
    assert run is not None
    return run.run_id


def photograph(
    height: int = 192, width: int = 256, dtype: type[np.uint8 | np.uint16] = np.uint8
) -> NDArray[Any]:
    """(height, width, 3)."""
    image = Image.open(PHOTOGRAPH).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    samples = np.array(image).astype(dtype)
    # The lower byte of 16 bits is busy too.
    return samples if dtype == np.uint8 else samples * 256 + np.roll(samples, 1, axis=0)
