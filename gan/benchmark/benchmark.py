"""How fast a training is here: against the plain loop, and where its time goes.

The pictures are random: what they show does not change the speed. They lie decoded in memory, as
CIFAR's do; pictures that are decoded while training (``gan.data.streaming``) may take longer.

Runs by itself where only the engine's own libraries are:
``python -m gan.benchmark.benchmark --device cuda``.
"""

import argparse
import itertools
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from pydantic import ValidationError
from torch import Tensor

from gan.benchmark.plain_loop import PlainLoop
from gan.benchmark.speed import Bench, Round, lines
from gan.config import TrainConfig
from gan.control import Control
from gan.data.batches import Batches
from gan.data.datasets import Dataset
from gan.data.images import image_set_of_squares
from gan.errors import UserError
from gan.evaluation.evaluate import evaluate
from gan.evaluation.held_out import HeldOut
from gan.evaluation.reference import Natural
from gan.model.networks import Judgement
from gan.training.batch import Batch, Draws
from gan.training.losses import Term, Update, losses
from gan.training.state import Training, device_name
from gan.training.step import EAGER_STEPS, GanStep, uses_bfloat16

ROUNDS = 5
FEW = 50
"""Held-out images for timing the final evaluation on a CPU, where its time grows with them."""
EVALUATED_EVERY = 1000
"""Steps between the evaluations of a config that leaves them to its length, which bench ignores."""
SECONDS = 3.0
"""Duration of each of a round's three parts, unless a single step takes longer."""


def original_nets() -> TrainConfig:
    """Return the default config: the original project's CIFAR networks with steered saturation."""
    return TrainConfig(steps=1, controls={"saturation": Control(target=0.75)})


class _ColoursOnly(GanStep):
    """Step without networks: given the real colours, it computes only the colour losses."""

    def _learn(self, batch: Batch, draws: Draws, active: tuple[Term, ...]) -> dict[str, Tensor]:
        ab = batch.ab.clone().requires_grad_(True)
        update = Update(batch, draws, ab, fake=Judgement(ab))
        made = losses([term for term in active if not term.judged], "generator", update)
        torch.autograd.grad(torch.stack(list(made.values())).sum(), ab)
        return made


def bench(
    config: TrainConfig,
    device: torch.device,
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    say: Callable[[str], None] = lambda line: None,
) -> Bench:
    """Measure the engine and the plain loop in turns, and the work between steps.

    Args:
        config: config to train; its dataset and length do not matter.
        device: where to train.
        rounds: number of turns of engine, colours alone and plain loop.
        seconds: duration of each part of a turn, unless a step takes longer.
        say: called with a description of each stage.

    Raises:
        TrainingError: a loss explodes, as it would in the training.
    """
    say("the engine: first steps, evaluation, checkpoint")
    # Endless, as an evaluation at the end does more. Penalties act in every step, as in the plain
    # loop. There are ``eval_images`` pictures to evaluate on, without a half that is left out.
    endless = {"steps": 10**9, "epochs": None, "penalty_from_step": 0.0, "eval_half": "all"}
    config = config.model_copy(update=endless)
    pictures = _random_pictures(config)
    images = image_set_of_squares(pictures.numpy())
    held_out = images.subset(torch.arange(config.eval_images))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    training = Training(config, Dataset(images, held_out), device)
    cycle = config.discriminator_every
    steps = _prepare(training.train_step, cycle, device, seconds)
    evaluation_ms = _ms(training.evaluate, device, seconds)
    target_ms = _ms(partial(_measure_a_target, training), device, seconds)
    log_ms = _ms(training.log_losses, device, seconds)
    checkpoint_ms = _ms(training.sound_state, device, seconds)  # written in the background
    memory_mb = _peak_memory(device) / 1e6

    say("the colours alone and the plain loop: first steps")
    colours = _colours_alone(config, training.batches, device)
    colours_steps = _prepare(colours, cycle, device, seconds)
    # The default, for the plain loop; the engine's choice is in its CUDA graphs by now. The loader
    # starts after their recording, which CUDA calls from another thread would spoil.
    torch.backends.cudnn.deterministic = False
    plain = PlainLoop(config, pictures, device)
    plain_steps = _prepare(plain.step, cycle, device, seconds)

    measured = []
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        fast_ms = _ms_a_step(training.train_step, steps, device)
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
        target_ms=target_ms * config.eval_images / _few(config, device),
        log_ms=log_ms,
        checkpoint_ms=checkpoint_ms,
        evaluate_every=config.evaluate_every or EVALUATED_EVERY,
        log_every=config.log_every,
        memory_mb=memory_mb,
    )


def _random_pictures(config: TrainConfig) -> Tensor:
    """Return enough pictures for an evaluation and different batches: (N, H, W, 3) uint8."""
    size = config.image_size
    count = max(config.eval_images, 2 * config.batch_size, 2**22 // size**2)
    random = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, size, size, 3), dtype=torch.uint8, generator=random)


def _few(config: TrainConfig, device: torch.device) -> int:
    return config.eval_images if device.type == "cuda" else min(FEW, config.eval_images)


def _measure_a_target(training: Training) -> None:
    """Measure ``_few`` held-out images at one target, as the final evaluation does."""
    count = _few(training.config, training.device)
    few = HeldOut.of(training.held_out.rgb[:count], training.held_out.photograph[:count])
    config = training.config.at((training.config.measured_targets() or [{}])[0])
    evaluate(training.gan.generator, few, config, Natural(lambda: few.rgb))


def _colours_alone(
    config: TrainConfig, batches: Batches, device: torch.device
) -> Callable[[], None]:
    """Return a function that makes a batch and takes a step without the networks."""
    gan = _ColoursOnly(config, config.total_steps(1), device)
    steps = itertools.count()
    if device.type == "cuda":
        with gan.ahead():
            rgb = batches.at(0)
        return lambda: gan(rgb, next(steps), 1.0)
    return lambda: gan(batches.at(number := next(steps)), number, 1.0)


def _prepare(step: Callable[[], object], cycle: int, device: torch.device, seconds: float) -> int:
    """Take the slow first steps; return how many more fill ``seconds``, in whole cycles."""
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
    """Return the median milliseconds of up to three runs within ``seconds``, after a warm-up."""
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
    """Return the peak memory in bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident if sys.platform == "darwin" else resident * 1024


def choose_device(name: str) -> torch.device:
    """Return the device that an option names; ``auto`` is a GPU if there is one.

    Raises:
        UserError: ``cuda`` is named, but there is no usable GPU.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("--device cuda: no usable GPU here; valid: auto, cpu")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def main() -> None:
    """Measure the original project's networks from the command line."""
    parser = argparse.ArgumentParser(prog="python -m gan.benchmark.benchmark", description=__doc__)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batch-size", type=int, default=original_nets().batch_size)
    parser.add_argument("--base-channels", type=int, default=original_nets().base_channels)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each part of a round")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    given = parser.parse_args()
    sizes = {"batch_size": given.batch_size, "base_channels": given.base_channels}
    try:
        config = TrainConfig.model_validate(original_nets().model_dump() | sizes)
        device = choose_device(given.device)
    except ValidationError as error:
        parser.error(error.errors()[0]["msg"])
    except UserError as error:
        parser.error(str(error))
    measured = bench(config, device, rounds=given.rounds, seconds=given.seconds)
    print(json.dumps(measured.figures()) if given.json else "\n".join(lines(measured)))


if __name__ == "__main__":
    main()
