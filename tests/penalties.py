"""The control terms of the generator's loss, of given pictures."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gan.batch import Batch
from gan.config import TrainConfig
from gan.control import Control, ControlName
from gan.losses import Update, losses, terms


def penalties(rgb: Tensor, controls: Mapping[ControlName, Control]) -> dict[str, Tensor]:
    """Each control's term, weighted, for generated pictures (N, 3, H, W)."""
    config = TrainConfig(steps=1, controls=dict(controls))
    targets = {
        name: torch.full((len(rgb),), control.target, dtype=rgb.dtype)
        for name, control in controls.items()
    }
    batch = Batch(rgb[:, :1], rgb[:, :2], rgb, targets)
    update = Update(batch, rgb[:, :2], rgb)
    update.__dict__["rgb"] = rgb  # in place of what ab would show
    table = [term for term in terms(config) if term.name in controls]
    return losses(table, "generator", update)
