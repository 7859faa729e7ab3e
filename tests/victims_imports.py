"""What the fork server of ``victims`` imports: all that a training with its tracking needs."""

import tempfile
from pathlib import Path

import gan.fid
import gan.trainer
import orchestrator.remote.mirror
import orchestrator.remote.uploads
import orchestrator.sender
import orchestrator.task
import orchestrator.watch
from reports.store import connect

# What the first tracking store of a process imports takes seconds.
with tempfile.TemporaryDirectory() as directory:
    connect(f"sqlite:///{Path(directory)}/mlflow.db")

__all__ = ["gan", "orchestrator"]
