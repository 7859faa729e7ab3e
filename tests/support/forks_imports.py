"""Imports of the fork server of ``forks``: what trainings and take-overs need."""

import tempfile
from pathlib import Path

import gan.evaluation.fid
import gan.training.trainer
import orchestrator.driver.monitor
import orchestrator.driver.tracking_sync
import orchestrator.store.object_sweep
import orchestrator.worker.run
import orchestrator.worker.upload
from reports.store import connect

# What the first tracking store of a process imports takes seconds.
with tempfile.TemporaryDirectory() as directory:
    connect(f"sqlite:///{Path(directory)}/mlflow.db")

__all__ = ["gan", "orchestrator"]
