"""One trial: a training whose every bit follows from its config, however often it is stopped."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan import checkpoint
from gan.config import TrainConfig
from gan.data import Batches, held_out, mix
from gan.datasets import Dataset
from gan.errors import TrainingError
from gan.evaluate import HeldOut, colorize_batch, evaluate, sample_grid
from gan.fid import fid
from gan.plateaus import Plateaus
from gan.saver import Saver, write
from gan.step import GanStep
from gan.versions import versions

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 0.02
"""Of the time, at most, that checkpoints are written in: where one is slow, fewer are taken."""
PROGRESS_SECONDS = 1.0


@dataclass(frozen=True)
class Progress:
    """Where a trial is."""

    step: int
    total_steps: int
    epoch: float
    images_per_second: float
    """Of the last second or so."""
    metrics: dict[str, float]
    """The newest value of every metric of the history."""
    durable_step: int
    """Step of the newest checkpoint: what a kill now would leave."""
    seconds: float
    """Time spent on the trial's steps and evaluations, by all processes, as far as they counted."""
    checkpoint_seconds: float
    """Time that this process waited for checkpoints, beside it."""
    evaluated_step: int = 0
    """Step of the newest evaluation, 0 before the first."""


class Trainer:
    """Networks, optimizers and history of one trial; ``state`` and ``restore`` are all of it."""

    def __init__(self, config: TrainConfig, dataset: Dataset, device: torch.device) -> None:
        """Start at step 0, from the weights that the config's seed gives.

        Raises:
            UserError: there are fewer training images than a batch needs.
        """
        self.config = config
        self.device = device
        self.images = dataset.train.to(device)
        self.batches = Batches(self.images, config)
        self.held_out = HeldOut.of(
            held_out(dataset.test, config).to(device), pictures=len(dataset.test)
        )
        self.total_steps = config.total_steps(len(dataset.train))
        self.dataset_digest = dataset.digest
        self.gan = GanStep(config, device)
        self.step = 0
        self.logged_step = 0
        self.history: list[dict[str, Any]] = []
        self.plateaus = Plateaus()
        self.seconds = 0.0
        self.checkpoint_seconds = 0.0

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        return self.step * self.config.batch_size / len(self.images)

    def train_step(self) -> None:
        """Update the discriminator, then the generator, on the step's batch."""
        # Dropout draws from the global generator: seeded by the step, it is part of no state.
        torch.manual_seed(mix(self.config.seed, 2, self.step))
        self.gan(self.batches.at(self.step), self.step, self.lr_factor())
        self.step += 1

    def lr_factor(self) -> float:
        """Return the factor of both learning rates: a function of the step and the plateaus."""
        config = self.config
        exponent = float(self.plateaus.count)
        if config.lr_decay_steps is not None:
            exponent += self.step / config.lr_decay_steps
        return float(config.lr_decay_rate**exponent)

    def log_losses(self) -> None:
        """Add the mean losses since the last point to the history.

        Raises:
            TrainingError: one of them is not finite, or exploded.
        """
        self._require_health()
        means = self.gan.means(self.step, self.logged_step)
        self._record({f"loss/{name}": mean for name, mean in means.items()})
        if self.step % self.config.log_every != 0:
            return  # A training that is made longer goes on as if it had not ended here.
        self.gan.sums.zero_()
        self.logged_step = self.step
        if (patience := self.config.lr_plateau_steps) is not None:
            loss = sum(mean for name, mean in means.items() if name != "discriminator")
            self.plateaus = self.plateaus.after(loss, self.step, patience)

    def _require_health(self) -> None:
        if (failure := self.gan.failure()) is not None:
            raise TrainingError(failure)

    def evaluate(self) -> bytes:
        """Add the metrics on held-out images to the history and return the sample grid (PNG).

        FID takes long, and is added at the end of the training alone.
        """
        config = self.config
        aims = config.controls if config.recolour else None
        rgb = colorize_batch(self.gan.generator, self.held_out.l, aims)
        metrics = evaluate(rgb, self.held_out, config)
        if self.step >= self.total_steps:
            distance = fid(rgb, self.held_out.rgb, self.device)
            metrics |= {} if distance is None else {"fid": distance}
        self._record({f"eval/{name}": value for name, value in metrics.items()})
        return sample_grid(rgb, self.held_out, config)

    def _record(self, metrics: dict[str, float]) -> None:
        """Add a point to the history; its time (ms) is when it was made, and stays with it."""
        now = int(time.time() * 1000)
        self.history.append({"step": self.step, "time": now, "metrics": metrics})

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
            trial: the trial's directory; checkpoints and sample grids go there.
            baseline: directory of the trial without control, whose training is also that of one
                that recolours; it is gone on from where it is further than this one.
            on_progress: called about once a second and after each evaluation and checkpoint.
            should_stop: asked about once a second and after each evaluation; if so, a checkpoint
                is taken and ``fit`` ends.

        Returns:
            Whether the training is complete.

        Raises:
            TrainingError: a loss is not finite; the last checkpoint is kept.
        """
        if (found := checkpoint.newest(trial)) is not None:
            self.restore(found)
        if baseline is not None:
            self._take_over(baseline, trial)
        with Saver(trial, self.step) as saver:
            return self._fit(trial, saver, on_progress, should_stop)

    def _fit(
        self,
        trial: Path,
        saver: Saver,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> bool:
        on_progress(self.progress(0.0, saver.durable_step))
        saved = shown = before = time.monotonic()
        shown_step = self.step
        while self.step < self.total_steps:
            self.train_step()
            ended = self.step == self.total_steps
            if ended or self.step % self.config.log_every == 0:
                self.log_losses()
            if evaluated := ended or self.step % self.config.evaluate_every == 0:
                self._keep_evaluation(trial)
            now = time.monotonic()
            self.seconds += now - before
            before = now
            stopping = False
            # Every evaluation is shown: a scheduler compares trials at the same steps.
            if showing := evaluated or now - shown > PROGRESS_SECONDS:
                stopping = should_stop()
            showing |= saver.look()
            due = evaluated or now - saved > CHECKPOINT_SECONDS
            if stopping or ended or (due and now - saved > saver.seconds() / CHECKPOINT_SHARE):
                saver.put(self.step, self.sound_state(), began=now)
                if stopping or ended:
                    saver.wait()
                    showing = True
                saved, before = now, time.monotonic()
                self.checkpoint_seconds += before - now
            if showing:
                images = (self.step - shown_step) * self.config.batch_size
                on_progress(self.progress(images / (now - shown), saver.durable_step))
                shown, shown_step = time.monotonic(), self.step
            if stopping:
                break
        return self.step >= self.total_steps

    def _take_over(self, baseline: Path, trial: Path) -> None:
        """Go on from the baseline's newest checkpoint, where it is further; keep the history."""

        def further(*, digests: bool) -> Path | None:
            found = checkpoint.newest(baseline, digests=digests)
            ahead = found is not None and checkpoint.read_trial(found)["step"] > self.step
            return found if ahead else None

        # Every byte is read only where there is something to take over.
        if further(digests=False) is None or (found := further(digests=True)) is None:
            return
        history = self.history
        self.restore(found)
        self.history = history
        if self.step >= self.total_steps:
            self._keep_evaluation(trial)
            self.save(trial)

    def _keep_evaluation(self, trial: Path) -> None:
        self._require_health()
        file, sample = checkpoint.sample_file(trial, self.step), self.evaluate()
        checkpoint.persist(lambda: checkpoint.write_file(file, sample), file)

    def progress(self, images_per_second: float, durable_step: int) -> Progress:
        """Describe where the trial is."""
        metrics = checkpoint.newest_metrics(self.history)
        return Progress(
            self.step,
            self.total_steps,
            self.epoch,
            images_per_second,
            metrics,
            durable_step,
            self.seconds,
            self.checkpoint_seconds,
            max((p["step"] for p in self.history if "eval/mae" in p["metrics"]), default=0),
        )

    def save(self, trial: Path) -> None:
        """Write a checkpoint, and wait for it.

        Raises:
            TrainingError: a loss or a weight is not finite. Or storage refuses it, or fails for
                longer than ``checkpoint.RETRY_SECONDS``.
        """
        write(trial, self.step, self.sound_state())

    def sound_state(self) -> dict[str, bytes]:
        """Return the state of a training that is worth going on with.

        Raises:
            TrainingError: a loss or a weight is not finite.
        """
        self._require_health()
        return self.state()

    def state(self) -> dict[str, bytes]:
        """Everything to go on with, as files: networks, optimizers, step, history, config.

        Sample order, crops, flips and dropout follow from seed and step and need no state.

        Raises:
            TrainingError: a tensor of it is not finite.
        """
        tensors = {
            f"{part}.{name}": tensor.cpu()
            for part, entries in self.gan.state().items()
            for name, tensor in entries.items()
        }
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise TrainingError(f"{name} was not finite at step {self.step}")
        generator = _below("generator", tensors)
        trial = {
            "config": self.config.model_dump(mode="json"),
            "step": self.step,
            "logged_step": self.logged_step,
            "plateaus": asdict(self.plateaus),
            "total_steps": self.total_steps,
            "images": len(self.images),
            "epoch": self.epoch,
            "seconds": self.seconds,
            "device": device_name(self.device),
            "dataset_digest": self.dataset_digest,
            "versions": versions(),
            "history": self.history,
        }
        return {
            checkpoint.GENERATOR: checkpoint.pack(generator),
            checkpoint.CONFIG: self.config.model_dump_json(indent=1).encode(),
            checkpoint.TRAINING: checkpoint.pack(
                {k: t for k, t in tensors.items() if not k.startswith("generator.")}
            ),
            checkpoint.TRIAL: json.dumps(trial, indent=1).encode(),
        }

    def restore(self, path: Path) -> None:
        """Go back to a checkpoint's state, bit for bit.

        Raises:
            TrainingError: it was trained on another number of images, or is of other networks.
        """
        trial = checkpoint.read_trial(path)
        if trial["images"] != len(self.images):
            raise TrainingError(
                f"dataset: {len(self.images)} training images, but {trial['images']} when this "
                "trial began; give the changed dataset another dataset_path"
            )
        tensors = checkpoint.unpack((path / checkpoint.TRAINING).read_bytes())
        state = {part: _below(part, tensors) for part in {name.split(".")[0] for name in tensors}}
        state["generator"] = checkpoint.unpack((path / checkpoint.GENERATOR).read_bytes())
        try:
            self.gan.restore(state)
        except (RuntimeError, KeyError, IndexError, ValueError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise TrainingError(f"{path}: a checkpoint of other networks ({reason})") from None
        self.step = trial["step"]
        self.logged_step = trial["logged_step"]
        self.seconds = trial["seconds"]
        self.history = trial["history"]
        self.plateaus = Plateaus(**trial["plateaus"])


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def device_name(device: torch.device) -> str:
    """Name the hardware: the GPU's model, or the number of threads on the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} thread(s)"
