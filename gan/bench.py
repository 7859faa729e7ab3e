"""How fast a training is here: against the plain loop, and where its time goes.

The pictures are random: what they show does not change the speed. They lie decoded in memory, as
CIFAR's do; pictures that are decoded while training (``gan.streaming``) may take longer.

Runs by itself where only the engine's own libraries are: ``python -m gan.bench --device cuda``.
"""

import argparse
import itertools
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from gan.color import l_ab_to_rgb
from gan.config import Control, TrainConfig
from gan.data import Batches
from gan.datasets import Dataset
from gan.errors import UserError
from gan.images import image_set_of_squares
from gan.losses import colour_loss, control_losses
from gan.plain import PlainLoop
from gan.step import EAGER_STEPS, GanStep, uses_bfloat16
from gan.trainer import CHECKPOINT_SECONDS, CHECKPOINT_SHARE, Trainer, device_name

ROUNDS = 5
SECONDS = 3.0
"""Length of each of a round's three parts, unless a single step takes longer."""


def seeds_nets() -> TrainConfig:
    """Return what is measured by default: the seed's CIFAR nets, saturation steered."""
    return TrainConfig(steps=1, controls={"saturation": Control(target=0.75)})


@dataclass(frozen=True)
class Round:
    """Milliseconds a step of each, measured one after the other."""

    fast: float
    """The engine as it trains: batch, colour maths, networks, controls."""
    colours: float
    """Of it: batch, colour maths and controls, with their gradients, without the networks."""
    plain: float
    """``PlainLoop``."""


@dataclass(frozen=True)
class Bench:
    """What was measured of one config on one device."""

    device: str
    precision: str
    """Of the engine's convolutions; the plain loop's are float32."""
    image_size: int
    base_channels: int
    batch_size: int
    rounds: tuple[Round, ...]
    evaluation_ms: float
    """Metrics on the held-out images and the sample grid."""
    log_ms: float
    checkpoint_ms: float
    evaluate_every: int
    """Steps."""
    log_every: int
    """Steps."""
    memory_mb: float
    """Peak of the engine's training, in 1e6 bytes: allocated on a GPU, else of the process."""

    @property
    def fast_ms(self) -> float:
        """Milliseconds a step of the engine, evaluation, logging and checkpoints aside."""
        return statistics.median(r.fast for r in self.rounds)

    @property
    def plain_ms(self) -> float:
        """Milliseconds a step of the plain loop."""
        return statistics.median(r.plain for r in self.rounds)

    @property
    def ratio(self) -> float:
        """How many times as fast as the plain loop: median over the rounds."""
        return statistics.median(self.ratios)

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times as fast as the plain loop, in each round."""
        return tuple(r.plain / r.fast for r in self.rounds)

    @property
    def fast_images_per_second(self) -> float:
        """Images a second of the engine."""
        return self.batch_size / self.fast_ms * 1000

    @property
    def plain_images_per_second(self) -> float:
        """Images a second of the plain loop."""
        return self.batch_size / self.plain_ms * 1000

    def parts_ms(self, log_every: int, evaluate_every: int) -> dict[str, float]:
        """Milliseconds of a step outside the networks, by what they go to.

        ``colours``: batch, colour maths and controls; ``evaluation``, ``logging`` and
        ``checkpoints``: spread over the steps between two of them.

        Args:
            log_every: steps between two points of the loss curves.
            evaluate_every: steps between two evaluations, each followed by a checkpoint.
        """
        evaluation, logging = self.evaluation_ms / evaluate_every, self.log_ms / log_every
        step = self.fast_ms + evaluation + logging
        checkpoints_a_ms = 1 / (CHECKPOINT_SECONDS * 1000) + 1 / (evaluate_every * step)
        return {
            "colours": statistics.median(r.colours for r in self.rounds),
            "evaluation": evaluation,
            "logging": logging,
            "checkpoints": step * min(self.checkpoint_ms * checkpoints_a_ms, CHECKPOINT_SHARE),
        }

    def whole_ms(self, log_every: int, evaluate_every: int) -> float:
        """Milliseconds a step of a long training takes, with its part of ``parts_ms``."""
        parts = self.parts_ms(log_every, evaluate_every)
        return self.fast_ms + sum(parts.values()) - parts["colours"]

    @property
    def outside(self) -> dict[str, float]:
        """Shares, in [0, 1], of a training's time outside the networks: see ``parts_ms``."""
        whole = self.whole_ms(self.log_every, self.evaluate_every)
        parts = self.parts_ms(self.log_every, self.evaluate_every)
        return {name: ms / whole for name, ms in parts.items()}

    @property
    def outside_share(self) -> float:
        """Share of a training's time outside the networks, in [0, 1]."""
        return sum(self.outside.values())

    def figures(self) -> dict[str, object]:
        """Everything, measured and derived, ready for JSON."""
        return asdict(self) | {name: getattr(self, name) for name in _DERIVED}


