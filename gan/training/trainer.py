"""Loop of a training: steps and evaluations, until its end or a stop request."""

from collections.abc import Callable
from pathlib import Path

import torch

from gan import checkpoint
from gan.config import TrainConfig
from gan.data.datasets import Dataset
from gan.errors import Stopped
from gan.training.progress import Progress, evaluated_step, is_final
from gan.training.session import Session
from gan.training.state import Training


class Trainer:
    """Loop around a ``Training`` that resumes, saves and stops it."""

    def __init__(self, config: TrainConfig, dataset: Dataset, device: torch.device) -> None:
        """Start at step 0 with the weights that the config's seed determines."""
        self.training = Training(config, dataset, device)

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
            on_progress: called about once a second, after each evaluation and checkpoint, and
                before each target of the final evaluation.
            should_stop: polled about once a second and after each evaluation; if true, ``fit``
                takes a checkpoint and returns. Also polled before each target of the final
                evaluation, which is measured anew when the training resumes.

        Returns:
            Whether the training is complete.

        Raises:
            TrainingError: a loss is not finite; the last checkpoint is kept.
        """
        training, config = self.training, self.training.config
        interval = config.evaluation_interval(training.total_steps)
        is_done = self._resume(trial)
        # It was stopped in its final evaluation, and is to be longer now.
        lacks_evaluation = (
            0 < training.step < training.total_steps
            and training.step % interval == 0
            and evaluated_step(training.history) < training.step
        )
        with Session(training, trial, on_progress, should_stop) as session:
            try:
                if baseline is not None and self._take_over(baseline):
                    lacks_evaluation = False
                    is_done = training.step >= training.total_steps
                    if is_done:
                        session.evaluate()
                        session.save()
                session.begin()
                # It was stopped in its final evaluation, or was to be longer.
                ended = training.step >= training.total_steps and not is_done
                if ended or lacks_evaluation:
                    session.evaluate()
                    session.after_step(evaluated=True, ended=ended)
                while training.step < training.total_steps and not session.stopping:
                    training.train_step()
                    ended = training.step == training.total_steps
                    if ended or training.step % config.log_every == 0:
                        training.log_losses()
                    if evaluated := ended or training.step % interval == 0:
                        session.evaluate()
                    session.after_step(evaluated=evaluated, ended=ended)
            except Stopped:  # in the middle of the final evaluation
                session.keep_unevaluated()
                return False
        return training.step >= training.total_steps

    def _resume(self, trial: Path) -> bool:
        """Continue from the newest sound checkpoint in a trial's directory if it is further.

        Returns:
            Whether the training is now at the end of a training, with its final evaluation.
        """
        training = self.training
        found = checkpoint.newest(trial)
        if found is None or found.trial["step"] < training.step:
            return False
        if found.trial["step"] > training.step:
            training.restore(found)
        return is_final(found.trial)

    def _take_over(self, baseline: Path) -> bool:
        """Continue from the baseline's newest checkpoint if it is further; keep the own history.

        Returns:
            Whether it was.
        """
        training, step = self.training, self.training.step
        found = checkpoint.newest(baseline, checkpoint.TRIAL)
        if found is None or found.trial["step"] <= step:
            return False  # without reading every byte
        history = training.history
        self._resume(baseline)
        training.history = history
        return training.step > step
