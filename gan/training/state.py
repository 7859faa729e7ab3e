"""State of one trial: everything that its config and the steps taken determine."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from gan import checkpoint
from gan.checkpoint import Checkpoint
from gan.config import TrainConfig
from gan.data.batches import Batches, Stream, fixed_crops, held_out, mix
from gan.data.datasets import Dataset
from gan.data.identity import dataset_of
from gan.errors import TrainingError
from gan.evaluation.evaluate import evaluate
from gan.evaluation.held_out import HeldOut
from gan.evaluation.reference import Natural
from gan.training.plateaus import Plateaus
from gan.training.progress import EVALUATION
from gan.training.step import GanStep
from gan.versions import versions

NATURAL = 2000
"""Maximum number of training crops searched for those that have a target's value."""


class Training:
    """Networks, optimizers, step and history, all covered by ``state`` and ``restore``."""

    def __init__(self, config: TrainConfig, dataset: Dataset, device: torch.device) -> None:
        """Start at step 0 with the weights that the config's seed determines.

        Raises:
            UserError: there are fewer training images than a batch needs.
        """
        self.config = config
        self.device = device
        self.images = dataset.train.to(device)
        self.batches = Batches(self.images, config)
        rgb, photograph = held_out(dataset.test, config)
        self.held_out = HeldOut.of(rgb.to(device), photograph)
        self.total_steps = config.total_steps(len(dataset.train))
        self.dataset_digest = dataset.digest
        self.gan = GanStep(config, self.total_steps, device)
        self.step = 0
        self.logged_step = 0
        self.history: list[dict[str, Any]] = []
        self.plateaus = Plateaus()
        self.seconds = 0.0
        """Time that all processes spent on steps and evaluations, excluding lost work."""
        self.step_seconds = 0.0
        """The same without the evaluations."""

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        return self.step * self.config.batch_size / len(self.images)

    def train_step(self) -> None:
        """Update the discriminator, then the generator, on the step's batch."""
        # Dropout uses the global random generator; seeded for each step, it needs no saved state.
        torch.manual_seed(mix(self.config.seed, Stream.DROPOUT, self.step))
        with self.gan.ahead():
            rgb = self.batches.at(self.step)
        self.gan(rgb, self.step, self.lr_factor())
        self.step += 1

    def lr_factor(self) -> float:
        """Return the factor of both learning rates, a function of the step and the plateaus."""
        config = self.config
        exponent = float(self.plateaus.count)
        if config.lr_decay_steps is not None:
            exponent += self.step / config.lr_decay_steps
        return float(config.lr_decay_rate**exponent)

    def log_losses(self) -> None:
        """Add the mean losses since the last logged point to the history.

        Raises:
            TrainingError: a loss was not finite, or exploded.
        """
        self.require_health()
        means = self.gan.means(self.step, self.logged_step)
        self._record({f"loss/{name}": mean for name, mean in means.items()})
        if self.step % self.config.log_every != 0:
            return  # so that a lengthened training continues as if it had not ended here
        self.gan.sums.zero_()
        self.logged_step = self.step
        if (patience := self.config.lr_plateau_steps) is not None:
            # Terms that act from the start: the onset of a penalty is no plateau.
            counted = {
                term.name
                for term in self.gan.terms
                if term.network == "generator" and term.from_step == 0
            }
            loss = sum(mean for name, mean in means.items() if name in counted)
            self.plateaus = self.plateaus.after(loss, self.step, patience)

    def require_health(self) -> None:
        """Check all losses since the start.

        Raises:
            TrainingError: a loss was not finite, or exploded.
        """
        if (failure := self.gan.failure()) is not None:
            raise TrainingError(failure)

    def evaluate(
        self, before_target: Callable[[int, int], None] = lambda done, count: None
    ) -> bytes:
        """Add the metrics on held-out images to the history and return the sample grid (PNG).

        The final evaluation measures everything, earlier ones only what is quick to measure.

        Args:
            before_target: called before each target of the final evaluation
                (``gan.evaluation.evaluate.evaluate``); if it raises, nothing is added.

        Raises:
            TrainingError: a weight of the generator is not finite.
        """
        self._require_finite({"generator": self.gan.generator.state_dict()})
        if self.step < self.total_steps:
            found = evaluate(self.gan.generator, self.held_out, self.config)
        else:
            found = evaluate(
                self.gan.generator, self.held_out, self.config, self._natural(), before_target
            )
        self._record({f"eval/{name}": value for name, value in found.metrics.items()})
        return found.grid()

    def _natural(self) -> Natural:
        every = range(len(self.images))
        return Natural(lambda: fixed_crops(self.images, self.config, every, NATURAL)[0])

    def _record(self, metrics: dict[str, float]) -> None:
        """Add a point to the history, with a permanent timestamp (ms) of its creation.

        A training that ends where it stopped, earlier than it was to, may have been evaluated there
        in part; that point gets the rest.
        """
        last = self.history[-1] if self.history else None
        if last is not None and (last["step"], EVALUATION in last["metrics"]) == (self.step, True):
            self.history[-1] = {**last, "metrics": last["metrics"] | metrics}
            return
        now = int(time.time() * 1000)
        self.history.append({"step": self.step, "time": now, "metrics": metrics})

    def sound_state(self) -> dict[str, bytes]:
        """Return the ``state`` of a training that is sound enough to resume.

        Raises:
            TrainingError: a loss or a weight is not finite.
        """
        self.require_health()
        return self.state()

    def state(self) -> dict[str, bytes]:
        """Return the files to resume from: networks, optimizers, step, history and config.

        Sample order, crops, flips and dropout follow from seed and step, and need no state.

        Raises:
            TrainingError: a tensor of the state is not finite.
        """
        tensors = self._require_finite(self.gan.state())
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
            "step_seconds": self.step_seconds,
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

    def _require_finite(self, state: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Return the tensors of all given parts by name, on the CPU.

        Raises:
            TrainingError: a tensor is not finite.
        """
        tensors = {
            f"{part}.{name}": tensor.cpu()
            for part, entries in state.items()
            for name, tensor in entries.items()
        }
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise TrainingError(f"{name} was not finite at step {self.step}")
        return tensors

    def restore(self, found: Checkpoint) -> None:
        """Restore the state of a checkpoint of which all files were read, bit for bit.

        Raises:
            TrainingError: the checkpoint is of other networks, or of other pictures.
        """
        trial = found.trial
        if trial["dataset_digest"] != self.dataset_digest:
            raise TrainingError(self._other_pictures(found))
        tensors = checkpoint.unpack(found.files[checkpoint.TRAINING])
        state = {part: _below(part, tensors) for part in {name.split(".")[0] for name in tensors}}
        state["generator"] = checkpoint.unpack(found.files[checkpoint.GENERATOR])
        try:
            self.gan.restore(state)
        except (RuntimeError, KeyError, IndexError, ValueError) as error:
            reason = str(error).splitlines()[-1].strip()
            where = found.path
            raise TrainingError(f"{where}: a checkpoint of other networks ({reason})") from None
        self.step = trial["step"]
        self.logged_step = trial["logged_step"]
        self.seconds = trial["seconds"]
        self.step_seconds = trial.get("step_seconds", self.seconds)  # not in older checkpoints
        self.history = trial["history"]
        self.plateaus = Plateaus(**trial["plateaus"])

    def _other_pictures(self, found: Checkpoint) -> str:
        before, now = found.trial["images"], len(self.images)
        counts = f"; {before} training images then, {now} now" if before != now else ""
        return (
            f"{dataset_of(self.config)}: not the pictures of step {found.trial['step']} of this "
            f"training (digest {found.trial['dataset_digest'][:8]} then, "
            f"{self.dataset_digest[:8]} now{counts}); restore them, or train under another name "
            f"of the sweep (a copy of its file, or --name)"
        )


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def device_name(device: torch.device) -> str:
    """Name the hardware: the GPU's model, or the number of threads on the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} thread(s)"
