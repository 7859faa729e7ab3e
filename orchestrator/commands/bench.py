"""What `colorsweep bench` prints: the speed here, and how long a sweep will take."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

from gan.benchmark.bench import bench, choose_device, seeds_nets
from gan.benchmark.speed import Bench, lines
from gan.config import TrainConfig
from orchestrator.driver.estimate import at_once, kind_of, slots_here
from orchestrator.sweep.datasets import check_datasets
from orchestrator.sweep.spec import SweepSpec
from orchestrator.sweep.trials import Trial
from reports.tables import duration


@dataclass(frozen=True)
class Estimate:
    """How long a trial will take."""

    name: str
    key: str
    steps: int
    """0 for one that takes its training from another."""
    seconds: float


def run_bench(
    spec: SweepSpec | None, trials: list[Trial], device_name: str, as_json: bool, console: Console
) -> None:
    """Measure the seed's nets, or those of a sweep, and print it.

    Raises:
        UserError: the device is not there, or a dataset of the sweep cannot be used.
    """
    device = choose_device(device_name)
    if spec is None:
        measured = _measure(seeds_nets(), device)
        if as_json:
            print(json.dumps(measured.figures(), indent=1))
        else:
            _print(measured, console)
        return
    quiet = Console(stderr=True, highlight=False, markup=False)
    images = check_datasets(trials, quiet if as_json else console)
    if device.type == "cpu":
        torch.set_num_threads(spec.resources.cpus_per_trial)
    benches: dict[tuple[object, ...], Bench] = {}
    for kind, config in _kinds(trials).items():
        benches[kind] = _measure(config, device)
        if not as_json:
            _print(benches[kind], console)
    estimates = [_estimate(t, trials, images[t.key][0], benches[kind_of(t.config)]) for t in trials]
    slots = slots_here(spec.resources, device)
    if as_json:
        print(json.dumps(_figures(spec, estimates, list(benches.values()), slots), indent=1))
    else:
        _print_estimates(spec, estimates, slots, device, console)


def _measure(config: TrainConfig, device: torch.device) -> Bench:
    with Console(stderr=True).status("") as status:
        return bench(config, device, say=lambda line: status.update(f"measuring: {line}"))


def _print(measured: Bench, console: Console) -> None:
    for line in lines(measured):
        console.print(line, soft_wrap=True)
    console.print()


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


def _figures(
    spec: SweepSpec, estimates: list[Estimate], benches: list[Bench], slots: int
) -> dict[str, object]:
    return {
        "sweep": spec.name,
        "benches": [measured.figures() for measured in benches],
        "trials": [vars(estimate) for estimate in estimates],
        "seconds": sum(estimate.seconds for estimate in estimates),
        "at_once": slots,
        "seconds_at_once": at_once([estimate.seconds for estimate in estimates], slots),
    }


def _print_estimates(
    spec: SweepSpec,
    estimates: list[Estimate],
    slots: int,
    device: torch.device,
    console: Console,
) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Trial", overflow="fold")
    for heading in ("Steps", "Time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for estimate in estimates:
        table.add_row(estimate.name, str(estimate.steps), duration(estimate.seconds))
    console.print(table)
    console.print()
    seconds = [estimate.seconds for estimate in estimates]
    where = f"{torch.cuda.device_count()} GPU" if device.type == "cuda" else f"{os.cpu_count()} CPU"
    for line in (
        f"{spec.name}: {len(estimates)} trials, estimated from the above",
        f"{duration(sum(seconds)):>12}  one after the other",
        f"{duration(at_once(seconds, slots)):>12}  {slots} at once ({where})",
    ):
        console.print(line, soft_wrap=True)
