"""Options that say which generator, and their targets."""

import math
from collections.abc import Mapping
from pathlib import Path

import click

from gan.control import TARGETS, ControlName
from gan.errors import UserError

OPTIONS = [
    click.Option(
        ["--sweep"],
        metavar="NAME",
        help="Sweep to choose the finished trial from that is nearest to the targets below;"
        " without any, its trial without control.",
    ),
    click.Option(
        ["--run"],
        metavar="TRIAL",
        help="MLflow's id of a trial's run; with --sweep also its name or key.",
    ),
    click.Option(
        ["--generator"],
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="Checkpoint, trial's directory, export, or .safetensors file beside its config.json.",
    ),
    *(
        click.Option(
            [f"--{name}"],
            type=click.FloatRange(*bounds),
            help="Target, in the statistic's own unit.",
        )
        for name, bounds in TARGETS.items()
    ),
]


def given_targets(values: Mapping[str, float | None]) -> dict[ControlName, float]:
    """Return the targets that were given, of all options by name.

    Raises:
        UserError: one is no number.
    """
    given = {name: value for name in TARGETS if (value := values[name]) is not None}
    for name, value in given.items():
        if math.isnan(value):  # within every range, as click has it
            raise UserError(f"--{name}: nan is no target")
    return given
