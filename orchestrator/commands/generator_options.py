"""Options that choose a generator and its targets."""

from collections.abc import Mapping
from pathlib import Path

import click

from gan.control import TARGET_RANGES, ControlName
from orchestrator.commands.completion import sweep_names
from orchestrator.commands.flag_values import FiniteRange

OPTIONS = [
    click.Option(
        ["--sweep"],
        metavar="NAME",
        shell_complete=sweep_names,
        help="Sweep whose finished trial nearest to the targets below is taken; without targets,"
        " its baseline.",
    ),
    click.Option(
        ["--run"],
        metavar="TRIAL",
        help="Trial: its MLflow run id, or with --sweep its name or key.",
    ),
    click.Option(
        ["--generator"],
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="Checkpoint, trial directory, export, or .safetensors file next to its config.json.",
    ),
    *(
        click.Option(
            [f"--{name}"],
            type=FiniteRange(*bounds),
            help="Target, in the unit of the statistic.",
        )
        for name, bounds in TARGET_RANGES.items()
    ),
]


def given_targets(values: Mapping[str, float | None]) -> dict[ControlName, float]:
    """Return the given targets, from the values of all options by name."""
    return {name: value for name in TARGET_RANGES if (value := values[name]) is not None}
