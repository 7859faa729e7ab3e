"""What a report costs: of ten trials with their baseline, and of 1,000: ``make benchmark``.

The trials are copies of three that were trained, without control, steered and recoloured, under
other targets and weights; each has six sample grids of twelve pictures.
"""

import tempfile
from pathlib import Path

import torch

from gan.config import TrainConfig
from gan.control import Control, ControlName
from gan.data.datasets import load
from gan.training.trainer import Trainer
from reports.phase import TrialPhase
from reports.store import Launched, default_uri
from reports.tracking import RunUpdate
from tests.support.cli import run_measured
from tests.support.trackers import tracker_of
from tests.support.trial_copies import copy_as

BASELINE = TrainConfig(
    base_channels=8, batch_size=16, steps=60, eval_images=144, log_every=5, evaluate_every=10
)


def main() -> None:
    """Print lines of Markdown."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        runs = Path(scratch)
        _store(runs, "ten", targets=10, weights=1)
        _store(runs, "thousand", targets=100, weights=9)
        for name, count in (("ten", 21), ("thousand", 1001)):
            seconds, peak, size = _report(runs, name)
            print(
                f"| report of {count:,} trials | {seconds:.1f} s, {peak / 2**20:.2f} GiB; the page "
                f"{size / 1e6:.1f} MB |",
                flush=True,
            )


def _store(runs: Path, sweep: str, targets: int, weights: int) -> None:
    """Keep a baseline, its recoloured trial for each target, and steered ones for each weight."""
    tracker = tracker_of(default_uri(runs), sweep, runs)
    tracker.note_launch(Launched(f"colorsweep launch {sweep}", 1 + targets * (weights + 1)))
    aims: list[dict[ControlName, Control]] = [
        {"saturation": Control(target=(i + 0.5) / targets, weight=100 * (w + 1))}
        for i in range(targets)
        for w in range(weights)
    ]
    steered = [BASELINE.model_copy(update={"controls": aim}) for aim in aims]
    recoloured = [BASELINE.recoloured_as(config) for config in steered[::weights]]
    index = 0
    for configs in ([BASELINE], steered, recoloured):
        model = runs / "models" / sweep / configs[0].key()
        assert Trainer(configs[0], load(configs[0]), torch.device("cpu")).fit(model)
        for config in configs:
            directory = runs / sweep / config.key()
            copy_as(config, model, directory)
            name = ", ".join(
                f"saturation={c.target:g}, weight={c.weight:g}" for c in config.controls.values()
            )
            tracker.sync(
                RunUpdate(
                    key=config.key(),
                    name="recoloured, " * config.recolour + (name or "baseline"),
                    index=index,
                    config=config,
                    directory=directory,
                    phase=TrialPhase.FINISHED,
                )
            )
            index += 1


def _report(runs: Path, sweep: str) -> tuple[float, int, int]:
    """Write a report: seconds, KiB of memory at most, bytes of the page."""
    done = run_measured("--runs", str(runs), "report", sweep)
    page = runs / "reports" / sweep / "index.html"
    return done.seconds, done.memory, page.stat().st_size


if __name__ == "__main__":
    main()
