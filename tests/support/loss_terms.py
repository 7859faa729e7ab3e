"""Terms of the losses, of given pictures."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gan.config import TrainConfig
from gan.control import Control, ControlName
from gan.model.networks import Judgement
from gan.training.batch import Batch, Draws
from gan.training.losses import Update, losses, terms

NO_DRAWS = Draws({}, torch.empty(0), torch.empty(0, dtype=torch.long))


def penalties(rgb: Tensor, controls: Mapping[ControlName, Control]) -> dict[str, Tensor]:
    """Each control's term, weighted, for generated pictures (N, 3, H, W)."""
    config = TrainConfig(steps=1, controls=dict(controls))
    targets = {
        name: torch.full((len(rgb),), control.wanted, dtype=rgb.dtype)
        for name, control in controls.items()
    }
    batch = Batch(rgb[:, :1], rgb[:, :2], rgb, targets, rgb[:, :2])
    update = Update(batch, NO_DRAWS, rgb[:, :2], fake=Judgement(rgb[:, :1]))
    update.__dict__["rgb"] = rgb  # in place of what ab would show
    table = [term for term in terms(config) if term.name in controls]
    return losses(table, "generator", update)
