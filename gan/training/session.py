"""Session of a training: clocks, checkpoints and progress of one process."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gan import checkpoint
from gan.errors import Stopped
from gan.training.progress import Progress, evaluated_step, newest_metrics
from gan.training.saver import Saver
from gan.training.state import Training

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 0.02
"""Maximum share of time spent on checkpoints: the slower they are, the fewer are taken."""
PROGRESS_SECONDS = 1.0


class Session:
    """Process's time with a trial; as a context manager, waits for the last checkpoint at exit."""

    def __init__(
        self,
        training: Training,
        trial: Path,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.stopping = False
        """Whether the training is to end before its last step."""
        self._training, self._trial = training, trial
        self._on_progress, self._should_stop = on_progress, should_stop
        self._saver = Saver(trial)
        self._checkpoint_seconds = 0.0
        self._evaluation_seconds = 0.0
        """Time of the evaluation since the last step."""
        self._saved = self._shown = self._counted = time.monotonic()
        self._shown_step = 0
        self._begun = False
        """Whether time counts: not while a baseline's training is taken over and evaluated."""

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._saver.close()

    def begin(self) -> None:
        """Start the clocks, and show where the training begins."""
        self._saver.durable_step = self._shown_step = self._training.step
        self._on_progress(self._progress(0.0))
        self._saved = self._shown = self._counted = time.monotonic()
        self._begun = True

    def evaluate(self) -> None:
        """Evaluate the generator and keep its sample grid.

        Raises:
            Stopped: a stop was asked for before the last target.
            TrainingError: a loss or weight is not finite, or storage refuses the grid.
        """
        training, began = self._training, time.monotonic()
        training.require_health()

        def tell(done: int, count: int) -> None:
            if self._should_stop():
                raise Stopped
            measuring = f"{done + 1} of {count}"
            taken = time.monotonic() - began if self._begun else 0.0
            progress = self._progress(0.0)
            self._on_progress(replace(progress, measuring=measuring, evaluation_seconds=taken))

        file = checkpoint.sample_file(self._trial, training.step)
        try:
            sample = training.evaluate(tell)
            checkpoint.persist(lambda: checkpoint.write_file(file, sample), file)
        finally:
            self._evaluation_seconds = time.monotonic() - began
            self._shown += self._evaluation_seconds  # the rate is that of steps

    def keep_unevaluated(self) -> None:
        """Save the steps before a final evaluation that was stopped, whose own time is lost.

        Raises:
            TrainingError: as ``save``.
        """
        if self._begun and self._training.step > self._saver.durable_step:
            self._counted += self._evaluation_seconds
            self._evaluation_seconds = 0.0
            self.after_step(evaluated=False, ended=True)

    def save(self) -> None:
        """Write a checkpoint, and wait for it.

        Raises:
            TrainingError: a loss or a weight is not finite; or storage refuses the checkpoint, or
                fails for longer than ``checkpoint.RETRY_SECONDS``.
        """
        self._saver.put(self._training.step, self._training.sound_state(), time.monotonic())
        self._saver.wait()

    def after_step(self, *, evaluated: bool, ended: bool) -> None:
        """Count the time of a step; save, show and look for a stop request where they are due."""
        now = time.monotonic()
        self._training.seconds += now - self._counted
        self._training.step_seconds += now - self._counted - self._evaluation_seconds
        self._evaluation_seconds = 0.0
        self._counted = now
        # Every evaluation is shown: a scheduler compares trials at the same steps.
        if showing := evaluated or now - self._shown > PROGRESS_SECONDS:
            self.stopping = self._should_stop()
        showing |= self._saver.look()
        last = self.stopping or ended
        if last or self._checkpoint_is_due(now, evaluated=evaluated):
            self._saver.put(self._training.step, self._training.sound_state(), began=now)
            if last:
                self._saver.wait()
            self._saved, self._counted = now, time.monotonic()
            self._checkpoint_seconds += self._counted - now
        if showing or last:
            self._show(now)

    def _checkpoint_is_due(self, now: float, *, evaluated: bool) -> bool:
        since = now - self._saved
        wanted = evaluated or since > CHECKPOINT_SECONDS
        return wanted and since > self._saver.seconds() / CHECKPOINT_SHARE

    def _show(self, now: float) -> None:
        training = self._training
        images = (training.step - self._shown_step) * training.config.batch_size
        self._on_progress(self._progress(images / (now - self._shown)))
        self._shown, self._shown_step = time.monotonic(), training.step

    def _progress(self, images_per_second: float) -> Progress:
        training = self._training
        return Progress(
            step=training.step,
            total_steps=training.total_steps,
            epoch=training.epoch,
            images_per_second=images_per_second,
            metrics=newest_metrics(training.history),
            durable_step=self._saver.durable_step,
            seconds=training.seconds,
            checkpoint_seconds=self._checkpoint_seconds,
            evaluated_step=evaluated_step(training.history),
        )