_DERIVED = (
    "fast_ms",
    "plain_ms",
    "fast_images_per_second",
    "plain_images_per_second",
    "ratio",
    "outside",
    "outside_share",
)


class _ColoursOnly(GanStep):
    """A step whose generator is given the colours: what is left are the losses of colour."""

    def _learn(self, l: Tensor, real_ab: Tensor, discriminates: bool) -> None:  # noqa: E741
        ab = real_ab.clone().requires_grad_(True)
        losses = {"l1": colour_loss(ab, real_ab)}
        if self.config.controls:
            losses |= control_losses(l_ab_to_rgb(l, ab), self.config.controls)
        torch.autograd.grad(torch.stack(list(losses.values())).sum(), ab)


def bench(
    config: TrainConfig,
    device: torch.device,
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    say: Callable[[str], None] = lambda line: None,
) -> Bench:
    """Measure the engine and the plain loop in turns, and what happens between steps.

    Args:
        config: what to train; its dataset and length do not matter.
        device: where.
        rounds: turns of engine, colours alone, plain loop.
        seconds: length of each part of a turn, unless a step takes longer.
        say: hears what is being done.

    Raises:
        TrainingError: a loss explodes, as it would in the training.
    """
    say("the engine: first steps, evaluation, checkpoint")
    # An evaluation at the end of a training does more.
    config = config.model_copy(update={"steps": 10**9, "epochs": None})
    pictures = _random_pictures(config)
    images = image_set_of_squares(pictures.numpy())
    held_out = images.subset(torch.arange(config.eval_images))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    trainer = Trainer(config, Dataset(images, held_out), device)
    cycle = config.discriminator_every
    steps = _prepare(trainer.train_step, cycle, device, seconds)
    evaluation_ms = _ms(trainer.evaluate, device, seconds)
    log_ms = _ms(trainer.log_losses, device, seconds)
    with tempfile.TemporaryDirectory() as trial:
        checkpoint_ms = _ms(lambda: trainer.save(Path(trial)), device, seconds)
    memory_mb = _peak_memory(device) / 1e6

    say("the colours alone and the plain loop: first steps")
    colours = _colours_alone(config, trainer.batches, device)
    colours_steps = _prepare(colours, cycle, device, seconds)
    # As a plain loop leaves it; what the engine chose is in its graphs by now. Its loader comes
    # after them: CUDA calls of another thread would spoil a recording.
    torch.backends.cudnn.deterministic = False
    plain = PlainLoop(config, pictures, device)
    plain_steps = _prepare(plain.step, cycle, device, seconds)

    measured = []
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        fast_ms = _ms_a_step(trainer.train_step, steps, device)
        colours_ms = _ms_a_step(colours, colours_steps, device)
        plain_ms = _ms_a_step(plain.step, plain_steps, device)
        measured.append(Round(fast_ms, colours_ms, plain_ms))
    return Bench(
        device=device_name(device),
        precision="bfloat16" if uses_bfloat16(config, device) else "float32",
        image_size=config.image_size,
        base_channels=config.base_channels,
        batch_size=config.batch_size,
        rounds=tuple(measured),
        evaluation_ms=evaluation_ms,
        log_ms=log_ms,
        checkpoint_ms=checkpoint_ms,
        evaluate_every=config.evaluate_every,
        log_every=config.log_every,
        memory_mb=memory_mb,
    )


def _random_pictures(config: TrainConfig) -> Tensor:
    """Enough for an evaluation and for batches that differ: (N, H, W, 3) uint8."""
    size = config.image_size
    count = max(config.eval_images, 2 * config.batch_size, 2**22 // size**2)
    random = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, size, size, 3), dtype=torch.uint8, generator=random)


