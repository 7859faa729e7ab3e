"""Training of one trial in this process, from its newest sound checkpoint to its end or a stop."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan.config import TrainConfig
from gan.errors import UserError
from gan.training.progress import Progress
from orchestrator.store.attempts import AttemptLog, attempts
from orchestrator.store.events import TrialEvent
from orchestrator.store.local_sweep import require_shared
from orchestrator.store.lock import lock
from orchestrator.store.paths import STOP, baseline_directory
from orchestrator.store.prune_marker import read_marker
from orchestrator.store.trial_state import keep_traceback, require_writable
from orchestrator.worker.node_metrics import sampler
from orchestrator.worker.stop_signal import StopReason, StopSignal
from reports.phase import TrialPhase

if TYPE_CHECKING:
    from orchestrator.worker.upload import UploadedTrial

PATIENCE = 60.0
"""Seconds to wait for the trial's previous process, whose launch is dead."""
LOOK_SECONDS = 1.0
"""Interval of checks for a stop request or a prune marker."""


@dataclass(frozen=True)
class TrialTask:
    """Trial as sent to a worker, in plain values only."""

    key: str
    config: dict[str, Any]
    directory: str
    """Directory of the trial on shared storage, or in the driver's mirror of ``storage``."""
    dataset_root: str
    """Directory that ``dataset_path`` is relative to."""
    on_gpu: bool
    """Whether a share of a GPU is reserved for the trial."""
    threads: int | None = None
    """Number of PyTorch threads; None for PyTorch's default."""
    storage: str | None = None
    """URI of the object store for the trial's checkpoints, if any."""
    path: str = ""
    """Path of the trial in the object store."""
    token: str = ""
    """Token of the launch, in the sweep's directory or its lease; empty without a launch."""
    sweep: str = ""
    """Name of the sweep, a label of its metrics like ``name``."""
    name: str = ""
    """Name of the trial for people."""
    objective: str = ""
    """Evaluation metric by which a search or scheduler compares trials, without ``eval/``."""

    def load(self) -> None:
        """Load the pictures, or keep those of the last task if they are the same."""
        from gan.data.datasets import load

        # Also computes the digest, so that forks of this process have it.
        _ = load(TrainConfig.model_validate(self.config), Path(self.dataset_root)).digest


class LocalTrial:
    """Trial in a shared directory; as a context manager, it watches for stop requests."""

    def __init__(self, directory: Path, stop: StopSignal) -> None:
        self.directory = directory
        self._stop = stop
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stop requests", daemon=True)

    def __enter__(self) -> "LocalTrial":
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def baseline(self, config: TrainConfig) -> Path | None:
        """Return the directory of a recoloured trial's baseline."""
        return baseline_directory(self.directory, config)

    def stored(self, progress: Progress) -> Progress:
        """Return the progress unchanged: a checkpoint is durable once it is written."""
        return progress

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            with suppress(OSError):  # a disk that fails for a while must not end this thread
                self._look()

    def _look(self) -> None:
        if (marker := read_marker(self.directory)) is not None:
            self._stop.set(StopReason.PRUNED, marker.reason)
        elif any((at / STOP).exists() for at in (self.directory.parent, self.directory)):
            self._stop.set(StopReason.USER)


def run(
    task: TrialTask, started: float, emit: Callable[[TrialEvent], None], stop: StopSignal
) -> TrialEvent:
    """Train a trial until it is finished or ``stop`` is set, and return the last event.

    ``started`` is when this worker began with the trial, in seconds since the epoch. ``emit``
    receives an event about once a second. A stop request or prune marker of the trial also sets
    ``stop``. The last event is of phase finished, stopped, pruned or failed; or waiting, of a trial
    that was asked to stop before it began.
    """
    config = TrainConfig.model_validate(task.config)
    try:
        trial = _trial(task, stop)
        require_writable(trial.directory)
        with lock(trial.directory, "this trial is trained", patience=PATIENCE), trial:
            if stop.reason is StopReason.USER and not attempts(trial.directory):
                return TrialEvent(task.key, TrialPhase.WAITING)
            log = AttemptLog(trial.directory, started)
            node = sampler(on_gpu=task.on_gpu)

            def report(progress: Progress) -> None:
                sample = None if node is None else node.sample(progress.step)
                stored = trial.stored(progress)
                event = TrialEvent(task.key, TrialPhase.RUNNING, stored, node=sample)
                log.write(event)
                emit(event)

            phase, reason = _fit(task, config, trial, report, stop)
            ended = TrialEvent(task.key, phase, reason=reason)
            log.write(ended)
            return ended
    except UserError as error:
        return TrialEvent(task.key, TrialPhase.FAILED, reason=str(error))


def _trial(task: TrialTask, stop: StopSignal) -> "LocalTrial | UploadedTrial":
    if task.storage is None:
        directory = Path(task.directory)
        if task.token:
            require_shared(directory.parent, task.token)
        return LocalTrial(directory, stop)
    from orchestrator.worker.upload import UploadedTrial

    return UploadedTrial(task.storage, task.path, task.token, stop)


def _fit(
    task: TrialTask,
    config: TrainConfig,
    trial: "LocalTrial | UploadedTrial",
    report: Callable[[Progress], None],
    stop: StopSignal,
) -> tuple[TrialPhase, str]:
    """Train; return the phase and reason of the last event."""
    if not stop.is_set():
        import torch

        from gan.data.datasets import load
        from gan.training.trainer import Trainer

        if task.threads is not None:
            torch.set_num_threads(task.threads)
        device = torch.device("cuda" if task.on_gpu else "cpu")
        try:
            trainer = Trainer(config, load(config, Path(task.dataset_root)), device)
            baseline = trial.baseline(config)
            if trainer.fit(
                trial.directory, baseline=baseline, on_progress=report, should_stop=stop.is_set
            ):
                return TrialPhase.FINISHED, ""
        except UserError as error:
            return TrialPhase.FAILED, str(error)
        except Exception as error:  # an internal error, with its traceback in the directory
            return TrialPhase.FAILED, keep_traceback(trial.directory, error)
    pruned = stop.reason is StopReason.PRUNED
    return TrialPhase.PRUNED if pruned else TrialPhase.STOPPED, stop.detail
