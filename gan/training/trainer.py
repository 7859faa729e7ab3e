"""Training loop: steps, evaluations and checkpoints, until the end or a stop request."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from gan import checkpoint
from gan.config import TrainConfig
from gan.data.datasets import Dataset
from gan.errors import Stopped
from gan.training.progress import Progress
from gan.training.saver import Saver, write
from gan.training.state import Training

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 0.02
"""Maximum share of time spent on checkpoints: the slower they are, the fewer are taken."""
PROGRESS_SECONDS = 1.0


class Trainer:
    """Loop around a ``Training`` that resumes, saves and stops it."""

    def __init__(self, config: TrainConfig, dataset: Dataset, device: torch.device) -> None:
        """Start at step 0 with the weights that the config's seed determines."""
        self.training = Training(config, dataset, device)
        self.checkpoint_seconds = 0.0

    def fit(
        self,
        trial: Path,
        *,
        baseline: Path | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end from the trial's newest checkpoint, or from step 0.

        Args:
            trial: the trial's directory, for checkpoints and sample grids.
            baseline: directory of the trial without control, whose training a recoloured trial
                shares; its newest checkpoint is used if further than the trial's own.
            on_progress: called about once a second and after each evaluation and checkpoint.
            should_stop: polled about once a second and after each evaluation; if true, ``fit``
                takes a checkpoint and returns. Also polled before each target of the final
                evaluation; if true, ``fit`` returns with only the checkpoint before it.

        Returns:
            Whether the training is complete.

        Raises:
            TrainingError: a loss is not finite; the last checkpoint is kept.
        """
        if (found := checkpoint.newest(trial)) is not None:
            self.training.restore(found)
        try:
            if baseline is not None:
                self._take_over(baseline, trial, on_progress, should_stop)
            with Saver(trial, self.training.step) as saver:
                return self._fit(trial, saver, on_progress, should_stop)
        except Stopped:  # in the middle of an evaluation, without which its step is incomplete
            return False

    def _fit(
        self,
        trial: Path,
        saver: Saver,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> bool:
        training = self.training
        on_progress(self.progress(0.0, saver.durable_step))
        saved = shown = before = time.monotonic()
        shown_step = training.step
        while training.step < training.total_steps:
            training.train_step()
            ended = training.step == training.total_steps
            if ended or training.step % training.config.log_every == 0:
                training.log_losses()
            if evaluated := ended or training.step % training.config.evaluate_every == 0:
                self._keep_evaluation(trial, saver.durable_step, on_progress, should_stop)
            now = time.monotonic()
            training.seconds += now - before
            before = now
            stopping = False
            # Every evaluation is reported: a scheduler compares trials at the same steps.
            if showing := evaluated or now - shown > PROGRESS_SECONDS:
                stopping = should_stop()
            showing |= saver.look()
            due = evaluated or now - saved > CHECKPOINT_SECONDS
            if stopping or ended or (due and now - saved > saver.seconds() / CHECKPOINT_SHARE):
                saver.put(training.step, training.sound_state(), began=now)
                if stopping or ended:
                    saver.wait()
                    showing = True
                saved, before = now, time.monotonic()
                self.checkpoint_seconds += before - now
            if showing:
                images = (training.step - shown_step) * training.config.batch_size
                on_progress(self.progress(images / (now - shown), saver.durable_step))
                shown, shown_step = time.monotonic(), training.step
            if stopping:
                break
        return training.step >= training.total_steps

    def _take_over(
        self,
        baseline: Path,
        trial: Path,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        """Continue from the baseline's newest checkpoint if it is further; keep the own history."""
        training = self.training

        def further(*, digests: bool) -> Path | None:
            found = checkpoint.newest(baseline, digests=digests)
            ahead = found is not None and checkpoint.read_trial(found)["step"] > training.step
            return found if ahead else None

        # Digests need every byte, so they are checked only if there is something to take over.
        if further(digests=False) is None or (found := further(digests=True)) is None:
            return
        history = training.history
        training.restore(found)
        training.history = history
        if training.step >= training.total_steps:
            self._keep_evaluation(trial, 0, on_progress, should_stop)
            self.save(trial)

    def _keep_evaluation(
        self,
        trial: Path,
        durable_step: int,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        training = self.training
        training.require_health()

        def tell(done: int, count: int) -> None:
            if should_stop():
                raise Stopped
            if count > 1:
                measuring = f"{done + 1} of {count}"
                on_progress(replace(self.progress(0.0, durable_step), measuring=measuring))

        file, sample = checkpoint.sample_file(trial, training.step), training.evaluate(tell)
        checkpoint.persist(lambda: checkpoint.write_file(file, sample), file)

    def progress(self, images_per_second: float, durable_step: int) -> Progress:
        """Return the trial's current progress."""
        training = self.training
        metrics = checkpoint.newest_metrics(training.history)
        return Progress(
            training.step,
            training.total_steps,
            training.epoch,
            images_per_second,
            metrics,
            durable_step,
            training.seconds,
            self.checkpoint_seconds,
            max((p["step"] for p in training.history if "eval/mae" in p["metrics"]), default=0),
        )

    def save(self, trial: Path) -> None:
        """Write a checkpoint, and wait for it.

        Raises:
            TrainingError: a loss or a weight is not finite; or storage refuses the checkpoint, or
                fails for longer than ``checkpoint.RETRY_SECONDS``.
        """
        write(trial, self.training.step, self.training.sound_state())