def _colours_alone(
    config: TrainConfig, batches: Batches, device: torch.device
) -> Callable[[], None]:
    """Return what makes a batch and does all of a step but the networks."""
    gan = _ColoursOnly(config, device)
    steps = itertools.count()

    def step() -> None:
        number = next(steps)
        gan(batches.at(number), number, 1.0)

    return step


def _prepare(step: Callable[[], object], cycle: int, device: torch.device, seconds: float) -> int:
    """Take the steps that are slow; returns how many others take some seconds, in whole cycles."""
    if device.type == "cuda":
        _ms_a_step(step, (EAGER_STEPS + 2) * cycle, device)
    ms = _ms_a_step(step, cycle, device)
    return cycle * max(1, round(seconds * 1000 / ms / cycle))


def _ms_a_step(step: Callable[[], object], steps: int, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    _wait(device)
    return (time.perf_counter() - start) * 1000 / steps


def _ms(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Median of up to three, within some seconds; the first time, which prepares, not counted."""
    work()
    end = time.perf_counter() + seconds
    times = [_ms_a_step(work, 1, device)]
    while len(times) < 3 and time.perf_counter() < end:
        times.append(_ms_a_step(work, 1, device))
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_memory(device: torch.device) -> float:
    """Bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident if sys.platform == "darwin" else resident * 1024


def lines(bench: Bench) -> list[str]:
    """Describe a measurement for people, in lines of at most 80 characters."""
    b = bench
    fast, plain = [r.fast for r in b.rounds], [r.plain for r in b.rounds]
    outside = {name: f"{share:.1%}" for name, share in b.outside.items()}
    kind = "resident" if b.device.startswith("CPU") else "allocated"
    return [
        f"{b.image_size} px, {b.base_channels} base channels, batch {b.batch_size}, on {b.device}",
        f"{'':22}{'images/s':>10}{'ms a step':>11}   over {len(b.rounds)} rounds",
        f"{'colorsweep, ' + b.precision:22}{b.fast_images_per_second:10.1f}{b.fast_ms:11.2f}"
        f"   {min(fast):.2f} to {max(fast):.2f}",
        f"{'plain loop, float32':22}{b.plain_images_per_second:10.1f}{b.plain_ms:11.2f}"
        f"   {min(plain):.2f} to {max(plain):.2f}",
        f"{'ratio':22}{b.ratio:10.2f}{'':11}   {min(b.ratios):.2f} to {max(b.ratios):.2f}",
        f"{'memory':22}{b.memory_mb:10.0f} MB {kind}, at most",
        f"{'outside the networks':22}{b.outside_share:10.1%} of the time:",
        f"{outside['colours']:>12}  batches, colour maths, controls",
        f"{outside['evaluation']:>12}  evaluation: {b.evaluation_ms:.0f} ms every"
        f" {b.evaluate_every} steps",
        f"{outside['logging']:>12}  logging: {b.log_ms:.1f} ms every {b.log_every} steps",
        f"{outside['checkpoints']:>12}  checkpoints: {b.checkpoint_ms:.0f} ms each, "
        f"{CHECKPOINT_SHARE:.0%} of the time at most",
    ]


def choose_device(name: str) -> torch.device:
    """Return the device that an option names; ``auto`` is a GPU where there is one.

    Raises:
        UserError: there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("--device cuda: no usable GPU here; valid: auto, cpu")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def main() -> None:
    """Measure the seed's nets from the command line."""
    parser = argparse.ArgumentParser(prog="python -m gan.bench", description=__doc__)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batch-size", type=int, default=seeds_nets().batch_size)
    parser.add_argument("--base-channels", type=int, default=seeds_nets().base_channels)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    given = parser.parse_args()
    sizes = {"batch_size": given.batch_size, "base_channels": given.base_channels}
    config = TrainConfig.model_validate(seeds_nets().model_dump() | sizes)
    measured = bench(config, choose_device(given.device), rounds=given.rounds)
    print(json.dumps(measured.figures()) if given.json else "\n".join(lines(measured)))


if __name__ == "__main__":
    main()
