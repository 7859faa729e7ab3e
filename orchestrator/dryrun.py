"""What a launch would do, without doing it."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from orchestrator.datasets import check_datasets
from orchestrator.plan import Trial
from orchestrator.spec import SweepSpec
from orchestrator.state import state_of, trial_directory


def print_plan(spec: SweepSpec, trials: list[Trial], runs: Path, console: Console) -> None:
    """Print every trial: its key, how far it is, its length, what it trains and occupies."""
    images = check_datasets(trials, console)
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Trial", overflow="fold")
    table.add_column("Key", no_wrap=True)
    table.add_column("State", no_wrap=True)
    for heading in ("Steps", "Epochs", "Batch", "Base", "Px", "Data"):
        table.add_column(heading, justify="right", no_wrap=True)
    for trial in trials:
        state = state_of(trial, trial_directory(runs, spec.name, trial))
        config, (count, held_out) = trial.config, images[trial.key]
        steps = config.total_steps(count)
        done = "new" if state.step == 0 else f"step {state.step}"
        table.add_row(
            trial.name,
            trial.key,
            "finished" if state.step >= steps else done,
            str(steps),
            f"{steps * config.batch_size / count:.1f}",
            str(config.batch_size),
            str(config.base_channels),
            str(config.image_size),
            f"{config.dataset} {count}+{held_out}",
        )
    console.print(table)
    console.print("Base: base channels; Px: image size; Data: training + held-out images")
    resources = spec.resources
    gpus = "1 GPU (if there is one)"
    if resources.gpus_per_trial is not None:
        gpus = f"{resources.gpus_per_trial:g} GPU"
    console.print(f"each trial: {resources.cpus_per_trial} CPU, {gpus}")
