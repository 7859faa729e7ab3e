"""What a report costs: of ten trials with their baseline, and of 1,000: ``make benchmark``.

Of the ten also from an MLflow server that answers 50 ms later, one request at a time and several.

The trials are copies of three that were trained, without control, steered and recoloured, under
other targets and weights; each has six sample grids of twelve pictures.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from gan.config import TrainConfig
from gan.control import Control, ControlName
from gan.data.datasets import load
from gan.training.trainer import Trainer
from reports import fetch
from reports.phase import TrialPhase
from reports.read import read_report
from reports.store import Launched, connect, default_uri
from reports.tracking import RunUpdate
from tests.support.cli import run_measured
from tests.support.servers import TrackingServer
from tests.support.trackers import tracker_of
from tests.support.trial_copies import copy_as
from tests.support.wire import Wire

BASELINE = TrainConfig(
    base_channels=8, batch_size=16, steps=60, eval_images=144, log_every=5, evaluate_every=10
)


def main() -> None:
    """Print lines of Markdown."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        runs = Path(scratch)
        _store(default_uri(runs), runs, "ten", targets=10, weights=1)
        _store(default_uri(runs), runs, "thousand", targets=100, weights=9)
        for name, count in (("ten", 21), ("thousand", 1001)):
            seconds, peak, size = _report(runs, name)
            print(
                f"| report of {count:,} trials | {seconds:.1f} s, {peak / 2**20:.2f} GiB; the page "
                f"{size / 1e6:.1f} MB |",
                flush=True,
            )
        _remote(runs)


def _remote(runs: Path) -> None:
    """Compare reading from a server request by request with several at once, three times each."""
    server = TrackingServer(runs)
    server.wait()
    try:
        _store(server.uri, runs, "remote", targets=10, weights=1)
        taken: dict[int, list[float]] = {1: [], fetch.AT_ONCE: []}
        with Wire(server.port) as wire:
            wire.pause = 0.05
            for fetch.AT_ONCE in [*taken] * 3:
                wire.seconds.clear()
                began = time.monotonic()
                read_report(connect(wire.uri), ["remote"], left_out=False)
                taken[fetch.AT_ONCE].append(time.monotonic() - began)
            wire.shutdown()
    finally:
        server.stop()
    one, several = (median(seconds) for seconds in taken.values())
    print(
        f"| reading of 21 trials from a server, {len(wire.seconds)} requests of 50 ms and more | "
        f"{several:.1f} s, {one / several:.1f} times as fast as one after the other |"
    )


def _store(uri: str, runs: Path, sweep: str, targets: int, weights: int) -> None:
    """Keep a baseline, its recoloured trial for each target, and steered ones for each weight."""
    tracker = tracker_of(uri, sweep, runs)
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
