"""Benchmark of a sweep's networks, and estimates of its trials' time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from gan.benchmark.benchmark import bench, original_nets
from gan.benchmark.speed import Bench
from gan.config import TrainConfig
from orchestrator.driver.estimate import at_once, kind_of, slots_here
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial


@dataclass(frozen=True)
class Estimate:
    """Estimated time of a trial."""

    name: str
    key: str
    steps: int
    """Steps to train; 0 for a recoloured trial, which reuses its baseline's training."""
    seconds: float


@dataclass(frozen=True)
class SweepBench:
    """Benchmark of each kind of trial in a sweep, with the estimated times of all trials."""

    sweep: str
    benches: dict[tuple[str, ...], Bench]
    """By the names of the trials that train alike."""
    estimates: list[Estimate]
    slots: int
    """Number of trials that run in parallel on this machine."""

    @property
    def seconds(self) -> float:
        """Time of all trials if they run one after another."""
        return sum(estimate.seconds for estimate in self.estimates)

    @property
    def seconds_at_once(self) -> float:
        """Time of all trials if ``slots`` of them run in parallel."""
        return at_once([estimate.seconds for estimate in self.estimates], self.slots)

    def figures(self) -> dict[str, object]:
        """Return all figures, for JSON."""
        return {
            "sweep": self.sweep,
            "benches": [{"trials": names} | b.figures() for names, b in self.benches.items()],
            "trials": [vars(estimate) for estimate in self.estimates],
            "seconds": self.seconds,
            "at_once": self.slots,
            "seconds_at_once": self.seconds_at_once,
        }


def bench_original(device: torch.device, say: Callable[[str], None]) -> Bench:
    """Measure the original project's networks; ``say`` receives a line on each measurement."""
    return bench(original_nets(), device, say=say)


def bench_sweep(
    spec: SweepSpec,
    trials: list[Trial],
    images: dict[str, tuple[int, int]],
    device: torch.device,
    say: Callable[[str], None],
) -> SweepBench:
    """Measure one config of each kind in a sweep, and estimate the time of all trials.

    ``trials`` include stand-ins for those that a search has yet to choose; ``images`` are the
    numbers of training and held-out images by trial key; ``say`` receives a line on each
    measurement.
    """
    if device.type == "cpu":
        torch.set_num_threads(spec.resources.cpus_per_trial)
    benches = {kind: bench(config, device, say=say) for kind, config in _kinds(trials).items()}
    estimates = [_estimate(t, trials, images[t.key][0], benches[kind_of(t.config)]) for t in trials]
    slots = slots_here(spec.resources, device)
    alike = {kind: tuple(t.name for t in trials if kind_of(t.config) == kind) for kind in benches}
    named = {alike[kind]: measured for kind, measured in benches.items()}
    return SweepBench(spec.name, named, estimates, slots)


def _kinds(trials: Iterable[Trial]) -> dict[tuple[object, ...], TrainConfig]:
    """Return one config of each kind: the slowest, which has the most controls."""

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
        # The training is its baseline's; only an evaluation is its own.
        return Estimate(trial.name, trial.key, 0, at_the_end / 1000)
    steps = config.total_steps(images)
    interval = config.evaluation_interval(steps)
    ms = steps * measured.whole_ms(config.log_every, interval) + at_the_end
    return Estimate(trial.name, trial.key, steps, ms / 1000)
