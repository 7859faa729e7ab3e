"""Results of a speed measurement: rates, shares, and the duration of a training."""

import math
import statistics
from dataclasses import asdict, dataclass

from gan.training.session import CHECKPOINT_SECONDS, CHECKPOINT_SHARE


@dataclass(frozen=True)
class Round:
    """Milliseconds per step of each part, measured one after the other."""

    fast: float
    """Engine as it trains: batch, colour maths, networks, controls."""
    colours: float
    """Batch, colour maths and controls with their gradients, without the networks.

    On a GPU also without the batch, which the CPU draws while the GPU works; in a training, colours
    are then prepared beside the networks, and cost less than here."""
    plain: float
    """Plain loop (``PlainLoop``)."""


@dataclass(frozen=True)
class Bench:
    """Measurements of one config on one device."""

    device: str
    precision: str
    """Precision of the engine's convolutions; those of the plain loop are float32."""
    image_size: int
    base_channels: int
    batch_size: int
    rounds: tuple[Round, ...]
    evaluation_ms: float
    """Time for the metrics on the held-out images and the sample grid."""
    target_ms: float
    """Time per target of the final evaluation: raw and exact outputs, and their naturalness."""
    log_ms: float
    checkpoint_ms: float
    evaluate_every: int
    """Steps between two evaluations."""
    log_every: int
    """Steps between two points of the loss curves."""
    memory_mb: float
    """Peak memory of the engine's training, 1e6 bytes: allocated on a GPU, else of the process."""

    @property
    def fast_ms(self) -> float:
        """Milliseconds per step of the engine, without evaluation, logging and checkpoints."""
        return statistics.median(r.fast for r in self.rounds)

    @property
    def plain_ms(self) -> float:
        """Milliseconds per step of the plain loop."""
        return statistics.median(r.plain for r in self.rounds)

    @property
    def ratio(self) -> float:
        """Speed relative to the plain loop: median over the rounds."""
        return statistics.median(self.ratios)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Speed relative to the plain loop in each round."""
        return tuple(r.plain / r.fast for r in self.rounds)

    @property
    def fast_images_per_second(self) -> float:
        """Images per second of the engine."""
        return self.batch_size / self.fast_ms * 1000

    @property
    def plain_images_per_second(self) -> float:
        """Images per second of the plain loop."""
        return self.batch_size / self.plain_ms * 1000

    def parts_ms(self, log_every: int, evaluate_every: int) -> dict[str, float]:
        """Return the milliseconds per step outside the networks, by purpose.

        ``colours``: batch, colour maths and controls. ``evaluation``, ``logging`` and
        ``checkpoints``: their time, spread over the steps between two of them.

        Args:
            log_every: steps between two points of the loss curves.
            evaluate_every: steps between two evaluations, each followed by a checkpoint.
        """
        evaluation, logging = self.evaluation_ms / evaluate_every, self.log_ms / log_every
        step = self.fast_ms + evaluation + logging
        between = evaluate_every * step
        checkpoints_a_ms = math.ceil(between / (CHECKPOINT_SECONDS * 1000)) / between
        return {
            # Measured apart, on a busy machine.
            "colours": min(statistics.median(r.colours for r in self.rounds), self.fast_ms),
            "evaluation": evaluation,
            "logging": logging,
            "checkpoints": step * min(self.checkpoint_ms * checkpoints_a_ms, CHECKPOINT_SHARE),
        }

    def whole_ms(self, log_every: int, evaluate_every: int) -> float:
        """Return the milliseconds per step of a long training, including those of ``parts_ms``."""
        parts = self.parts_ms(log_every, evaluate_every)
        return self.fast_ms + sum(parts.values()) - parts["colours"]

    @property
    def outside(self) -> dict[str, float]:
        """Shares of a training's time outside the networks, in [0, 1]: see ``parts_ms``."""
        whole = self.whole_ms(self.log_every, self.evaluate_every)
        parts = self.parts_ms(self.log_every, self.evaluate_every)
        return {name: ms / whole for name, ms in parts.items()}

    @property
    def outside_share(self) -> float:
        """Share of a training's time outside the networks, in [0, 1]."""
        return sum(self.outside.values())

    def figures(self) -> dict[str, object]:
        """Return all figures, measured and derived, ready for JSON."""
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


def lines(bench: Bench) -> list[str]:
    """Return a readable summary in lines of at most 80 characters."""
    b = bench
    fast, plain = [r.fast for r in b.rounds], [r.plain for r in b.rounds]
    outside = {name: f"{share:.1%}" for name, share in b.outside.items()}
    on_cpu = b.device.startswith("CPU")
    kind, beside = ("resident", "") if on_cpu else ("allocated", "; in part beside the networks")
    return [
        f"{b.image_size} px, {b.base_channels} base channels, batch {b.batch_size}, on {b.device}",
        f"{'':22}{'images/s':>10}{'ms/step':>11}   over {len(b.rounds)} rounds",
        f"{'colorsweep, ' + b.precision:22}{b.fast_images_per_second:10.1f}{b.fast_ms:11.2f}"
        f"   {min(fast):.2f} to {max(fast):.2f}",
        f"{'plain loop, float32':22}{b.plain_images_per_second:10.1f}{b.plain_ms:11.2f}"
        f"   {min(plain):.2f} to {max(plain):.2f}",
        f"{'ratio':22}{b.ratio:10.2f}{'':11}   {min(b.ratios):.2f} to {max(b.ratios):.2f}",
        f"{'memory':22}{b.memory_mb:10.0f} MB {kind}, peak",
        f"{'outside the networks':22}{b.outside_share:10.1%} of the time:",
        f"{outside['colours']:>12}  batches, colour maths, controls{beside}",
        f"{outside['evaluation']:>12}  evaluation: {b.evaluation_ms:.0f} ms every"
        f" {b.evaluate_every} steps",
        f"{'':12}  the last one: {b.target_ms / 1000:.1f} s for each target",
        f"{outside['logging']:>12}  logging: {b.log_ms:.1f} ms every {b.log_every} steps",
        f"{outside['checkpoints']:>12}  checkpoints: {b.checkpoint_ms:.0f} ms each, "
        f"{CHECKPOINT_SHARE:.0%} of the time at most",
    ]
