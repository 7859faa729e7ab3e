"""What Ray Tune runs: one trial, from wherever its directory says it is."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from gan.config import TrainConfig
from orchestrator.pruned import Request, read_mark
from orchestrator.state import stop_file
from orchestrator.worker import train_trial

if TYPE_CHECKING:
    from orchestrator.uploads import Uploads


@dataclass(frozen=True)
class TrialTask:
    """A trial as it travels to a worker; plain values only."""

    key: str
    config: dict[str, Any]
    directory: str
    """Of the trial, on storage that every node sees; or the driver's mirror of ``storage``."""
    dataset_root: str
    """Directory that a relative ``dataset_path`` starts from."""
    threads: int
    on_gpu: bool
    """Whether a share of a GPU was set aside for it."""
    storage: str | None = None
    """URI of the object store that its checkpoints live in, if they do."""
    path: str = ""
    """Of the trial there."""
    token: str = ""
    """Of the launch's claim there."""


class NodeIsGoing(Exception):
    """This node will be taken away; a checkpoint is taken."""


def _node_is_going() -> bool:
    """Whether Ray drains this node: a preemption with notice, or ``ray drain-node``."""
    # Ray Train's own watcher for preemptions asks here; there is no public way.
    draining = ray._private.state.state.get_draining_nodes()
    return ray.get_runtime_context().get_node_id() in draining


def _uploads(task: TrialTask) -> "Uploads | None":
    if task.storage is None:
        return None
    from orchestrator.uploads import Uploads

    return Uploads(task.storage, task.path, task.token)


def _asked(directory: Path) -> Request | None:
    """Return how a trial is to end, and why; None where it is to go on."""
    if (mark := read_mark(directory)) is not None:
        return "pruned", mark.reason
    stops = (stop_file(directory.parent), stop_file(directory))
    return ("stopped", "") if any(file.exists() for file in stops) else None


def run_trial(config: dict[str, Any]) -> None:
    """Train a trial to its end or until it is asked to stop, reporting about once a second.

    The newest sound checkpoint in the trial's directory is where it goes on, be it after a
    killed worker or a new launch. An exception would come again, so it is reported as the
    trial's end; only a death of the process lets Ray try again.
    """
    started = time.time()
    task = TrialTask(**config["task"])
    os.environ["OMP_NUM_THREADS"] = str(task.threads)
    # torch is imported here, in the worker: the driver needs none of it.
    import torch

    from gan.trainer import Progress

    def report(progress: Progress) -> None:
        tune.report({"state": "running", **asdict(progress)})

    torch.set_num_threads(task.threads)
    uploads = _uploads(task)
    directory = Path(task.directory) if uploads is None else uploads.directory

    def asked() -> Request | None:
        return _asked(directory) if uploads is None else uploads.asked

    if (end := asked()) is not None:
        tune.report({"state": end[0], "reason": end[1]})
        return
    state: str
    state, reason = train_trial(
        TrainConfig.model_validate(task.config),
        directory,
        Path(task.dataset_root),
        torch.device("cuda" if task.on_gpu else "cpu"),
        started=started,
        on_progress=report,
        should_stop=lambda: asked() is not None or _node_is_going(),
        uploads=uploads,
    )
    if state == "stopped":
        if (end := asked()) is None:
            raise NodeIsGoing  # Tune goes on with the trial on another node
        state, reason = end
    tune.report({"state": state, "reason": reason})
