"""Command ``bench``: training speed on this machine, and the estimated time of a sweep."""

import json
import os
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan.plain_text import printable
from orchestrator.commands.completion import sweep_files
from orchestrator.commands.terminal import Screen, is_quiet
from orchestrator.sweep.dataset_check import check_datasets
from orchestrator.sweep.spec import find_sweep, read_sweep
from orchestrator.sweep.trials import expand, stand_ins
from reports.tables import duration

if TYPE_CHECKING:
    import torch

    from gan.benchmark.speed import Bench
    from orchestrator.driver.sweep_bench import SweepBench


@click.command(short_help="Measure the speed here; estimate a sweep's time.")
@click.argument("sweep", required=False, shell_complete=sweep_files)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device to measure; auto takes a GPU where there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON.")
def bench(sweep: str | None, device: str, as_json: bool) -> None:
    """Measure the speed of training here; with SWEEP, estimate the time that it will take.

    Trains the original project's CIFAR nets, or those of SWEEP, on random pictures, in turns with
    a plain PyTorch loop (float32, NCHW, a DataLoader that converts each image to Lab on the CPU).
    Takes a minute or two for each network configuration. Decoding pictures from disk may add time
    that is not measured here.
    """
    # torch takes seconds to import.
    from gan.benchmark.benchmark import choose_device
    from orchestrator.driver import sweep_bench as driver

    chosen = choose_device(device)
    console, errors = Screen(), Screen(stderr=True, quiet=is_quiet())
    spinner = errors.status("")

    def say(line: str) -> None:
        spinner.update(Text(printable(f"measuring: {line}")))

    if sweep is None:
        with spinner:
            measured = driver.bench_original(chosen, say)
        if as_json:
            click.echo(json.dumps(measured.figures(), indent=1))
        else:
            _print(measured, console)
        return
    spec = read_sweep(find_sweep(sweep))
    trials = expand(spec)
    if spec.search is not None:
        trials += stand_ins(spec, spec.search.trials)
    images = check_datasets(trials, errors if as_json or is_quiet() else console)
    with spinner:
        found = driver.bench_sweep(spec, trials, images, chosen, say)
    if as_json:
        click.echo(json.dumps(found.figures(), indent=1))
    else:
        for names, measured in found.benches.items():
            more = f" and {len(names) - 1} more" * (len(names) > 1)
            if len(found.benches) > 1:
                console.print(Text(f"{names[0]}{more}", style="bold"), soft_wrap=True)
            _print(measured, console)
        _print_estimates(found, chosen, console)


def _print(measured: "Bench", console: Console) -> None:
    from gan.benchmark.speed import lines

    for line in lines(measured):
        console.print(line, soft_wrap=True)
    console.print()


def _print_estimates(found: "SweepBench", device: "torch.device", console: Console) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Trial", overflow="fold")
    for heading in ("Steps", "Time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for estimate in found.estimates:
        table.add_row(estimate.name, str(estimate.steps), duration(estimate.seconds))
    console.print(table)
    console.print()
    where = f"{os.cpu_count()} CPU"
    if device.type == "cuda":
        import torch

        where = f"{torch.cuda.device_count()} GPU"
    for line in (
        f"{found.sweep}: {len(found.estimates)} trials, estimated from the above",
        f"{duration(found.seconds):>12}  one after the other",
        f"{duration(found.seconds_at_once):>12}  {found.slots} at once ({where})",
    ):
        console.print(line, soft_wrap=True)
