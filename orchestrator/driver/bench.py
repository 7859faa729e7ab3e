"""Benchmark of a sweep's nets, and the time that its trials will take."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from gan.benchmark.bench import bench, original_nets
from gan.benchmark.speed import Bench
from gan.config import TrainConfig
from orchestrator.driver.estimate import at_once, kind_of, slots_here
from orchestrator.sweep.spec import SweepSpec
from orchestrator.sweep.trials import Trial


@dataclass(frozen=True)
class Estimate:
    """Time that a trial will take."""

    name: str
    key: str
    steps: int
    """0 for a recoloured trial, which takes its training from its baseline."""
    seconds: float


@dataclass(frozen=True)
class SweepBench:
    """Benchmark of each kind of nets in a sweep, and its trials' times."""

    sweep: str
    benches: list[Bench]
    estimates: list[Estimate]
    slots: int
    """Trials that run at once on this machine."""

    @property
    def seconds(self) -> float:
        """Time of all trials, one after the other."""
        return sum(estimate.seconds for estimate in self.estimates)

    @property
    def seconds_at_once(self) -> float:
        """Time of all trials on this machine."""
        return at_once([estimate.seconds for estimate in self.estimates], self.slots)

    def figures(self) -> dict[str, object]:
        """Return every figure, for JSON."""
        return {
            "sweep": self.sweep,
            "benches": [measured.figures() for measured in self.benches],
            "trials": [vars(estimate) for estimate in self.estimates],
            "seconds": self.seconds,
            "at_once": self.slots,
            "seconds_at_once": self.seconds_at_once,
        }


def bench_original(device: torch.device, say: Callable[[str], None]) -> Bench:
    """Measure the original project's nets; ``say`` is told what is being measured."""
    return bench(original_nets(), device, say=say)


def bench_sweep(
    spec: SweepSpec,
    trials: list[Trial],
    images: dict[str, tuple[int, int]],
    device: torch.device,
    say: Callable[[str], None],
) -> SweepBench:
    """Measure each kind of nets of a sweep.

    Args:
        spec: the sweep.
        trials: its trials, and stand-ins for those that a search is yet to choose.
        images: training and held-out images of each trial, by key.
        device: to measure on.
        say: is told what is being measured.
    """
    if device.type == "cpu":
        torch.set_num_threads(spec.resources.cpus_per_trial)
    benches = {kind: bench(config, device, say=say) for kind, config in _kinds(trials).items()}
    estimates = [_estimate(t, trials, images[t.key][0], benches[kind_of(t.config)]) for t in trials]
    slots = slots_here(spec.resources, device)
    return SweepBench(spec.name, [*benches.values()], estimates, slots)


def _kinds(trials: Iterable[Trial]) -> dict[tuple[object, ...], TrainConfig]:
    """Choose one config of each kind: that with the most controls, the slowest."""

    def controls(config: TrainConfig) -> tuple[int, int]:
        penalised = sum(control.weight > 0 for control in config.controls.values())
        return penalised, len(config.controls)

    chosen: dict[tuple[object, ...], TrainConfig] = {}
    for config in (trial.config for trial in trials):
        kind = kind_of(config)
        if kind not in chosen or controls(config) > controls(chosen[kind]):
            chosen[kind] = config
    return chosen


def _estimate(trial: Trial, trials: list[Trial], images: int, measured: Bench) -> Estimate:
    config = trial.config
    at_the_end = measured.target_ms * max(1, len(config.measured_targets()))
    if config.recolour and any(t.key == config.without_control().key() for t in trials):
        # Its baseline's training, and an evaluation of its own.
        return Estimate(trial.name, trial.key, 0, at_the_end / 1000)
    steps = config.total_steps(images)
    ms = steps * measured.whole_ms(config.log_every, config.evaluate_every) + at_the_end
    return Estimate(trial.name, trial.key, steps, ms / 1000)
