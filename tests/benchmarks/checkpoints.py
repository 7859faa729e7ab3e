"""Cost of checkpoints of the original project's full-size nets: ``make benchmark``.

A training of the default nets (19.5 million parameters, with Adam's moments), for three minutes.
"""

import statistics
import tempfile
import time
from pathlib import Path

import torch

from gan import checkpoint
from gan.config import TrainConfig
from gan.data.datasets import load
from gan.training.progress import Progress
from gan.training.trainer import Trainer

SECONDS = 180.0


def main() -> None:
    """Print a line of Markdown."""
    torch.set_num_threads(2)
    config = TrainConfig(steps=100_000, batch_size=16, log_every=10, evaluate_every=100_000)
    trainer = Trainer(config, load(config), torch.device("cpu"))
    stalls: list[float] = []
    heard: list[Progress] = []
    began = time.monotonic()

    def hear(progress: Progress) -> None:
        if heard and progress.durable_step > heard[-1].durable_step:
            stalls.append(progress.checkpoint_seconds - heard[-1].checkpoint_seconds)
        heard.append(progress)

    with tempfile.TemporaryDirectory() as scratch:
        trainer.fit(
            Path(scratch),
            on_progress=hear,
            should_stop=lambda: time.monotonic() - began > SECONDS,
        )
        newest = checkpoint.newest(Path(scratch))
        assert newest is not None
        size = sum(file.stat().st_size for file in newest.path.iterdir())
    last = heard[-1]
    share = last.checkpoint_seconds / (last.checkpoint_seconds + last.seconds)
    parameters = sum(
        tensor.numel()
        for net in (trainer.training.gan.generator, trainer.training.gan.discriminator)
        for tensor in net.parameters()
    )
    print(
        f"| checkpoint of {parameters / 1e6:.1f} million parameters | {size / 1e6:.0f} MB; "
        f"training waits {statistics.median(stalls):.2f} s (longest {max(stalls):.2f} s), "
        f"{len(stalls)} times in {SECONDS:.0f} s: {share:.1%} of the time |"
    )


if __name__ == "__main__":
    main()
