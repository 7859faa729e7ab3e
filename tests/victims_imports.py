"""What the fork server of ``victims`` imports: all that a training with its tracking needs."""

import tempfile
from pathlib import Path

import torch

import gan.fid
import gan.trainer
import orchestrator.train
from reports.tracking import connect

# What the first optimizer and the first tracking store of a process import takes seconds.
torch.optim.Adam([torch.zeros(1, requires_grad=True)])
with tempfile.TemporaryDirectory() as directory:
    connect(f"sqlite:///{Path(directory)}/mlflow.db")

__all__ = ["gan", "orchestrator", "torch"]
