"""A trial as it travels to a worker, and what is done with it there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan.config import TrainConfig
from orchestrator.store.prune_marker import Request, read_mark
from orchestrator.store.trial_state import stop_file
from orchestrator.worker.run import train_trial

if TYPE_CHECKING:
    from gan.training.trainer import Progress
    from orchestrator.worker.upload import Uploads


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

    def load(self) -> None:
        """Load the pictures: those of the last task, if they are the same, are kept."""
        from gan.data.datasets import load

        # The digest too: a fork of this process then need not make it.
        _ = load(TrainConfig.model_validate(self.config), Path(self.dataset_root)).digest

    def run(
        self,
        *,
        started: float,
        on_progress: Callable[["Progress"], None],
        should_stop: Callable[[], bool],
    ) -> tuple[str, str]:
        """Train until the trial's end, or until somebody asks for one.

        Args:
            started: when the worker began with it, in seconds since the epoch.
            on_progress: called about once a second.
            should_stop: asked about once a second, beside the stop files and marks.

        Returns:
            How it ended, and why: ``"going"`` where ``should_stop`` was the reason.
        """
        import torch

        torch.set_num_threads(self.threads)
        uploads = self._uploads()
        directory = Path(self.directory) if uploads is None else uploads.directory

        def asked() -> Request | None:
            return _asked(directory) if uploads is None else uploads.asked

        if (end := asked()) is not None:
            return end
        state, reason = train_trial(
            TrainConfig.model_validate(self.config),
            directory,
            Path(self.dataset_root),
            torch.device("cuda" if self.on_gpu else "cpu"),
            started=started,
            on_progress=on_progress,
            should_stop=lambda: asked() is not None or should_stop(),
            uploads=uploads,
        )
        if state == "stopped":
            return asked() or ("going", "")
        return state, reason

    def _uploads(self) -> "Uploads | None":
        if self.storage is None:
            return None
        from orchestrator.worker.upload import Uploads

        return Uploads(self.storage, self.path, self.token)


def _asked(directory: Path) -> Request | None:
    """Return how a trial is to end, and why; None where it is to go on."""
    if (mark := read_mark(directory)) is not None:
        return "pruned", mark.reason
    stops = (stop_file(directory.parent), stop_file(directory))
    return ("stopped", "") if any(file.exists() for file in stops) else None
