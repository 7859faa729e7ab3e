"""One trial: a training whose every bit follows from its config, however often it is stopped."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan import checkpoint
from gan.color import l_ab_to_rgb, rgb_to_l_ab
from gan.config import TrainConfig
from gan.data import Dataset, held_out, mix, training_batch
from gan.errors import TrainingError
from gan.evaluate import HeldOut, colorize_batch, evaluate, sample_grid
from gan.losses import adversarial_loss, colour_loss, control_losses, discriminator_loss
from gan.networks import build

KEEP_CHECKPOINTS = 2
CHECKPOINT_SECONDS = 30.0
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


class Trainer:
    """Networks, optimizers and history of one trial; ``state`` and ``restore`` are all of it."""

    def __init__(self, config: TrainConfig, dataset: Dataset, device: torch.device) -> None:
        """Start at step 0, from the weights that the config's seed gives."""
        self.config = config
        self.device = device
        self.images = dataset.train.to(device)
        self.held_out = HeldOut.of(
            held_out(dataset.test, config).to(device), pictures=len(dataset.test)
        )
        self.total_steps = config.total_steps(len(dataset.train))
        generator, discriminator = build(config)
        self.generator = generator.to(device).to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(device).to(memory_format=torch.channels_last)
        betas = (config.beta1, 0.999)
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), config.generator_lr, betas, fused=True
        )
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), config.discriminator_lr, betas, fused=True
        )
        self.autocast = uses_bfloat16(config, device)
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.loss_sums: dict[str, Tensor] = {}

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        return self.step * self.config.batch_size / len(self.images)

    def train_step(self) -> None:
        """Update the discriminator, then the generator, on the step's batch."""
        # Dropout draws from the global generator: seeded by the step, it is part of no state.
        torch.manual_seed(mix(self.config.seed, 2, self.step))
        real_rgb = training_batch(self.images, self.config, self.step)
        l, real_ab = rgb_to_l_ab(real_rgb)  # noqa: E741
        with self._autocast():
            fake_ab = self.generator(l).float()

        self.discriminator.requires_grad_(True)
        with self._autocast():
            real = self.discriminator(l, real_ab).float()
            fake = self.discriminator(l, fake_ab.detach()).float()
        d_loss = discriminator_loss(real, fake, self.config.label_smoothing)
        decay = self.lr_decay()
        _descend(self.discriminator_optimizer, d_loss, self.config.discriminator_lr * decay)

        self.discriminator.requires_grad_(False)
        with self._autocast():
            fake = self.discriminator(l, fake_ab).float()
        losses: dict[str, Tensor] = {
            "adversarial": adversarial_loss(fake),
            "l1": self.config.l1_weight * colour_loss(fake_ab, real_ab),
        }
        if self.config.controls:
            losses.update(control_losses(l_ab_to_rgb(l, fake_ab), self.config.controls))
        total = torch.stack(list(losses.values())).sum()
        _descend(self.generator_optimizer, total, self.config.generator_lr * decay)

        self.step += 1
        for name, loss in {"discriminator": d_loss, **losses}.items():
            before = self.loss_sums.get(name)
            self.loss_sums[name] = loss.detach() if before is None else before + loss.detach()

    def lr_decay(self) -> float:
        """Return the factor of both learning rates at this step, a function of the step alone."""
        if self.config.lr_decay_steps is None:
            return 1.0
        return float(self.config.lr_decay_rate ** (self.step / self.config.lr_decay_steps))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)

    def log_losses(self) -> None:
        """Add the mean losses since the last point to the history.

        Raises:
            TrainingError: one of them is not finite.
        """
        self._require_finite()
        logged = [p["step"] for p in self.history if "loss/l1" in p["metrics"]]
        count = self.step - (logged[-1] if logged else 0)
        means = {f"loss/{k}": total.item() / count for k, total in self.loss_sums.items()}
        self.loss_sums = {}
        self._record(means)

    def _require_finite(self) -> None:
        for name, total in self.loss_sums.items():
            if not torch.isfinite(total):
                raise TrainingError(
                    f"loss/{name} became {total.item()} at or before step {self.step}"
                )

    def evaluate(self) -> bytes:
        """Add the metrics on held-out images to the history and return the sample grid (PNG)."""
        rgb = colorize_batch(self.generator, self.held_out.l, self.config.batch_size)
        metrics = evaluate(rgb, self.held_out, self.config)
        self._record({f"eval/{name}": value for name, value in metrics.items()})
        return sample_grid(rgb, self.held_out)

    def _record(self, metrics: dict[str, float]) -> None:
        """Add a point to the history; its time (ms) is when it was made, and stays with it."""
        now = int(time.time() * 1000)
        self.history.append({"step": self.step, "time": now, "metrics": metrics})

    def fit(
        self,
        trial: Path,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end from the trial's newest checkpoint, or from step 0.

        Args:
            trial: the trial's directory; checkpoints and sample grids go there.
            on_progress: called about once a second and after each checkpoint.
            should_stop: asked about once a second; if so, a checkpoint is taken and ``fit`` ends.

        Returns:
            Whether the training is complete.

        Raises:
            TrainingError: a loss is not finite; the last checkpoint is kept.
        """
        if (found := checkpoint.newest(trial)) is not None:
            self.restore(found)
        durable = self.step
        saved = shown = before = time.monotonic()
        shown_step = self.step
        while self.step < self.total_steps:
            self.train_step()
            ended = self.step == self.total_steps
            if ended or self.step % self.config.log_every == 0:
                self.log_losses()
            if evaluated := ended or self.step % self.config.evaluate_every == 0:
                self._require_finite()
                checkpoint.write_file(checkpoint.sample_file(trial, self.step), self.evaluate())
            now = time.monotonic()
            self.seconds += now - before
            before = now
            stopping = False
            if showing := now - shown > PROGRESS_SECONDS:
                stopping = should_stop()
            if evaluated or stopping or now - saved > CHECKPOINT_SECONDS:
                self.save(trial)
                durable = self.step
                saved = time.monotonic()
                showing = True
            if showing:
                images = (self.step - shown_step) * self.config.batch_size
                on_progress(self.progress(images / (now - shown), durable))
                shown, shown_step = time.monotonic(), self.step
            if stopping:
                break
        return self.step >= self.total_steps

    def progress(self, images_per_second: float, durable_step: int) -> Progress:
        """Describe where the trial is."""
        metrics = checkpoint.newest_metrics(self.history)
        return Progress(
            self.step, self.total_steps, self.epoch, images_per_second, metrics, durable_step
        )

    def save(self, trial: Path) -> None:
        """Write a checkpoint, then remove those that are no longer needed.

        Raises:
            TrainingError: a loss is not finite, so that this state is not worth keeping.
        """
        self._require_finite()
        checkpoint.write(trial, self.step, self.state())
        checkpoint.prune(trial, KEEP_CHECKPOINTS)

    def state(self) -> dict[str, bytes]:
        """Everything to go on with, as files: networks, optimizers, step, history, config.

        Sample order, crops, flips and dropout follow from seed and step and need no state.
        """
        training = {f"discriminator.{k}": v for k, v in self.discriminator.state_dict().items()}
        for name, optimizer in self._optimizers().items():
            for index, entry in optimizer.state_dict()["state"].items():
                training |= {f"{name}.{index}.{k}": v for k, v in entry.items()}
        training |= {f"loss_sums.{k}": v for k, v in self.loss_sums.items()}
        trial = {
            "config": self.config.model_dump(mode="json"),
            "step": self.step,
            "total_steps": self.total_steps,
            "images": len(self.images),
            "epoch": self.epoch,
            "seconds": self.seconds,
            "device": device_name(self.device),
            "history": self.history,
        }
        return {
            checkpoint.GENERATOR: checkpoint.pack(self.generator.state_dict()),
            checkpoint.CONFIG: self.config.model_dump_json(indent=1).encode(),
            checkpoint.TRAINING: checkpoint.pack(training),
            checkpoint.TRIAL: json.dumps(trial, indent=1).encode(),
        }

    def restore(self, path: Path) -> None:
        """Go back to a checkpoint's state, bit for bit.

        Raises:
            TrainingError: it was trained on another number of images.
        """
        trial = checkpoint.read_trial(path)
        if trial["images"] != len(self.images):
            raise TrainingError(
                f"dataset: {len(self.images)} training images, but {trial['images']} when this "
                "trial began; give the changed dataset another dataset_path"
            )
        tensors = checkpoint.unpack((path / checkpoint.TRAINING).read_bytes())
        self.generator.load_state_dict(
            checkpoint.unpack((path / checkpoint.GENERATOR).read_bytes())
        )
        self.discriminator.load_state_dict(_below("discriminator", tensors))
        for name, optimizer in self._optimizers().items():
            state: dict[int, dict[str, Tensor]] = {}
            parameters = optimizer.param_groups[0]["params"]
            for key, tensor in _below(name, tensors).items():
                index, field = key.split(".")
                parameter = parameters[int(index)]
                if tensor.shape == parameter.shape:
                    # Fused Adam pairs elements by memory order: same layout, or wrong moments.
                    tensor = torch.empty_like(parameter).copy_(tensor)
                state.setdefault(int(index), {})[field] = tensor
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        sums = _below("loss_sums", tensors)
        self.loss_sums = {k: v.to(self.device) for k, v in sums.items()}
        self.step = trial["step"]
        self.seconds = trial["seconds"]
        self.history = trial["history"]

    def _optimizers(self) -> dict[str, torch.optim.Adam]:
        return {
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }


def _descend(optimizer: torch.optim.Adam, loss: Tensor, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def uses_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the convolutions run in bfloat16: as configured, or where the device has it.

    Where it has not, bfloat16 is emulated: 10 times slower than float32 on an AVX2 processor.
    """
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())


def device_name(device: torch.device) -> str:
    """Name the hardware: the GPU's model, or the number of threads on the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} thread(s)"
