from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gan.config import TrainConfig
from gan.data.datasets import load
from gan.training.trainer import Trainer

CUDA = torch.device("cuda")
CONVOLUTIONS = torch.backends.cudnn.conv  # type: ignore[attr-defined]


@pytest.fixture(scope="module", autouse=True)
def quick(quick_evaluations: None) -> None:
    """Evaluate without KID."""


@pytest.fixture
def exact_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 in full: TF32, which PyTorch lets convolutions use, has 10 bits."""
    monkeypatch.setattr(CONVOLUTIONS, "fp32_precision", "ieee")


@pytest.fixture
def on_gpu(small_npz: Path) -> Callable[..., Trainer]:
    """Start a small training on the GPU; every option can be set."""

    def start(**fields: Any) -> Trainer:
        config = TrainConfig.model_validate(
            {
                "dataset": "npz",
                "dataset_path": str(small_npz),
                "base_channels": 8,
                "batch_size": 16,
                "steps": 40,
                "log_every": 5,
                "evaluate_every": 10,
                "eval_images": 12,
                "penalty_from_step": 0.0,
                "controls": {"saturation": {"target": 0.75}, "hue": {"target": 0.6}},
                **fields,
            }
        )
        return Trainer(config, load(config), CUDA)

    return start
